import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { appendFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { processesWithMarker } from '../processes.ts';
import { temporaryFolder } from '../temp.ts';
import { until } from '../until.ts';
import { callsIn } from './decode.ts';
import fake, { fakeAgentPath } from './plugin.ts';
import type { ChildProcess } from 'node:child_process';
import type { TemporaryFolder } from '../temp.ts';
import type { FakeScript } from './script.ts';
import type { FakeStep } from './steps.ts';

let folder: TemporaryFolder;
let marker: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  marker = `FAKE_AGENT_TEST=${randomUUID()}`;
  await mkdir(at('work'));
});

afterEach(async () => {
  for (const { pid } of processesWithMarker(marker)) process.kill(pid, 'SIGKILL');
  await folder[Symbol.asyncDispose]();
});

const at = (name: string): string => join(folder.path, name);
const text = (name: string): Promise<string> => readFile(at(name), 'utf8');

/** What the harness adds to the environment. */
const { env } = fake.command(
  { prompt: '', workspace: '/', session: { kind: 'new', id: '' }, permissions: 'all', root: false },
  { executable: process.execPath, hasApiKey: false, args: [], options: { script: '/' } },
);

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly unknown[];
}

/** Starts the agent as the daemon does: standard input and both outputs are regular files. */
async function begin(
  script: FakeScript,
  args: readonly string[] = ['--session', 's1'],
  prompt = 'do it',
): Promise<{ child: ChildProcess; ended: () => Promise<Ended> }> {
  await writeFile(at('script.json'), JSON.stringify(script));
  await writeFile(at('stdin'), prompt);
  const files = await Promise.all([open(at('stdin')), open(at('stdout'), 'w'), open(at('stderr'), 'w')]);
  const child = spawn(process.execPath, [fakeAgentPath, '--script', at('script.json'), ...args], {
    cwd: at('work'),
    env: { PATH: process.env['PATH'], HOME: folder.path, FAKE_AGENT_TEST: marker.split('=')[1], FAKE_AGENT_API_KEY: 'sk-1234', ...env },
    stdio: files.map(({ fd }) => fd),
  });
  const exit = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  await Promise.all(files.map((file) => file.close()));
  const ended = async (): Promise<Ended> => {
    const end = await exit;
    const [stdout, stderr] = [await text('stdout'), await text('stderr')];
    const lines = stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line): unknown => JSON.parse(line));
    return { ...end, stdout, stderr, lines };
  };
  return { child, ended };
}

const run = async (...args: Parameters<typeof begin>): Promise<Ended> => (await begin(...args)).ended();

const opening = { type: 'session', session: 's1', model: 'fake-1', version: '1.0.0' };
const success = { type: 'result', isError: false };

test('works: says, calls, edits, runs, and ends with success', async () => {
  const { code, lines, stderr } = await run([
    { say: 'I begin' },
    { call: { input: 10, cacheRead: 20, output: 5, costUsd: 0.25 } },
    { write: { path: 'src/a.txt', content: 'one\n' } },
    { edit: { path: 'src/a.txt', from: 'one', to: '$& two' } },
    { run: 'cat src/a.txt; cat /proc/$$/stat | cut -d" " -f1,5,6' },
    { edit: { path: 'src/a.txt', from: 'not there', to: '' } },
    { delete: 'src/a.txt' },
    { compaction: { before: 100, after: 10 } },
  ]);
  const [pid, group, session] = /(\d+) (\d+) (\d+)/.exec(JSON.stringify(lines))?.slice(1) ?? [];
  expect([group, session]).toEqual([pid, pid]);
  expect([code, stderr]).toEqual([0, '']);
  expect(lines).toMatchObject([
    opening,
    { type: 'text', text: 'I begin' },
    { type: 'call', id: 'call-1', usage: { input: 10, cacheRead: 20, output: 5 }, costUsd: 0.25 },
    { type: 'tool_started', id: 'tool-1', tool: 'Write', summary: 'src/a.txt' },
    { type: 'file', path: 'src/a.txt', change: 'added' },
    { type: 'tool_finished', id: 'tool-1', failed: false },
    { type: 'tool_started', tool: 'Edit' },
    { type: 'file', change: 'modified' },
    { type: 'tool_finished', failed: false },
    { type: 'tool_started', tool: 'Bash' },
    { type: 'tool_finished', tool: 'Bash', failed: false, output: expect.stringMatching(/^\$& two\n/) },
    { type: 'tool_started', tool: 'Edit' },
    { type: 'tool_finished', failed: true, output: 'src/a.txt does not hold "not there"' },
    { type: 'tool_started', tool: 'Delete' },
    { type: 'file', change: 'deleted' },
    { type: 'tool_finished', failed: false },
    { type: 'compaction', before: 100, after: 10 },
    success,
  ]);
});

