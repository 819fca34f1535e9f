import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Singletree, Task } from '@singletree/sdk';
import { processesWithMarker, randomFrom, seededUsage, seedOf, until, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  claudeCode,
  claudeProcessOf,
  claudeScene,
  claudeTask,
  claudeVersion,
  endless,
  oldestClaudeVersion,
  reached,
  servedTokens,
  toldTokens,
  type ClaudeScene,
  type ClaudeSceneOptions,
} from './support/claude.ts';
import { finished } from './support/daemon.ts';
import { filesThatHold } from './support/files.ts';
import { eventsOf, expectNoProcessOf, expectPromisesKept } from './support/promises.ts';

/** The real Claude Code against a scripted model on loopback: what it serves is the judge of every figure. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const random = randomFrom(seedOf('Claude Code'));

const edit = (from: string, to: string): Step => ({
  text: `I make ${to} of ${from}.`,
  tools: [{ name: 'Edit', input: { file_path: 'a.txt', old_string: from, new_string: to } }],
});
/** The CLI changes no file that it has not read in the session. */
const change = (from: string, to: string): Step => ({
  ...edit(from, to),
  tools: [{ name: 'Read', input: { file_path: 'a.txt' } }, ...(edit(from, to).tools ?? [])],
});
const read: Step = { text: 'I look.', tools: [{ name: 'Read', input: { file_path: 'a.txt' } }] };
const shell = (command: string, text = 'I try.'): Step => ({ text, tools: [{ name: 'Bash', input: { command } }] });
const gate = (line: string): { name: string; command: string } => ({ name: 'test', command: `grep -x ${line} a.txt` });
/** Each answer with figures of its own, but for those that have some. */
const withUsage = (steps: readonly Step[]): Step[] => {
  const usage = seededUsage(Math.floor(random() * 2 ** 32), steps.length, { reasoning: true });
  return steps.map((step, index) => (step.usage ? step : { ...step, usage: usage[index]! }));
};

