import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Singletree, Task } from '@singletree/sdk';
import { processesWithMarker, repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { eventsOf, expectNoProcessOf, expectPromisesKept } from './support/promises.ts';

/** One daemon works on all tasks at once; the agent knows by a task's title what to do. */
const stack = new AsyncDisposableStack();
let [folder, workspace] = ['', ''];
let daemon: TestDaemon;
let client: Singletree;

const inFolder = (name: string): string => join(folder, name);
const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
const outputLimit = 100_000;

/** A child in a session of its own, deaf to signals, whose parent is gone: nothing but its marker tells whose it is. */
const leaveChild = (pidFile: string): FakeStep => {
  const path = inFolder(pidFile);
  const child = `trap "" INT TERM HUP; echo $$ > "${path}"; exec sleep 300`;
  return { run: `setsid sh -c '${child}' >/dev/null 2>&1 & until test -s "${path}"; do sleep 0.01; done` };
};

/** What the agent does at its first start. A session that is resumed mends a.txt, whatever it is told. */
const scriptsOf = (): Readonly<Record<string, readonly FakeStep[]>> => ({
  'at its post': [{ mark: inFolder('at its post') }, { hang: true }],
  obstinate: [
    { call: { input: 10, output: 5 } },
    { ignoreSignals: ['SIGINT', 'SIGTERM'] },
    leaveChild('obstinate child'),
    { mark: inFolder('obstinate') },
    { hang: true },
  ],
  failing: [{ exit: 3 }],
  fixing: [fix, { say: 'Done.' }],
  slow: [{ sleep: 1_000 }, fix, { say: 'Done.' }],
  flooding: [{ say: 'one' }, { bytes: 16 * 2 ** 20 }, { mark: inFolder('flooding') }, { hang: true }],
  claiming: [{ say: 'Fixed, all tests pass.' }],
  orphaned: [{ call: { input: 10, output: 5 } }, leaveChild('orphan'), { mark: inFolder('orphaned') }, { hang: true }],
  'as good as done': [fix, { say: 'Done.' }, { result: 'success' }, { mark: inFolder('as good as done') }, { hang: true }],
});

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const narrow = { plugin: '@singletree/testing/fake-cumulative-harness', options: { script: inFolder('script.json') } };
  daemon = stack.use(
    new TestDaemon({
      folder,
      configuration: { concurrency: { total: 20, per_harness: { fake_cumulative: 1 } }, harnesses: { fake_cumulative: narrow } },
    }),
  );
  daemon.follow({
    prompts: [
      { match: '^# (Not accepted|Go on)', script: [{ call: { input: 20, output: 7 } }, fix, { say: 'Now it is.' }] },
      ...Object.entries(scriptsOf()).map(([title, script]) => ({ match: `^# Task: ${title}\n`, script })),
    ],
  });
  client = await daemon.start();
});
afterAll(() => stack.disposeAsync());

const begin = async (title: string, more: Partial<CreateTask> = {}): Promise<string> =>
  (await client.tasks.create(aTask(workspace, { title, ...more }))).id;
const reached = (name: string) =>
  until(() => existsSync(inFolder(name)) && readFileSync(inFolder(name), 'utf8') !== '', { what: `"${name}"`, timeoutMs: 20_000 });
const gate = (command: string) => [{ name: 'test', command }];

