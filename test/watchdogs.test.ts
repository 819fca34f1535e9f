import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Singletree, Task } from '@singletree/sdk';
import { repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Watchdogs } from '../packages/core/src/attempt/watchdogs/watchdogs.ts';
import { configurationSchema } from '../packages/core/src/config/schema.ts';
import { watchdogThresholds } from '../packages/core/src/config/watchdogs.ts';
import { readFixtures } from '../packages/harness/src/testing/fixtures.ts';
import claude from '../packages/harness-claude/src/index.ts';
import codex from '../packages/harness-codex/src/index.ts';
import opencode from '../packages/harness-opencode/src/index.ts';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { eventsOf, expectNoProcessOf, expectPromisesKept } from './support/promises.ts';

const stack = new AsyncDisposableStack();
let [folder, workspace] = ['', ''];
let daemon: TestDaemon;
let client: Singletree;

const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
const done: FakeStep = { result: 'success' };
const pause: FakeStep = { sleep: 30 };
const always = (...steps: readonly FakeStep[]): FakeStep => ({ repeat: { times: 'always', steps: [...steps, pause] } });
const look = (name: string): FakeStep[] => [{ call: { input: 10 } }, { tool: { name: 'Read', summary: name } }];
const inFolder = (name: string): string => join(folder, name);

/** What the agent does, by the title of its task. */
const scriptsOf = (): Readonly<Record<string, readonly FakeStep[]>> => ({
  hanging: [fix, done, { hang: true }],
  'hanging, deaf': [fix, done, { ignoreSignals: ['SIGINT', 'SIGTERM'] }, { hang: true }],
  'hanging, with a last word': [
    { onSignal: { signal: 'SIGINT', steps: [{ result: { interrupted: true } }, { exit: 0 }] } },
    fix,
    done,
    { hang: true },
  ],
  'failed and hanging': [{ result: { failed: true, reason: 'invalid_configuration', message: 'no such model' } }, { hang: true }],
  waiting: [{ result: { pending: 1 } }, { sleep: 2_500 }, { say: 'It is built.' }, fix, done],
  'two results': [done, { say: 'One more thing.' }, fix, done],
  'success, then failure': [fix, done, { say: 'One more thing.' }, { result: { failed: true, message: 'I could not do it' } }],
  'no result': [fix, { say: 'Done.' }, { exit: 0 }],
  'success that is an error': [fix, { result: { failed: true, message: 'API Error: 500' } }, { exit: 0 }],
  'error after success': [fix, done, { result: { failed: true, message: 'session lost' } }, { exit: 1 }],
  'exit code after success': [fix, done, { exit: 1 }],
  'crash after success': [fix, done, { kill: 'SIGSEGV' }],
  'no finish reason': [always({ say: 'half an answer' }, { call: {} })],
  'same call': [always({ call: {} }, { tool: { name: 'Bash', summary: 'npm test', output: 'green' } })],
  'same failure': [always({ call: {} }, { tool: { name: 'Edit', summary: 'a.txt', output: 'not there', failed: true } })],
  polling: [{ repeat: { times: 8, steps: [{ run: 'date +%N' }] } }, fix, done],
  idle: [always(...look('a.txt'), ...look('b.txt'))],
  busy: [
    ...Array.from({ length: 8 }, (_, at): FakeStep[] => [...look(`${at}.txt`), { run: `echo ${at} >> a.txt; sleep 0.4` }]).flat(),
    done,
  ],
  'turn after turn': [fix, ...Array.from({ length: 200 }, (_, at) => [...look(`${at}.txt`), pause]).flat()],
  // What the last tool gave is read by a call, as every agent does before its last word.
  'just enough turns': [
    fix,
    ...Array.from({ length: 4 }, (_, at) => look(`${at}.txt`)).flat(),
    { call: { input: 10, output: 5 } },
    { say: 'Done.' },
    done,
  ],
  slow: [{ say: 'I think.' }, { waitFor: inFolder('slow') }, fix, done],
  talkative: [fix, { say: 'x'.repeat(64 * 1_300) }, { waitFor: inFolder('talkative') }, done],
  silent: [{ silent: true }, { hang: true }],
  stalling: [{ say: 'I think.' }, { hang: true }],
  'retrying in silence': [{ say: 'I think.' }, always({ retry: { reason: 'overloaded', status: 529, delayMs: 100 } })],
  'holding its output': [fix, { spawn: { holdStdout: true, ignoreSignals: true, seconds: 60 } }, { say: 'Done.' }],
});