test('does not do what its permissions forbid', async () => {
  const steps: FakeStep[] = [{ write: { path: 'a', content: 'x' } }, { run: 'touch b' }];
  const { lines } = await run(steps, ['--session', 's1', '--permissions', 'edits']);
  expect(lines.slice(1)).toMatchObject([
    { tool: 'Write' },
    { type: 'file' },
    { failed: false },
    { type: 'permission_denied', tool: 'Bash' },
    success,
  ]);
  const { lines: none } = await run(steps, ['--session', 's2', '--permissions', 'read']);
  expect(none.slice(1)).toMatchObject([{ type: 'permission_denied', tool: 'Write' }, { type: 'permission_denied', tool: 'Bash' }, success]);
});

test('reports what it was given: prompt to the byte, names of variables, no secret', async () => {
  const prompt = '-x $(id)\r\n\uFEFF\u001b[0m 🐎 "';
  await run([{ report: at('report.json') }], ['--session', 's1', '--model', 'm2'], prompt);
  expect(JSON.parse(await text('report.json'))).toEqual({
    argv: [expect.any(String), fakeAgentPath, '--script', at('script.json'), '--session', 's1', '--model', 'm2'],
    stdin: prompt,
    cwd: at('work'),
    environment: ['PATH', 'HOME', 'FAKE_AGENT_TEST', 'FAKE_AGENT_API_KEY', 'NODE_COMPILE_CACHE'],
    apiKey: { bytes: 7, sha256: createHash('sha256').update('sk-1234').digest('hex') },
  });
});

describe('how it ends', () => {
  test.each<[string, FakeStep[], Partial<Ended>, unknown[]]>([
    ['an exit code without a result', [{ stderr: 'panic\n' }, { exit: 3 }, { say: 'never' }], { code: 3, stderr: 'panic\n' }, []],
    ['exit 0 without a result', [{ exit: 0 }], { code: 0 }, []],
    [
      'failed',
      [{ result: { failed: true, message: 'overloaded', reason: 'transient_api_error' } }, { exit: 1 }],
      { code: 1 },
      [{ isError: true, reason: 'transient_api_error' }],
    ],
    [
      'two results',
      [{ result: 'success' }, { say: 'and more' }, { result: 'failed' }],
      { code: 0 },
      [success, { text: 'and more' }, { isError: true }],
    ],
    ['by its own signal', [{ kill: 'SIGKILL' }, { say: 'never' }], { code: null, signal: 'SIGKILL' }, []],
  ])('%s', async (_name, steps, ended, lines) => {
    const result = await run(steps);
    expect(result).toMatchObject(ended);
    expect(result.lines.slice(1)).toMatchObject(lines);
  });

  test('hangs until a signal it does not ignore', async () => {
    const { child, ended } = await begin([{ ignoreSignals: ['SIGINT'] }, { mark: at('reached') }, { hang: true }]);
    await until(() => text('reached'), { what: 'the agent to hang' });
    expect(await text('reached')).toBe(`${child.pid}\n`);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect(await ended()).toMatchObject({ code: null, signal: 'SIGTERM', lines: [opening] });
  });

  test('says its last word on a signal, as some agents do', async () => {
    const { child, ended } = await begin([
      { onSignal: { signal: 'SIGINT', steps: [{ result: { interrupted: true } }, { exit: 0 }] } },
      { mark: at('reached') },
      { hang: true },
    ]);
    await until(() => text('reached'), { what: 'the agent to hang' });
    child.kill('SIGINT');
    expect(await ended()).toMatchObject({ code: 0, lines: [opening, { type: 'result', isError: true, interrupted: true }] });
  });
});

