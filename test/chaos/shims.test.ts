import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attempt, Task, TaskEvent } from '@singletree/sdk';
import {
  processesWithMarker,
  randomFrom,
  repository,
  seedOf,
  temporaryFolder,
  until,
  type FakeScript,
  type FakeStep,
  type Repository,
} from '@singletree/testing';
import { expect, test } from 'vitest';
import { violationsOf } from '../support/checker.ts';
import { TestDaemon } from '../support/daemon.ts';
import { endOf } from '../support/history-end.ts';
import { Recorder } from '../support/history-recorder.ts';
import { starvedMs } from '../support/starved.ts';

/** A shim that dies takes its attempt with it: the daemon says so soon, ends what the shim has left, keeps what was used, and tries again. */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const shimKills = full ? 100 : 10;
const togetherKills = full ? 20 : 1;
const tasksTogether = 3;
const lostWithinMs = 5_000;
const testLimitMs = 60_000 + (shimKills + togetherKills * tasksTogether) * 10_000;

test(`${shimKills} shims are killed in the middle of the work`, { timeout: testLimitMs }, async () => {
  const random = randomFrom(seedOf('shims'));
  await using scene = await openScene('auto');
  const { daemon } = scene;
  await daemon.start();
  /** Some right at the start, some in the middle, some when the agent has said all that it had to say. */
  const moments = Array.from({ length: shimKills }, () => (['started', 'talking', 'waiting'] as const)[Math.floor(random() * 3)]!);

  await Promise.all(
    moments.map(async (moment, index) => {
      const id = await begin(scene, `task ${index}`);
      await reached(scene, id, moment);
      expect(processesWithMarker(`${id}/1/`).length, 'the shim, the agent, and what they started').toBeGreaterThanOrEqual(2);
      process.kill(shimOf(daemon, id), 'SIGKILL');
      await clockOf(scene)(id);
      // What the dead shim had started is gone before the next attempt may begin.
      expect(processesWithMarker(`${id}/1/`)).toEqual([]);
    }),
  );

  const history = await endOf({ ...scene, timeoutMs: testLimitMs });
  expect(violationsOf(history)).toEqual([]);
  for (const { task } of history.tasks) expectRetried(scene, task);
});

test(`the daemon and all shims die at once, ${togetherKills} times`, { timeout: testLimitMs }, async () => {
  await using scene = await openScene('marker');
  const { daemon } = scene;
  for (let time = 1; time <= togetherKills; time += 1) {
    await daemon.start();
    const ids = await Promise.all(Array.from({ length: tasksTogether }, (_, index) => begin(scene, `task ${time} ${index}`)));
    await Promise.all(ids.map((id) => reached(scene, id, 'waiting')));
    const pids = [daemon.pid, ...ids.map((id) => shimOf(daemon, id))];
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await daemon.ended();
    for (const id of ids) expect(processesWithMarker(`${id}/1/`).length, 'the agents live on').toBeGreaterThanOrEqual(1);

    await daemon.start();
    await Promise.all(ids.map(clockOf(scene)));
    for (const id of ids) expect(processesWithMarker(`${id}/1/`)).toEqual([]);
    await Promise.all(ids.map((id) => reached(scene, id, 'ended')));
    await daemon.kill();
  }
  await daemon.start();
  const history = await endOf({ ...scene, timeoutMs: testLimitMs });
  expect(violationsOf(history)).toEqual([]);
  for (const { task } of history.tasks) expectRetried(scene, task);
});

interface ShimScene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly recorder: Recorder;
  readonly repository: Repository;
  readonly folder: string;
  readonly logs: Map<string, TaskEvent[]>;
}