describe.concurrent('a cancel', () => {
  const cancelled = { state: 'cancelled', completion: { outcome: 'failure', failure: { reason: 'cancelled', by: 'test', why: 'enough' } } };
  const cancel = async (id: string): Promise<Task> => {
    await client.tasks.cancel(id, { by: 'test', why: 'enough' });
    const task = await finished(client, id);
    expect(task).toMatchObject(cancelled);
    await expectPromisesKept(client, task, daemon.state);
    return task;
  };

  test('of a task that waits for a slot: it was never dispatched; and of one that works', async () => {
    const working = await begin('at its post', { harness: 'fake_cumulative' });
    await reached('at its post');
    const waiting = await begin('fixing', { harness: 'fake_cumulative' });
    expect((await client.tasks.get(waiting)).waiting).toMatchObject({ waitingFor: 'limit', message: 'harness limit 1/1' });
    const task = await cancel(waiting);
    expect(task.attempts).toEqual([]);
    expect(task.completion).not.toHaveProperty('taskDurationMs');
    await cancel(working);
    await expect(client.tasks.cancel(working), 'once is enough').rejects.toMatchObject({ reason: 'ILLEGAL_TRANSITION' });
    expect((await client.tasks.get(working)).lastSequence).toBe((await eventsOf(client, working)).length);
  });

  test('while setup runs: the agent is never started', async () => {
    const id = await begin('fixing', { setup: [`echo reached > '${inFolder('in setup')}'; sleep 300; sleep 301`] });
    await reached('in setup');
    const task = await cancel(id);
    expect(task.attempts).toMatchObject([{ state: 'revoked', charged: false }]);
    expect(task.completion).toMatchObject({ attemptCount: 0, retryCount: 0 });
  });

  test('of an agent that hears no signal and has left a child in another session', async () => {
    const id = await begin('obstinate');
    await reached('obstinate');
    expectToLive(id, 'obstinate child');
    const task = await cancel(id);
    expect(task.attempts).toMatchObject([{ state: 'ended', signal: 'SIGKILL', stoppedBy: { kind: 'cancel' }, survivors: [] }]);
    expect(task.completion, 'what it used until then').toMatchObject({ actualInputTokens: 10, actualOutputTokens: 5 });
  });

  test('while a gate runs: the work is kept', async () => {
    const id = await begin('fixing', { gates: gate(`echo reached > '${inFolder('in a gate')}'; sleep 300; sleep 301`) });
    await reached('in a gate');
    const task = await cancel(id);
    expect(task.completion).toMatchObject({ filesChanged: 1, attemptCount: 1 });
    expect(task.frozenCommit).toMatch(/^[0-9a-f]{40}$/);
  });

  test('in the wait before another attempt', async () => {
    const id = await begin('failing');
    await until(async () => (await client.tasks.get(id)).waiting?.waitingFor === 'backoff', { what: 'the wait', timeoutMs: 20_000 });
    const task = await cancel(id);
    expect(task.attempts[0]).toMatchObject({ exitCode: 3, failure: { reason: 'harness_failed' } });
  });
});

describe.concurrent('a limit', () => {
  test('of time counts setup, agent and gates together', async () => {
    const timeoutMs = 9_000;
    const id = await begin('slow', { setup: ['sleep 1'], gates: gate('sleep 300; sleep 301'), limits: { timeoutMs } });
    const task = await finished(client, id);
    expect(task).toMatchObject({ state: 'failed', failure: { reason: 'timeout' }, completion: { outcome: 'timeout', filesChanged: 1 } });
    const [setup, agent, last] = [recordsOf(id, 'setup-0-1'), recordsOf(id, 'harness-0-1'), recordsOf(id, 'gate-0-1')];
    expect(setup.durationMs).toBeGreaterThanOrEqual(1_000);
    expect(agent.timeoutMs).toBe(timeoutMs - setup.durationMs);
    expect(last).toMatchObject({ timeoutMs: timeoutMs - setup.durationMs - agent.durationMs, stop: { kind: 'timeout', by: 'shim' } });
    await expectNoProcessOf(id);
  });

  test('of time holds while no daemon lives', async () => {
    await using own = await temporaryFolder();
    await using second = new TestDaemon({ folder: own.path });
    const at = join(own.path, 'reached');
    second.follow([{ call: { input: 10, output: 5 } }, { mark: at }, { hang: true }]);
    const before = await second.start();
    const { id } = await before.tasks.create(aTask(workspace, { limits: { timeoutMs: 6_000 } }));
    await until(() => existsSync(at), { what: 'the agent to work', timeoutMs: 20_000 });
    await second.kill();
    const exit = join(second.state, 'processes', id, '1', 'harness-0-1', 'exit.json');
    await until(() => existsSync(exit), { what: 'the shim to end the agent', timeoutMs: 20_000 });
    await expectNoProcessOf(id);
    expect(readJson(exit)).toMatchObject({ stop: { kind: 'timeout', by: 'shim' } });

    const after = await second.start();
    const task = await finished(after, id);
    expect(task).toMatchObject({
      state: 'failed',
      failure: { reason: 'timeout' },
      completion: { outcome: 'timeout', actualInputTokens: 10 },
    });
    await expectPromisesKept(after, task, second.state);
  });

  test('of output ends a flood, and nothing beyond it is stored', async () => {
    const id = await begin('flooding', { limits: { maxOutputBytes: outputLimit } });
    const task = await finished(client, id);
    expect(task).toMatchObject({ state: 'failed', failure: { reason: 'output_limit' }, completion: { outcome: 'failure', retryCount: 0 } });
    expect(task.attempts).toMatchObject([{ signal: 'SIGKILL', stoppedBy: { kind: 'output_limit' } }]);
    expect(statSync(join(directoryOf(id, 'harness-0-1'), 'stdout.log')).size).toBeGreaterThan(outputLimit);
    const events = await eventsOf(client, id);
    const recorded = events.flatMap((event) => (event.kind === 'output_recorded' ? [event.outputRecorded] : []));
    expect(recorded.findLast(({ source }) => source === 'stdout')?.toOffset).toBe(outputLimit);
    const offsets = events.flatMap(({ log }) => (log ? [log.offset] : []));
    expect(offsets.length).toBeGreaterThan(1);
    expect(Math.max(...offsets)).toBeLessThanOrEqual(outputLimit);
    await expectNoProcessOf(id);
  });
});