test('waits for a file', async () => {
  const { ended } = await begin([{ mark: at('here') }, { waitFor: at('go') }, { say: 'onwards' }]);
  await until(() => text('here'), { what: 'the agent to reach the barrier' });
  expect(await text('stdout')).not.toContain('onwards');
  await writeFile(at('go'), '');
  expect((await ended()).lines).toMatchObject([opening, { text: 'onwards' }, success]);
});

test('prints raw lines, many bytes and huge lines', async () => {
  const { stdout } = await run([
    { raw: '["not": an object' },
    { bytes: 200_001 },
    { raw: '' },
    { hugeLine: 300_000 },
    { repeat: { times: 3, steps: [{ say: 'again' }] } },
  ]);
  const lines = stdout.split('\n');
  expect(lines[1]).toBe('["not": an object');
  const meaningless = lines.filter((line) => /^x+$/.test(line));
  expect(meaningless.reduce((sum, line) => sum + line.length + 1, 0)).toBe(200_001 + 1);
  expect(lines.filter((line) => line.length > 300_000)).toHaveLength(1);
  expect(lines.filter((line) => line.includes('again'))).toHaveLength(3);
});

test('leaves a child behind that only a marker finds, that ignores signals and holds standard output', async () => {
  const { child, ended } = await begin([{ spawn: { ignoreSignals: true, holdStdout: true, pidFile: at('pids') } }]);
  await ended();
  const [left] = await until(() => processesWithMarker(marker).length === 1 && processesWithMarker(marker), { what: 'only the child' });
  const pid = left?.pid ?? 0;
  expect(await text('pids')).toBe(`${pid}\n`);
  await until(() => processesWithMarker(marker).some(({ command }) => command === 'sleep 300'), { what: 'the child to be a sleep' });
  const [, group, session] = /\) \S+ \d+ (\d+) (\d+)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8')) ?? [];
  expect([group, session, child.pid === pid]).toEqual([String(pid), String(pid), false]);
  process.kill(pid, 'SIGTERM');
  // TERM, INT and HUP are bits 15, 2 and 1 of the mask of ignored signals; a pending bit would mean that it is still to die.
  const ignored = /SigIgn:\s*(\w+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  expect(Number.parseInt(ignored ?? '', 16) & 0x4003).toBe(0x4003);
  expect(processesWithMarker(marker)).toHaveLength(1);
});

test('leaves children behind that record themselves, of which one stops and one forks on', async () => {
  const { ended } = await begin([
    { spawn: { recordTo: at('stopped'), does: 'stops' } },
    { spawn: { recordTo: at('forking'), does: 'forks_on', ignoreSignals: true, seconds: 5 } },
  ]);
  await ended();
  const recorded = async (name: string): Promise<string[]> => (await text(name).catch(() => '')).split('\n').slice(0, -1);
  await until(async () => (await recorded('forking')).length >= 3, { what: 'two forks' });
  expect(new Set(await recorded('forking')).size).toBe((await recorded('forking')).length);
  const [line = ''] = await recorded('stopped');
  const [pid, start] = line.split(' ');
  const stat = async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/.*\) /, '').split(' ');
  await until(async () => (await stat())[0] === 'T', { what: 'it to stop itself' });
  expect((await stat())[19]).toBe(start);
});