const watchdogs = {
  same_call: { warn: 2, stop: 4 },
  same_failure: { warn: 2, stop: 4 },
  empty_turns: { warn: 2, stop: 5 },
  unchanged_turns: { warn: 3, stop: 6 },
  end_grace: '1s',
};

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 40 }, watchdogs } }));
  daemon.follow({
    prompts: Object.entries(scriptsOf()).map(([title, script]) => ({ match: `^# Task: ${title}\n`, script })),
  });
  client = await daemon.start();
});
afterAll(() => stack.disposeAsync());

const gates = [{ name: 'test', command: 'grep -x after a.txt' }];
const once = { limits: { maxAttempts: 1 } };

async function play(title: string, more: Partial<CreateTask> = {}): Promise<Task> {
  const { id } = await client.tasks.create(aTask(workspace, { title, ...once, ...more }));
  return await finished(client, id, 40_000);
}

const warningsOf = async (task: Task): Promise<string[]> =>
  (await eventsOf(client, task.id)).flatMap((event) => (event.kind === 'warning' ? [event.warning?.message ?? ''] : []));

const failedWith = (reason: string, message: string): object => ({
  state: 'failed',
  failure: { reason, message: expect.stringContaining(message) as string },
  completion: { failure: { reason } },
});

describe('a recording of a real CLI', () => {
  const thresholds = watchdogThresholds(configurationSchema.parse({}));
  const recordings = [claude, codex, opencode].flatMap((harness) => {
    const fixtures = readFixtures(new URL(`../packages/harness-${harness.harnessId.replace('_code', '')}/fixtures/`, import.meta.url));
    return fixtures.map((fixture) => ({ name: `${harness.harnessId} ${fixture.cliVersion}/${fixture.name}`, harness, fixture }));
  });
  const found = ({ harness, fixture }: (typeof recordings)[number]): Watchdogs => {
    const all = new Watchdogs(thresholds);
    const decoder = harness.decoder('stdout', fixture.baseline);
    for (const event of [...decoder.push(fixture.stdout), ...decoder.end()]) all.add(event);
    return all;
  };
  const isLoop = ({ name }: { name: string }): boolean => name.endsWith('/cut-eof');

  test('of ordinary work wakes no watchdog', () => {
    expect(recordings.length).toBeGreaterThan(40);
    for (const recording of recordings.filter((each) => !isLoop(each))) expect(found(recording).found, recording.name).toEqual([]);
  });

  test('of a loop without a finish reason does', () => {
    const loops = recordings.filter(isLoop).map((recording) => found(recording).found.map(({ message }) => message));
    expect(loops).toEqual([
      ['5 model calls in a row called no tool, and none was the last', '20 model calls in a row called no tool, and none was the last'],
    ]);
  });

  test('that came to its end has its last word, unless something was still going on', () => {
    for (const recording of recordings.filter(({ fixture }) => !fixture.session)) {
      const { evidence } = recording.fixture.expected;
      expect(found(recording).lastWord.isFinal, recording.name).toBe(evidence !== null && evidence !== undefined);
    }
  });
});