/** `marker` is the level of containment that there is on every machine, `auto` the best of this one. */
async function openScene(containment: 'marker' | 'auto'): Promise<ShimScene> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 10 }, supervision: { containment } } }));
  const recorder = new Recorder({ state: daemon.state, startsFile: join(folder, 'starts') });
  daemon.follow(scriptOf(recorder.startStep));
  return { daemon, recorder, repository: repo, folder, logs: new Map(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function scriptOf(start: FakeStep): FakeScript {
  const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
  return {
    prompts: [
      { match: '^# Go on', script: [start, { call: { input: 20, output: 7 } }, fix, { say: 'Done.' }] },
      {
        match: '',
        script: [
          start,
          { call: { input: 10, output: 5 } },
          { spawn: { ignoreSignals: true } },
          { say: 'Working.' },
          { call: { input: 3, output: 2, told: false } },
          { say: 'Waiting.' },
          { hang: true },
        ],
      },
    ],
  };
}

/** Makes a task, and watches it until it ends. */
async function begin({ recorder, repository: { path }, logs }: ShimScene, title: string): Promise<string> {
  const id = await recorder.createForSure({ title, workspace: path, maxAttempts: 1 });
  if (id === undefined) throw new Error(`${title} was refused`);
  const log: TaskEvent[] = [];
  logs.set(id, log);
  void recorder.watch(id, { onEvent: (event) => void log.push(event) });
  return id;
}

async function reached({ recorder, logs }: ShimScene, id: string, moment: 'started' | 'talking' | 'waiting' | 'ended'): Promise<void> {
  const said = (text: string): boolean => logs.get(id)?.some((event) => event.kind === 'text' && event.text.text === text) === true;
  const isReached = {
    started: () => recorder.starts().some(({ taskId }) => taskId === id),
    talking: () => said('Working.'),
    waiting: () => said('Waiting.'),
    ended: () => logs.get(id)?.at(-1)?.kind === 'completed',
  }[moment];
  // It may have to wait in the queue for a while.
  await until(isReached, { what: `task ${id} to be "${moment}"`, timeoutMs: testLimitMs / 2 });
}

/** The pid that the shim itself has written down. */
function shimOf({ state }: TestDaemon, taskId: string): number {
  const owner = JSON.parse(readFileSync(join(state, 'processes', taskId, '1', 'harness-0-1', 'owner'), 'utf8')) as {
    who: string;
    pid: number;
  };
  expect(owner.who).toBe('shim');
  return owner.pid;
}

/** Counts from now. Gives a function that waits for the loss of a task's first attempt and says whether it was told soon enough. */
function clockOf({ daemon, logs }: ShimScene): (id: string) => Promise<void> {
  const [since, starved] = [Date.now(), starvedMs(daemon.pid)];
  return async (id) => {
    const lost = (): TaskEvent | undefined =>
      logs.get(id)?.find((event) => event.kind === 'attempt_ended' && event.attempt === 1 && event.attemptEnded.state === 'lost');
    const event = await until(lost, { what: `attempt 1 of task ${id} to be lost`, timeoutMs: 60_000 });
    const tookMs = event.at.getTime() - since - (starvedMs(daemon.pid) - starved);
    expect(tookMs, 'milliseconds until the loss is told').toBeLessThanOrEqual(lostWithinMs);
  };
}

/** Once more in the same session, for nothing, with what the lost attempt had used. */
function expectRetried({ daemon: { home } }: ShimScene, task: Pick<Task, 'state' | 'attempts' | 'completion'>): void {
  expect(task).toMatchObject({
    state: 'completed',
    attempts: [
      { state: 'lost', charged: false, failure: { reason: 'lost' } },
      { state: 'ended', charged: true, resumed: true },
    ],
    completion: { outcome: 'success', attemptCount: 2, retryCount: 1, retriesByCause: { lost: 1 } },
  });
  const used = usedIn(home, task.attempts[0]!);
  for (const [index, attempt] of task.attempts.entries())
    expect([attempt.usage?.uncachedInputTokens ?? 0, attempt.usage?.outputTokens ?? 0]).toEqual(used[index]);
}

/** Tokens that the agent has noted in the file of its session, for each of its processes. */
function usedIn(home: string, { harnessSessionId = '' }: Attempt): [input: number, output: number][] {
  const used: [number, number][] = [];
  for (const line of readFileSync(join(home, '.fake-agent', `${harnessSessionId}.jsonl`), 'utf8')
    .split('\n')
    .filter(Boolean)) {
    const entry = JSON.parse(line) as { type: string; usage?: { input?: number; output?: number } };
    if (entry.type === 'prompt') used.push([0, 0]);
    const last = used.at(-1)!;
    last[0] += entry.usage?.input ?? 0;
    last[1] += entry.usage?.output ?? 0;
  }
  return used;
}