test('leaves children behind that no marker names, that storm, and that fork when they are told to end', async () => {
  const { ended } = await begin([
    { spawn: { recordTo: at('hidden'), clearEnvironment: true, seconds: 5 } },
    { spawn: { recordTo: at('storm'), does: 'storms', seconds: 5 } },
    { spawn: { recordTo: at('hydra'), does: 'forks_when_told_to_end', seconds: 5 } },
  ]);
  await ended();
  const pids = async (name: string): Promise<number[]> =>
    (await text(name).catch(() => ''))
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(line.split(' ')[0]));
  await until(async () => (await pids('storm')).length === 51, { what: 'the storm' });
  expect(new Set(await pids('storm')).size).toBe(51);
  const [first = 0] = await until(async () => ((await pids('hydra')).length > 0 ? pids('hydra') : undefined), {
    what: 'the one that forks',
  });
  process.kill(first, 'SIGTERM');
  const [, second = 0] = await until(async () => ((await pids('hydra')).length > 1 ? pids('hydra') : undefined), { what: 'its fork' });
  const sessionOf = async (pid: number): Promise<string | undefined> =>
    /\) \S+ \d+ \d+ (\d+)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))?.[1];
  expect(await sessionOf(first)).toBe(String(first));
  expect(await sessionOf(second)).toBe(String(second));
  const marked = processesWithMarker(marker).map(({ pid }) => pid);
  expect(marked).toEqual(expect.arrayContaining([first, second, ...(await pids('storm'))]));
  const [hidden = 0] = await until(async () => ((await pids('hidden')).length > 0 ? pids('hidden') : undefined), {
    what: 'the hidden one',
  });
  expect(marked).not.toContain(hidden);
  process.kill(hidden, 'SIGKILL');
});

test('prints what is no line and no UTF-8, and nothing before it is asked to', async () => {
  const { stdout } = await run([
    { silent: true },
    { hex: 'ff fe 0a' },
    { say: 'late' },
    { result: 'success' },
    { unfinished: '{"type":"te' },
  ]);
  expect(stdout.split('\n')).toEqual([
    '\uFFFD\uFFFD',
    JSON.stringify(opening),
    JSON.stringify({ type: 'text', text: 'late' }),
    JSON.stringify(success),
    '{"type":"te',
  ]);
  const { child, ended } = await begin([{ silent: true }, { mark: at('reached') }, { hang: true }], ['--session', 's2']);
  await until(() => text('reached'), { what: 'the agent to hang' });
  child.kill('SIGKILL');
  expect((await ended()).stdout).toBe('');
});

test('tells calls of tools that it does not make, and calls of the model that nobody counted', async () => {
  const { lines } = await run([
    { tool: { name: 'Bash', summary: 'npm test', output: 'red', failed: true } },
    { tool: { name: 'Bash', summary: 'npm test', input: { command: 'npm test -- a' }, thread: 'sub' } },
    { tool: { name: 'Read', open: true } },
    { call: { usage: 'missing' } },
    { result: { pending: 2 } },
  ]);
  expect(lines.slice(1)).toMatchObject([
    { type: 'tool_started', id: 'tool-1', tool: 'Bash', summary: 'npm test' },
    { type: 'tool_finished', id: 'tool-1', failed: true, output: 'red' },
    { type: 'tool_started', id: 'tool-2', thread: 'sub' },
    { type: 'tool_finished', id: 'tool-2', thread: 'sub', failed: false },
    { type: 'tool_started', id: 'tool-3', tool: 'Read' },
    { type: 'call', id: 'call-1' },
    { type: 'result', isError: false, pending: 2 },
  ]);
  expect(lines[6]).not.toHaveProperty('usage');
  const [first, second] = [lines[1], lines[3]] as { input: string }[];
  expect(first?.input).not.toBe(second?.input);
  expect(callsIn(await readFile(at('.fake-agent/s1.jsonl')))).toMatchObject([{ callId: 'call-1', usage: {}, provisional: true }]);
});