describe.concurrent('a harness', () => {
  test('that hangs after its result is stopped, and judged by the gates if there are any', async () => {
    const [alone, deaf, last] = await Promise.all([
      play('hanging'),
      play('hanging, deaf', { gates }),
      play('hanging, with a last word', { gates }),
    ]);
    const hung = 'fake gave its final result but did not end, and was stopped';
    expect(alone).toMatchObject(failedWith('harness_never_ended', hung));
    expect(await warningsOf(alone)).toEqual(['nothing was written for 1 s after the final result: it is stopped']);
    for (const task of [deaf, last]) {
      expect(task).toMatchObject({ state: 'completed', attempts: [{ failure: { reason: 'harness_never_ended', message: hung } }] });
    }
    await expectPromisesKept(client, deaf, daemon.state);
  });

  test('that hangs after it has failed has failed for its own reason', async () => {
    expect(await play('failed and hanging')).toMatchObject(failedWith('invalid_configuration', 'no such model'));
  });

  test('that waits for what goes on in the background is not stopped, and neither is one that says two results', async () => {
    const [waiting, two] = await Promise.all([play('waiting', { gates }), play('two results', { gates })]);
    for (const task of [waiting, two])
      expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', retryCount: 0 } });
    expect(waiting.attempts[0]).not.toHaveProperty('failure');
    expect(await warningsOf(waiting)).toEqual([]);
  });

  test('is believed that it failed, whatever it said before and whatever its exit code', async () => {
    const [second, error, none] = await Promise.all([
      play('success, then failure', { gates }),
      play('success that is an error', { gates }),
      play('no result', { gates }),
    ]);
    expect(second).toMatchObject(failedWith('harness_failed', 'I could not do it'));
    expect(error).toMatchObject(failedWith('harness_failed', 'API Error: 500'));
    expect(none).toMatchObject(failedWith('harness_failed', 'fake exited with code 0 but without its final result'));
  });

  test.each([
    ['error after success', 'harness_failed', 'fake said that it was done, and then: session lost'],
    ['exit code after success', 'harness_crashed', 'fake exited with code 1 after its final result'],
    ['crash after success', 'harness_crashed', 'fake was ended by SIGSEGV after its final result'],
  ])('with an %s has done its work if the gates say so', async (title, reason, message) => {
    const judged = await play(title, { gates });
    expect(judged).toMatchObject({ state: 'completed', attempts: [{ failure: { reason, message } }] });
    expect(await warningsOf(judged)).toContain(message);
  });

  test.each([
    ['no finish reason', 'model calls in a row called no tool, and none was the last', 2, 5],
    ['same call', 'times in a row: Bash npm test', 2, 4],
    ['same failure', 'times in a row: Edit a.txt', 2, 4],
  ])('that goes in circles (%s) is warned of, then stopped', async (title, message, warn, stop) => {
    const task = await play(title);
    expect(task).toMatchObject(failedWith('no_progress', message));
    const warnings = await warningsOf(task);
    expect(warnings).toHaveLength(2);
    expect(warnings.map((warning) => Number(/\d+/.exec(warning)?.[0]))).toEqual([warn, stop]);
    expect(warnings[1]).toMatch(/: it is stopped$/);
    await expectNoProcessOf(task.id);
  });

  test('that asks the same and hears something else is in no circle', async () => {
    const task = await play('polling', { gates });
    expect(task.state).toBe('completed');
    expect(await warningsOf(task)).toEqual([]);
  });

  test('that changes no file is stopped where its task needs a change', async () => {
    const [idle, busy] = await Promise.all([play('idle', { taskType: 'debugging' }), play('busy', { taskType: 'debugging' })]);
    expect(idle).toMatchObject(failedWith('no_progress', 'no file was changed in the last'));
    expect(idle.failure?.message).toMatch(/last ([6-9]|\d\d+) model calls/);
    expect(await warningsOf(idle)).toHaveLength(2);
    expect(busy.state).toBe('completed');
  });

  test('that holds its output open through a child has ended when it has ended', async () => {
    const task = await play('holding its output', { gates });
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success' } });
    await expectNoProcessOf(task.id);
  });
});

describe.concurrent('model calls', () => {
  test('that are used up end the task, with a warning before; its work is kept', async () => {
    const task = await play('turn after turn', { limits: { maxTurns: 5 } });
    expect(task).toMatchObject({
      ...failedWith('turn_limit', 'the task used up its 5 model calls'),
      completion: { outcome: 'partial', attemptCount: 1, filesChanged: 1 },
    });
    expect(task.completion?.turnsPerTask).toBeGreaterThanOrEqual(5);
    expect(await warningsOf(task)).toEqual([
      "80 % of the task's 5 model calls are used up",
      'all 5 model calls of the task are used up: it is stopped',
    ]);
  });

  test('that are just enough end nothing', async () => {
    const task = await play('just enough turns', { gates, taskType: 'code_review', limits: { maxTurns: 5 } });
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', turnsPerTask: 5 } });
    expect((await warningsOf(task)).join()).not.toContain('it is stopped');
  });

  test('count over attempts: none is begun without one left', async () => {
    const never = [{ name: 'test', command: 'false' }];
    const task = await play('just enough turns', { gates: never, limits: { maxTurns: 5, maxAttempts: 3 } });
    expect(task).toMatchObject({ ...failedWith('turn_limit', 'all 5 model calls'), completion: { outcome: 'partial', attemptCount: 1 } });
  });
});