describe.concurrent('an agent that changes nothing', () => {
  test('is not accepted where a test was red before', async () => {
    const task = await finished(client, await begin('claiming', { gates: gate('grep -x after a.txt') }));
    expect(task.gateResults.map(({ attempt, status }) => [attempt, status])).toEqual([
      [1, 'failed'],
      [2, 'passed'],
    ]);
    expect(task).toMatchObject({
      state: 'completed',
      completion: { outcome: 'success', retryCount: 1, retriesByCause: { gate_failed: 1 } },
    });
    const only = await finished(client, await begin('claiming', { gates: gate('grep -x after a.txt'), limits: { maxAttempts: 1 } }));
    expect(only).toMatchObject({ state: 'failed', failure: { reason: 'gate_failed' }, completion: { outcome: 'failure' } });
  });

  test('has not debugged anything, although the gate is green', async () => {
    const task = await finished(client, await begin('claiming', { taskType: 'debugging', gates: gate('true') }));
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [{ failure: { reason: 'no_change_made' }, charged: true }, { resumed: true }],
      completion: { retriesByCause: { no_change_made: 1 }, filesChanged: 1 },
    });
    expect(task.gateResults.map(({ attempt }) => attempt)).toEqual([2]);
    const only = await finished(client, await begin('claiming', { taskType: 'debugging', limits: { maxAttempts: 1 } }));
    expect(only).toMatchObject({ state: 'failed', failure: { reason: 'no_change_made' }, completion: { outcome: 'failure' } });
  });

  test.each(['code_review', undefined] as const)('may have done all of the work of the type %s', async (taskType) => {
    const task = await finished(client, await begin('claiming', { taskType, gates: gate('true') }));
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 0, retryCount: 0 } });
  });
});

describe.concurrent('a shim that is killed', () => {
  const killShim = (id: string, name: string): void => {
    const { pid } = readJson(join(directoryOf(id, name), 'owner')) as { pid: number };
    process.kill(pid, 'SIGKILL');
  };

  test('takes its attempt with it, uncharged: the session goes on, and nothing of the lost one lives', async () => {
    const id = await begin('orphaned', { gates: gate('grep -x after a.txt'), limits: { maxAttempts: 1 } });
    await reached('orphaned');
    expectToLive(id, 'orphan');
    killShim(id, 'harness-0-1');
    const task = await finished(client, id);
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [
        { state: 'lost', charged: false, failure: { reason: 'lost' } },
        { state: 'ended', charged: true, resumed: true },
      ],
      completion: { outcome: 'success', retryCount: 1, retriesByCause: { lost: 1 }, actualInputTokens: 30, actualOutputTokens: 12 },
    });
    expect(task.attempts[1]?.harnessSessionId).toBe(task.attempts[0]?.harnessSessionId);
    await expectPromisesKept(client, task, daemon.state);
  });

  test('after the agent has said its last word: its work goes to the gates, and is not done again', async () => {
    const id = await begin('as good as done', { gates: gate('grep -x after a.txt') });
    await reached('as good as done');
    killShim(id, 'harness-0-1');
    const task = await finished(client, id);
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [{ state: 'lost', evidence: { result: 'completed' } }],
      completion: { outcome: 'success', retryCount: 0, summary: 'Done.' },
    });
    await expectPromisesKept(client, task, daemon.state);
  });

  test('at a gate: the gate is run again', async () => {
    const once = inFolder('at the gate');
    const id = await begin('fixing', { gates: gate(`test -e '${once}' || { echo reached > '${once}'; sleep 300; sleep 301; }`) });
    await reached('at the gate');
    killShim(id, 'gate-0-1');
    const task = await finished(client, id);
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', retryCount: 0 } });
    expect(task.gateResults).toMatchObject([{ status: 'passed' }]);
    await expectNoProcessOf(id);
  });
});

function expectToLive(taskId: string, pidFile: string): void {
  expect(processesWithMarker(taskId).map(({ pid }) => pid)).toContain(Number(readFileSync(inFolder(pidFile), 'utf8')));
}

function directoryOf(taskId: string, name: string): string {
  return join(daemon.state, 'processes', taskId, '1', name);
}

interface Spec {
  readonly limits: { readonly timeoutMs: number };
}
interface Exit {
  readonly durationMs: number;
  readonly stop?: { readonly kind: string; readonly by: string };
}

/** How long a process was allowed to run, and what became of it. */
function recordsOf(taskId: string, name: string): Exit & { readonly timeoutMs: number } {
  const directory = directoryOf(taskId, name);
  const { limits } = readJson(join(directory, 'spec.json')) as Spec;
  return { ...limits, ...(readJson(join(directory, 'exit.json')) as Exit) };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