test('takes the memory that it is asked to take, and holds it', async () => {
  const { child } = await begin([{ memory: { mebibytes: 200, seconds: 30 } }]);
  const resident = async (): Promise<number> => Number(/VmRSS:\s*(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
  await until(async () => (await resident()) > 200 * 1024, { what: 'the memory' });
});

test('goes on for ever where it is told so', async () => {
  const { child, ended } = await begin([{ repeat: { times: 'always', steps: [{ say: 'again' }, { sleep: 1 }] } }]);
  await until(async () => (await text('stdout')).split('\n').length > 20, { what: 'twenty lines' });
  child.kill('SIGTERM');
  expect(await ended()).toMatchObject({ signal: 'SIGTERM' });
});

describe('its script', () => {
  test('has a list of steps for each start, and none for one too many', async () => {
    const script: FakeScript = { runs: [[{ say: 'first' }], [{ say: 'second' }]] };
    const said = [];
    for (const session of ['a', 'b']) said.push((await run(script, ['--session', session])).lines[1]);
    expect(said).toMatchObject([{ text: 'first' }, { text: 'second' }]);
    expect(await run(script, ['--session', 'c'])).toMatchObject({
      code: 64,
      stderr: 'fake-agent: the script has 2 runs, but this is start 3\n',
    });
  });

  test('tells new sessions from resumed ones, and prompts apart', async () => {
    const script: FakeScript = {
      prompts: [
        { match: '^one', script: { start: [{ say: 'new' }], resume: [{ say: 'resumed' }] } },
        { match: 'two', script: { runs: [[{ say: 'two' }]] } },
      ],
    };
    const said = [];
    for (const [session, prompt] of [
      ['--session', 'one'],
      ['--resume', 'one'],
      ['--resume', 'then two'],
    ] as const)
      said.push((await run(script, [session, 's1'], prompt)).lines[1]);
    expect(said).toMatchObject([{ text: 'new' }, { text: 'resumed' }, { text: 'two' }]);
    expect(await run(script, ['--resume', 's1'], 'three')).toMatchObject({ code: 64, stderr: expect.stringContaining('begins "three"') });
  });

  test('is refused before anything happens if a step is unknown', async () => {
    const unknown = Object.assign([{ mark: at('reached') }], { 1: { sayy: 'x' } });
    expect(await run(unknown)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('no such step: {"sayy":"x"}; a step has one of these keys: say, call'),
    });
    await expect(text('reached')).rejects.toThrow('ENOENT');
  });
});

describe('its session', () => {
  test('goes on after a kill: calls are numbered through, figures run on with --cumulative', async () => {
    const killed = await run([{ call: { input: 5, output: 1 } }, { call: { input: 7, output: 1, told: false } }, { kill: 'SIGKILL' }]);
    expect(killed.lines).toMatchObject([opening, { id: 'call-1', usage: { input: 5, output: 1 } }]);
    const { lines } = await run([{ call: { input: 11, output: 1 } }], ['--resume', 's1', '--cumulative'], 'go on');
    expect(lines[1]).toMatchObject({ type: 'call', id: 'call-3', usage: { input: 23, output: 3 } });
    const kept = (await text('.fake-agent/s1.jsonl'))
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(kept).toMatchObject([
      { type: 'prompt', text: 'do it' },
      { id: 'call-1' },
      { id: 'call-2', usage: { input: 7 } },
      { type: 'prompt', text: 'go on' },
      { id: 'call-3', usage: { input: 11 } },
    ]);
  });

  test('is not spoilt by a line that a kill cut off', async () => {
    await run([{ call: { input: 5 } }]);
    await appendFile(at('.fake-agent/s1.jsonl'), '{"type":"call","id":"call-2","us');
    const { lines } = await run([{ call: { input: 7 } }], ['--resume', 's1', '--cumulative']);
    expect(lines[1]).toMatchObject({ id: 'call-2', usage: { input: 12 } });
    const calls = callsIn(await readFile(at('.fake-agent/s1.jsonl')));
    expect(calls.map(({ callId, usage }) => [callId, usage.uncachedInputTokens])).toEqual([
      ['call-1', 5],
      ['call-2', 7],
    ]);
  });

  test('is neither begun twice nor resumed out of nothing', async () => {
    await run([]);
    expect(await run([])).toMatchObject({ code: 64, stdout: '', stderr: 'fake-agent: session s1 is already in use\n' });
    expect(await run([], ['--resume', 's9'])).toMatchObject({ code: 64, stderr: 'fake-agent: there is no session s9\n' });
  });
});
