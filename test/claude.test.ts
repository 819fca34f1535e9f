import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processesWithMarker, seededUsage, until, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { claudeCode, claudeScene, claudeTask, servedTokens, toldTokens } from './support/claude.ts';
import { finished } from './support/daemon.ts';
import { filesThatHold } from './support/files.ts';
import { eventsOf, expectNoProcessOf, expectPromisesKept } from './support/promises.ts';

/** The real Claude Code against a scripted model on loopback. */

const edit = (from: string, to: string): Step => ({
  text: `I make ${to} of ${from}.`,
  tools: [{ name: 'Edit', input: { file_path: 'a.txt', old_string: from, new_string: to } }],
});
const read: Step = { text: 'I look.', tools: [{ name: 'Read', input: { file_path: 'a.txt' } }] };
/** Each step with its own usage. */
const withUsage = (steps: readonly Step[]): Step[] => {
  const usage = seededUsage(steps.length, steps.length);
  return steps.map((step, index) => ({ ...step, usage: usage[index]! }));
};

// Once, and not within the limit of a test: it is large, and not there on a machine that has never run the demo.
beforeAll(claudeCode, 300_000);

describe.concurrent('Claude Code', () => {
  test('an edit that passes its gate is a success; all of the task reaches the model with the first request', async () => {
    await using scene = await claudeScene(withUsage([read, edit('before', 'after'), { text: 'Done.' }]), {
      'notes/rates.md': 'half up, always\n',
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
    ]) {
      expect(first?.text).toContain(part);
    }
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
    const working = { name: 'Bash', input: { command: 'trap "" INT; echo $$ > "$TMPDIR/reached"; sleep 300; sleep 301' } };
    await using scene = await claudeScene(withUsage([read, { text: 'This takes long.', tools: [working] }]));
    const client = await scene.daemon.start();
    const created = await client.tasks.create(claudeTask(scene));
    const reached = join(scene.folder, 'tmp', 'reached');
    await until(() => existsSync(reached) && readFileSync(reached, 'utf8') !== '', { what: 'the tool to run', timeoutMs: 20_000 });

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

/** The key is in the environment of the agent and of what that started, and in no argument of anybody. */
function expectOnlyChildKnows(apiKey: string, taskId: string): void {
  const ours = processesWithMarker(taskId);
  const knowing = processesWithMarker(apiKey);
  expect(knowing.length).toBeGreaterThan(0);
  expect(knowing.filter(({ pid }) => !ours.some((each) => each.pid === pid))).toEqual([]);
  expect(knowing.filter(({ command }) => command.includes('shim'))).toEqual([]);
  expect(ours.filter(({ command }) => command.includes(apiKey))).toEqual([]);
}