const tooLong = { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 201000 tokens > 200000 maximum' } };

/** Runs one task to its end. */
async function run(scene: ClaudeScene, more: Parameters<typeof claudeTask>[1] = {}): Promise<{ client: Singletree; task: Task }> {
  const client = await scene.daemon.start();
  const { id } = await client.tasks.create(claudeTask(scene, more));
  return { client, task: await finished(client, id, 60_000) };
}

/** A repository that would make the agent run what it likes. Each of its programs leaves a file in HOME. */
const hostile = (() => {
  const hook = (event: string): object => ({
    [event]: [{ matcher: '*', hooks: [{ type: 'command', command: `touch "$HOME/hook-${event}"` }] }],
  });
  return {
    '.claude/settings.json': JSON.stringify({ hooks: { ...hook('SessionStart'), ...hook('PreToolUse') }, env: { FROM_PROJECT: '1' } }),
    '.claude/settings.local.json': JSON.stringify({ hooks: hook('Stop') }),
    '.mcp.json': JSON.stringify({ mcpServers: { evil: { command: '/bin/sh', args: ['-c', 'touch "$HOME/mcp-evil"; cat'] } } }),
    '.claude/agents/evil.md': '---\nname: evil\ndescription: the agent of the repository\n---\nx\n',
    'CLAUDE.md': 'the words of CLAUDE.md\n',
  };
})();
const leftBehind = ({ daemon }: ClaudeScene): string[] =>
  ['hook-SessionStart', 'hook-PreToolUse', 'hook-Stop', 'mcp-evil'].filter((name) => existsSync(join(daemon.home, name)));

// Once, and not within the limit of a test: it is large, and not there on a machine that has never run the demo.
beforeAll(async () => {
  await claudeCode();
  if (full) await claudeCode(oldestClaudeVersion);
}, 600_000);

describe.concurrent('Claude Code', () => {
  test('an edit that passes its gate is a success; all of the task reaches the model, and nothing that the repository configures is run', async () => {
    await using scene = await claudeScene(withUsage([read, edit('before', 'after'), { text: 'Done.' }]), {
      files: { 'notes/rates.md': 'half up, always\n', ...hostile },
    });
    const client = await scene.daemon.start();
    const created = await client.tasks.create(
      claudeTask(scene, {
        title: 'The title of 41 euros',
        instructions: 'The instructions, in some detail.',
        acceptanceCriteria: ['the first criterion', 'the second criterion'],
        context: [{ text: 'a context that is a text' }, { file: 'notes/rates.md' }],
        gates: [{ name: 'test', command: 'grep -x after a.txt' }],
      }),
    );
    const task = await finished(client, created.id);

    expect(task).toMatchObject({
      state: 'completed',
      completion: { outcome: 'success', qualityGatePassed: true, filesChanged: 1, summary: 'Done.' },
    });
    expect(task.completion).toMatchObject({ harness: 'claude_code', harnessVersion: '2.1.329', provider: 'anthropic', turnsPerTask: 3 });
    const [first] = scene.models.requests.filter(({ side, protocol }) => protocol === 'anthropic' && !side);
    for (const part of [
      '# Task: The title of 41 euros',
      'The instructions, in some detail.',
      '- the first criterion\n- the second criterion',
      'a context that is a text',
      'notes/rates.md\n\nhalf up, always\n',
      'the words of CLAUDE.md',
    ]) {
      expect(first?.text).toContain(part);
    }
    expect(first?.raw).not.toContain('the agent of the repository');
    expect(leftBehind(scene)).toEqual([]);
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  test('a red gate sends its finding into the same session; the tokens of both attempts are those that were served', async () => {
    const steps = [read, edit('before', 'nearly'), { text: 'Fixed, all tests pass.' }, edit('nearly', 'after'), { text: 'Now it is.' }];
    await using scene = await claudeScene(withUsage(steps));
    const client = await scene.daemon.start();
    const gate = { name: 'test', command: 'grep -x after a.txt || { echo "found $(cat a.txt)"; exit 3; }' };
    const created = await client.tasks.create(claudeTask(scene, { gates: [gate] }));
    const task = await finished(client, created.id);

    expect(task).toMatchObject({
      state: 'completed',
      completion: { outcome: 'success', retryCount: 1, retriesByCause: { gate_failed: 1 }, turnsPerTask: 5, contextRotations: 0 },
      attempts: [{ resumed: false }, { resumed: true }],
      gateResults: [
        { status: 'failed', exitCode: 3 },
        { status: 'passed', exitCode: 0 },
      ],
    });
    expect(new Set(task.attempts.map(({ harnessSessionId }) => harnessSessionId)).size).toBe(1);
    const afterwards = scene.models.requests.filter(({ step }) => step === 4);
    expect(afterwards).toHaveLength(1);
    expect(afterwards[0]?.text).toContain('found nearly');
    expect(afterwards[0]?.text, 'the session goes on').toContain('Fixed, all tests pass.');
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test('whatever valid text a prompt is, it arrives unchanged', { timeout: 120_000 }, async () => {
    const prompts = [
      '-x --help',
      '/help me',
      '$(touch pwned) `touch pwned` ${HOME} %s "\' \\ !! # *',
      'one\r\ntwo\r\n\r\n\tthree \u001b[31mred\u001b[0m \u0007 \u202e \u2028',
      '\uFEFFbegins with a BOM, and another \uFEFF in its middle',
      'ends in blanks   \n\n',
      '0123 aé✓🦊\n'.repeat(2 ** 16), // 1 MiB
    ];
    await using scene = await claudeScene([{ text: 'Done.', times: 'always' }]);
    const client = await scene.daemon.start();
    const finish = async (instructions: string, index: number): Promise<void> => {
      const title = `prompt number ${index}`;
      const created = await client.tasks.create(claudeTask(scene, { title, instructions }));
      const task = await finished(client, created.id, 90_000);
      expect(task.state, `${title}: ${task.failure?.message}`).toBe('completed');
      const request = scene.models.requests.find(({ text }) => text.includes(title));
      expect(request?.text.includes(`# Task: ${title}\n\n${instructions}\n`), `${title} is as it was`).toBe(true);
    };
    await Promise.all(prompts.map(finish));
  });

  test('the daemon is killed while the agent waits for the model: the next one adopts it, and nobody else has seen the key', async () => {
    const steps = [read, { hold: 'killed', ...edit('before', 'after') }, { hold: 'adopted', text: 'Done.' }];
    await using scene = await claudeScene(withUsage(steps));
    const { daemon, models, folder, apiKey } = scene;
    const client = await daemon.start();
    const created = await client.tasks.create(claudeTask(scene, { gates: [{ name: 'test', command: 'grep -x after a.txt' }] }));
    await models.arrived('killed');
    expectOnlyChildKnows(apiKey, created.id);
    await daemon.kill();
    const log = join(daemon.state, 'processes', created.id, '1', 'harness-0-1', 'stdout.log');
    const before = statSync(log).size;
    models.release('killed');
    await models.arrived('adopted');
    await until(() => statSync(log).size > before, { what: 'the agent to write while nobody watches' });

    const again = await daemon.start();
    models.release('adopted');
    const task = await finished(again, created.id);
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', retryCount: 0, turnsPerTask: 3 } });
    expect((await eventsOf(again, created.id)).filter(({ kind }) => kind === 'adopted')).toHaveLength(1);
    expect(toldTokens(task)).toEqual(servedTokens(models));
    await expectPromisesKept(again, task, daemon.state);
    await daemon.stop();
    expect(filesThatHold(apiKey, folder)).toEqual([join(folder, 'key')]);
  });

  test('a cancel in the middle of a tool leaves no process, and the tokens until then are kept', async () => {
    await using scene = await claudeScene(withUsage([read, { text: 'This takes long.', tools: [endless('one')] }]));
    const client = await scene.daemon.start();
    const created = await client.tasks.create(claudeTask(scene));
    await reached(scene, 'one');

    await client.tasks.cancel(created.id, { by: 'test', why: 'no longer needed' });
    const task = await finished(client, created.id);
    expect(task).toMatchObject({
      state: 'cancelled',
      completion: { outcome: 'failure', failure: { reason: 'cancelled', by: 'test', why: 'no longer needed' }, turnsPerTask: 2 },
    });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectNoProcessOf(created.id);
  });
});

describe.runIf(full).concurrent.each([claudeVersion, oldestClaudeVersion])('Claude Code %s, in full', { timeout: 120_000 }, (version) => {
  const sceneOf = (steps: readonly Step[], more: ClaudeSceneOptions = {}): Promise<ClaudeScene> =>
    claudeScene(withUsage(steps), { version, ...more });

  test('a tool that fails is got over', async () => {
    await using scene = await sceneOf([shell('echo no >&2; exit 3'), shell('cat missing'), change('before', 'after'), { text: 'Done.' }]);
    const { client, task } = await run(scene, { gates: [gate('after')] });
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', turnsPerTask: 4, harnessVersion: version } });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test('a red gate sends its finding into the same session', async () => {
    await using scene = await sceneOf([change('before', 'nearly'), { text: 'Fixed.' }, change('nearly', 'after'), { text: 'Now it is.' }]);
    const { task } = await run(scene, { gates: [gate('after')] });
    expect(task).toMatchObject({
      state: 'completed',
      completion: { retriesByCause: { gate_failed: 1 }, turnsPerTask: 4, contextRotations: 0 },
      attempts: [{ resumed: false }, { resumed: true }],
    });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  test('a compaction is counted with what it used, and is no turn', async () => {
    const large = { input_tokens: 1_013, cache_read_input_tokens: 120_007, cache_creation_input_tokens: 11, output_tokens: 23 };
    const summary: Step = { text: '<summary>SUMMARY</summary>', requests: 'any', match: 'create a detailed summary' };
    await using scene = await sceneOf(
      [read, { ...shell('echo two'), usage: large }, summary, change('before', 'after'), { text: 'Done.' }],
      {
        options: { auto_compact_tokens: 100_000 },
      },
    );
    const { task } = await run(scene, { gates: [gate('after')] });
    expect(task).toMatchObject({
      state: 'completed',
      completion: { turnsPerTask: 4, contextCompactions: 1, contextUtilizationPeak: 121_031 / 200_000, usage: { lowerBound: false } },
    });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  const delegate = (background: boolean): Step => ({
    notMatch: 'SUBPROMPT',
    text: 'I delegate.',
    tools: [
      {
        name: 'Agent',
        input: { description: 'sub', prompt: 'SUBPROMPT do it', subagent_type: 'general-purpose', run_in_background: background },
      },
    ],
  });
  const ofSubagent = (calls: number, step: Step): Step => ({
    match: ({ raw, text }) =>
      text.includes('SUBPROMPT') && !text.includes('I delegate.') && raw.split('"tool_result"').length - 1 === calls,
    ...step,
  });

  test.each([false, true])("a sub-agent's tokens are in the sums (in the background: %s)", async (background) => {
    const subagent = [ofSubagent(0, shell('echo sub')), ofSubagent(1, { text: 'The sub-agent is done.' })];
    await using scene = await sceneOf([
      delegate(background),
      ...subagent,
      change('before', 'after'),
      ...(background ? [{ text: 'Done.', times: 'always' as const, usage: { input_tokens: 7, output_tokens: 3 } }] : [{ text: 'Done.' }]),
    ]);
    const { client, task } = await run(scene, { gates: [gate('after')] });
    expect(task).toMatchObject({ state: 'completed', completion: { usage: { lowerBound: false } } });
    expect(task.completion?.turnsPerTask).toBe(scene.models.served.length - 2);
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test.each<[string, Step]>([
    ['by somebody, in the middle of a tool', { text: 'Long.', tools: [endless('one')] }],
    ['by the first word of its tool', { ...shell('kill -9 $PPID; echo one > "$TMPDIR/one"; sleep 300'), text: 'Bad.' }],
  ])('killed %s it goes on in the same session; no token is lost or counted twice', async (_, last) => {
    await using scene = await sceneOf([read, last, change('before', 'after'), { text: 'Done.' }]);
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(claudeTask(scene, { gates: [gate('after')] }));
    await reached(scene, 'one');
    const agent = claudeProcessOf(id);
    if (agent) process.kill(agent.pid, 'SIGKILL');
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({
      state: 'completed',
      completion: { outcome: 'success', retriesByCause: { harness_crashed: 1 }, turnsPerTask: 4, usage: { lowerBound: false } },
      attempts: [{ resumed: false }, { resumed: true, usage: { provenance: 'reported' } }],
    });
    expect(new Set(task.attempts.map(({ harnessSessionId }) => harnessSessionId)).size).toBe(1);
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test("a session in the user's own CLAUDE_CONFIG_DIR is found again", async () => {
    await using scene = await sceneOf([{ text: 'Long.', tools: [endless('one')] }, change('before', 'after'), { text: 'Done.' }]);
    const elsewhere = join(scene.folder, 'claude-config');
    mkdirSync(elsewhere);
    const client = await scene.daemon.start({ CLAUDE_CONFIG_DIR: elsewhere });
    const { id } = await client.tasks.create(claudeTask(scene, { gates: [gate('after')] }));
    await reached(scene, 'one');
    expect([existsSync(join(elsewhere, 'projects')), existsSync(join(scene.daemon.home, '.claude'))]).toEqual([true, false]);
    process.kill(claudeProcessOf(id)?.pid ?? Number.NaN, 'SIGKILL');
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [{ resumed: false }, { resumed: true }],
      completion: { usage: { lowerBound: false } },
    });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  test('killed while a sub-agent works, the tokens of both are known', async () => {
    // The files of sub-agents are written a little behind what they do.
    const late = { name: 'Bash', input: { command: 'sleep 1.5; echo $$ > "$TMPDIR/one"; sleep 300' } };
    await using scene = await sceneOf([delegate(false), ofSubagent(0, { text: 'Long.', tools: [late] })], {
      configuration: { retry: { harness_crashed: { retry: false } } },
    });
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(claudeTask(scene));
    await reached(scene, 'one');
    process.kill(claudeProcessOf(id)?.pid ?? Number.NaN, 'SIGKILL');
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({ state: 'failed', completion: { turnsPerTask: 1, usage: { lowerBound: false, provenance: 'recovered' } } });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  test.each<[string, Step]>([
    ['500', { status: 500 }],
    ['429', { status: 429, headers: { 'retry-after': '1' } }],
    ['529', { status: 529 }],
    ['a stream that is cut', { text: 'half', cut: 'mid' }],
    ['a stream that is closed', { text: 'half', cut: 'eof' }],
    ['a stream that tells an error', { text: 'half', sseError: { message: 'overloaded' } }],
  ])('got over: %s', async (_, fault) => {
    await using scene = await sceneOf([read, fault, change('before', 'after'), { text: 'Done.' }]);
    const { task } = await run(scene, { gates: [gate('after')] });
    const brokeOff = fault.status === undefined;
    expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 0, turnsPerTask: 3, usage: { lowerBound: brokeOff } } });
    expectAllButLost(task, scene, brokeOff);
  });

  test.each<[string, Step, string]>([
    ['500', { status: 500 }, 'transient_api_error'],
    ['429', { status: 429 }, 'rate_limited'],
    ['a stream that is cut', { text: 'half', cut: 'mid' }, 'transient_api_error'],
    ['a context that is too long', { status: 400, errorBody: tooLong }, 'context_exhausted'],
    ['a model that does not exist', { status: 404 }, 'invalid_configuration'],
  ])('given up: %s', async (_, fault, reason) => {
    // For a wrong configuration there is no rule: a task is never tried again.
    const configuration = reason === 'invalid_configuration' ? {} : { retry: { [reason]: { retry: false } } };
    await using scene = await sceneOf([read, { ...fault, times: 'always' }], {
      configuration,
      options: { max_retries: 1, non_streaming_fallback: false },
    });
    const { client, task } = await run(scene);
    expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason } } });
    expectAllButLost(task, scene, fault.cut !== undefined);
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test('a refused key blocks the task with the reason, and what was used before it is kept', async () => {
    await using scene = await sceneOf([read, { status: 401, times: 'always' }], { options: { max_retries: 0 } });
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(claudeTask(scene));
    const isBlocked = async (): Promise<boolean> => (await client.tasks.get(id)).state === 'blocked';
    await until(isBlocked, { what: 'the task to be blocked', timeoutMs: 60_000 });
    expect((await client.tasks.get(id)).blocked).toMatchObject({ reason: 'unauthenticated' });
    await client.tasks.cancel(id);
    expect(toldTokens(await finished(client, id))).toEqual(servedTokens(scene.models));
  });

  test.each<[string, Step]>([
    ['before the first byte of an answer', { text: 'never', hang: 'before', times: 'always' }],
    ['in the middle of an answer', { text: 'half', hang: 'mid', times: 'always' }],
  ])('a model that hangs %s is ended by the limits', async (_, hang) => {
    await using scene = await sceneOf([read, hang], { configuration: { retry: { stalled: { retry: false } } } });
    const { client, task } = await run(scene, { limits: { stallMs: 3_000 } });
    expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason: 'stalled' }, usage: { lowerBound: true } } });
    expectAllButLost(task, scene, true);
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test('an answer of 3 MB is one line, and nothing of it is lost', async () => {
    await using scene = await sceneOf([change('before', 'after'), { text: '0123 aé✓🦊\n', repeat: 200_000 }]);
    const { client, task } = await run(scene, { gates: [gate('after')] });
    expect(task.state).toBe('completed');
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
    await expectPromisesKept(client, task, scene.daemon.state);
  });

  test('a limit on turns holds while it runs; so does a flag of its own', async () => {
    const steps = Array.from({ length: 12 }, (_, index): Step => ({ delayMs: 300, ...shell(`sleep 0.${index + 1}`) }));
    await using scene = await sceneOf(steps);
    const { task } = await run(scene, { limits: { maxTurns: 3 } });
    expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason: 'turn_limit' } } });
    expect(scene.models.served.length).toBeLessThanOrEqual(4);
    await using flagged = await sceneOf(steps, { args: ['--max-turns', '2'] });
    const { task: other } = await run(flagged);
    expect(other).toMatchObject({ state: 'failed', completion: { failure: { reason: 'turn_limit' } } });
    expect(toldTokens(other)).toEqual(servedTokens(flagged.models));
  });

  test.each([false, true])('what a repository configures is run only if it is trusted: %s', async (trusted) => {
    await using scene = await sceneOf([shell('sleep 1; echo "from $FROM_PROJECT"'), change('before', 'after'), { text: 'Done.' }], {
      files: hostile,
    });
    if (trusted) {
      mkdirSync(join(scene.daemon.home, '.config/singletree'), { recursive: true });
      const record = { version: 1, folders: [{ path: scene.repo.path, since: new Date().toISOString() }] };
      writeFileSync(join(scene.daemon.home, '.config/singletree/trusted.json'), JSON.stringify(record), { mode: 0o600 });
    }
    const { task } = await run(scene, { gates: [gate('after')] });
    expect(task.state).toBe('completed');
    expect(leftBehind(scene)).toHaveLength(trusted ? 4 : 0);
    const said = scene.models.requests.map(({ raw }) => raw).join('\n');
    expect(said.includes('from 1')).toBe(trusted);
    expect(said.includes('the agent of the repository')).toBe(trusted);
    expect(said).toContain('the words of CLAUDE.md');
  });

  const mcpServer = ['const say = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");']
    .concat([
      'require("node:fs").writeFileSync(`${process.env.HOME}/mcp-ours`, process.env.DOCS_TOKEN ?? "none");',
      'require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {',
      '  const { id, method, params } = JSON.parse(line);',
      '  if (method === "initialize") say(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "x", version: "1" } });',
      '  else if (method === "tools/list") say(id, { tools: [{ name: "mark", description: "marks", inputSchema: { type: "object", properties: {} } }] });',
      '  else if (method === "tools/call") { require("node:fs").writeFileSync(`${process.env.HOME}/marked`, "x"); say(id, { content: [] }); }',
      '  else if (id !== undefined) say(id, {});',
      '});',
    ])
    .join('\n');

  test.each<['all' | 'edits' | 'read', (number | string)[]]>([
    ['all', [2, 'marked', 'mcp-ours']],
    ['edits', [1, 'marked', 'mcp-ours']],
    ['read', [0]],
  ])('permissions "%s" let through what they say, whatever tools are allowed besides', async (permissions, changed) => {
    const mark: Step = { text: 'I mark.', tools: [{ name: 'mcp__ours__mark', input: {} }] };
    // A server that is ready later than the first request is asked for is offered with the next ones.
    await using scene = await sceneOf(
      [
        shell('sleep 1.5; node -e 0'),
        shell('python3 -c 1 > b.txt; cp /bin/true b.txt'),
        mark,
        change('before', 'after'),
        { text: 'Done.' },
      ],
      {
        options: {
          allowed_tools: ['mcp__ours', 'Bash(sleep 1.5*)'],
          mcp_servers: { ours: { command: process.execPath, args: ['-e', mcpServer], env_vars: ['DOCS_TOKEN'] } },
        },
        env: { DOCS_TOKEN: 'docs-canary-7c1' },
      },
    );
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(claudeTask(scene, { permissions }));
    let isTold = false;
    const task = await until(
      async () => {
        isTold ||= processesWithMarker(id).some(({ command }) => command.includes('docs-canary'));
        const now = await client.tasks.get(id);
        return now.completion ? now : undefined;
      },
      { what: 'the task to end', timeoutMs: 60_000 },
    );
    const marks = ['marked', 'mcp-ours'].filter((name) => existsSync(join(scene.daemon.home, name)));
    expect([task.completion?.filesChanged, ...marks]).toEqual(changed);
    expect(isTold, 'a secret in an argument').toBe(false);
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });

  test('an answer by a schema is the summary', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false };
    await using scene = await sceneOf([read, { text: 'I answer.', tools: [{ name: 'StructuredOutput', input: { n: 5 } }] }], {
      options: { json_schema: schema },
    });
    const { task } = await run(scene);
    expect(task).toMatchObject({ state: 'completed', completion: { summary: '{"n":5}' } });
    expect(toldTokens(task)).toEqual(servedTokens(scene.models));
  });
});

/**
 * What the server served; where an answer broke off, less of it may have arrived: a connection that is reset takes along what was on the way. What
 * had been said before is in it at least.
 */
function expectAllButLost(task: Task, { models }: ClaudeScene, brokeOff: boolean): void {
  const [told, served] = [toldTokens(task), servedTokens(models)];
  if (!brokeOff) return expect(told).toEqual(served);
  for (const [kind, tokens] of Object.entries(
    servedTokens({ ...models, served: models.served.filter(({ usage }) => usage.output_tokens > 1) }),
  )) {
    expect(told[kind], kind).toBeGreaterThanOrEqual(tokens);
    expect(told[kind], kind).toBeLessThanOrEqual(served[kind] ?? 0);
  }
}

/** The key is in the environment of the agent and of what that started, and in no argument of anybody. */
function expectOnlyChildKnows(apiKey: string, taskId: string): void {
  const ours = processesWithMarker(taskId);
  const knowing = processesWithMarker(apiKey);
  expect(knowing.length).toBeGreaterThan(0);
  expect(knowing.filter(({ pid }) => !ours.some((each) => each.pid === pid))).toEqual([]);
  expect(knowing.filter(({ command }) => command.includes('shim'))).toEqual([]);
  expect(ours.filter(({ command }) => command.includes(apiKey))).toEqual([]);
}