describe.concurrent('a limit of the shim', () => {
  test.each<[string, string, CreateTask['limits'], string, string]>([
    ['first_output', 'silent', { firstOutputMs: 4_000 }, 'no_first_output', 'nothing was written for 80 % of the 4 s that are allowed'],
    ['stall', 'stalling', { stallMs: 4_000 }, 'stalled', 'nothing was written for 80 % of the 4 s that are allowed'],
    ['attempt_timeout', 'retrying in silence', { attemptTimeoutMs: 4_000 }, 'attempt_timeout', "80 % of the attempt's 4 s are used up"],
    ['timeout', 'stalling', { timeoutMs: 4_000 }, 'timeout', "80 % of the task's 4 s are used up"],
  ])('%s is warned of before it is reached', async (_, title, limits, reason, warning) => {
    const task = await play(title, { limits: { ...limits, maxAttempts: 1 } });
    expect(task).toMatchObject({ state: 'failed', failure: { reason } });
    expect(await warningsOf(task)).toEqual([warning]);
  });

  test.each<[string, string, CreateTask['limits'], string]>([
    ['stall', 'slow', { stallMs: 6_000 }, 'nothing was written for 80 % of the 6 s that are allowed'],
    ['max_output', 'talkative', { maxOutputBytes: 100_000 }, '80 % of the 100000 bytes that may be written are used up'],
  ])('%s that is near and not reached ends nothing', async (_, title, limits, warning) => {
    const { id } = await client.tasks.create(aTask(workspace, { title, gates, limits }));
    for await (const event of client.tasks.watch(id)) if (event.kind === 'warning') break;
    writeFileSync(inFolder(title), '');
    const task = await finished(client, id);
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success' } });
    expect(await warningsOf(task)).toEqual([warning]);
  });
});

describe.concurrent('a daemon that was away', () => {
  test('goes on counting where the one before it stopped, and is needed where it must compare', async () => {
    const own = stack.use(await temporaryFolder()).path;
    const mark = (name: string): string => join(own, name);
    const turn: FakeStep[] = [{ call: {} }, { tool: { name: 'Bash', summary: 'npm test', output: 'green' } }];
    await using second = new TestDaemon({
      folder: own,
      configuration: { concurrency: { total: 4 }, watchdogs, supervision: { unsupervised_limit: '2s' } },
    });
    second.follow({
      prompts: [
        { match: '^# Task: circling\n', script: [...turn, ...turn, { mark: mark('circling') }, { waitFor: mark('go') }, always(...turn)] },
        { match: '^# Task: counted\n', script: [{ call: {} }, { sleep: 3_000 }, { mark: mark('counted') }, { hang: true }] },
        { match: '.', script: [fix, done] },
      ],
    });
    const first = await second.start();
    const [circling, counted] = await Promise.all([
      first.tasks.create(aTask(workspace, { title: 'circling', ...once })),
      first.tasks.create(aTask(workspace, { title: 'counted', gates, limits: { maxAttempts: 1, maxTurns: 9 } })),
    ]);
    for await (const event of first.tasks.watch(circling.id)) if (event.kind === 'warning') break;
    // Longer than the limit: a daemon that is there vouches.
    await until(() => existsSync(mark('counted')), { what: 'the counted one to outlive the limit', timeoutMs: 20_000 });
    await second.kill();
    const exit = join(second.state, 'processes', counted.id, '1', 'harness-0-1', 'exit.json');
    await until(() => existsSync(exit), { what: 'the shim to end what nobody vouches for', timeoutMs: 20_000 });
    expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({ stop: { kind: 'unsupervised', by: 'shim' } });

    const again = await second.start();
    writeFileSync(mark('go'), '');
    const [stopped, retried] = await Promise.all([finished(again, circling.id), finished(again, counted.id)]);

    expect(stopped).toMatchObject(failedWith('no_progress', 'the same call gave the same result 4 times in a row: Bash npm test'));
    const events = await eventsOf(again, circling.id);
    expect(events.flatMap((event) => (event.kind === 'warning' ? [event.warning?.message] : []))).toEqual([
      'the same call gave the same result 2 times in a row: Bash npm test',
      'the same call gave the same result 4 times in a row: Bash npm test: it is stopped',
    ]);
    expect(retried).toMatchObject({
      state: 'completed',
      attempts: [{ failure: { reason: 'unsupervised' }, charged: false }, { charged: true }],
      completion: { outcome: 'success', retriesByCause: { unsupervised: 1 } },
    });
    await expectPromisesKept(again, stopped, second.state);
  });
});
