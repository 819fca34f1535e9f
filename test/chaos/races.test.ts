import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom, repository, seedOf, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { expect, test } from 'vitest';
import { violationsOf } from '../support/checker.ts';
import { TestDaemon } from '../support/daemon.ts';
import { endOf } from '../support/history-end.ts';
import { Recorder } from '../support/history-recorder.ts';

/**
 * A time limit, a cancel, a terminate, the kill switch, the agent's own exit and the acceptance of its work come to a task at nearly the same
 * moment. Whichever is first: state, reason, outcome and event tell the same story, and what the agent has written is kept.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const races = full ? 1_000 : 24;
const atOnce = 8;
/** From the agent's first sign of life until the runners are all there. Milliseconds. */
const spreadMs = 400;

interface Race {
  readonly title: string;
  /** How long the agent works after it has written its file; absent: until it is ended. */
  readonly workMs?: number;
  /** How long the gate takes. */
  readonly gateMs: number;
  readonly timeoutMs?: number;
  readonly stops: readonly { readonly by: 'cancel' | 'terminate' | 'kill switch'; readonly afterMs: number }[];
}

function draw(random: () => number, index: number): Race {
  const below = (limit: number): number => Math.floor(random() * limit);
  const kinds = ['cancel', 'terminate', 'kill switch'] as const;
  const stops = kinds.flatMap((by) => (below(3) === 0 ? [{ by, afterMs: below(spreadMs) }] : []));
  // Somebody has to end it.
  const endsItself = stops.length === 0 || below(4) > 0;
  return {
    title: `race ${index}`,
    ...(endsItself ? { workMs: below(spreadMs) } : {}),
    gateMs: below(spreadMs / 2),
    // It counts from the start of the agent, which takes a while by itself.
    ...(below(2) === 0 || !endsItself ? { timeoutMs: 200 + below(2 * spreadMs) } : {}),
    stops,
  };
}

test(`${races} races have one end each, and the work is kept`, { timeout: 60_000 + races * 2_500 }, async () => {
  const random = randomFrom(seedOf('races'));
  const drawn = Array.from({ length: races }, (_, index) => draw(random, index));
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: atOnce } } }));
  const recorder = new Recorder({ state: daemon.state, startsFile: join(folder, 'starts') });
  const scriptOf = ({ title, workMs }: Race): readonly FakeStep[] => [
    { write: { path: 'a.txt', content: `${title}\n` } },
    recorder.startStep,
    ...(workMs === undefined ? [{ hang: true } as const] : [{ sleep: workMs }, { say: 'Done.' }]),
  ];
  daemon.follow({ prompts: drawn.map((race) => ({ match: `^# Task: ${race.title}\n`, script: scriptOf(race) })) });
  await daemon.start();

  const waiting = [...drawn];
  const runner = async (): Promise<void> => {
    for (let race = waiting.shift(); race; race = waiting.shift()) await run(recorder, race, repo.path);
  };
  await Promise.all(Array.from({ length: atOnce }, runner));

  const history = await endOf({ daemon, recorder, repository: repo, timeoutMs: 60_000 });
  expect(violationsOf(history)).toEqual([]);
  const hasWritten = new Set(recorder.starts().map(({ taskId }) => taskId));
  for (const { task } of history.tasks) {
    if (!hasWritten.has(task.id)) continue;
    const commit = task.completion?.frozenCommit;
    expect(commit, `${task.title} (${task.state}) has kept its work`).toBeDefined();
    expect(await repo.git('show', `${commit}:a.txt`)).toBe(`${task.title}\n`);
  }
  const ends = new Set<string>(history.tasks.map(({ task }) => task.failure?.reason ?? task.state));
  // Races that all have the same winner are none.
  const winners = ['cancelled', 'terminated', 'killed', 'timeout', 'completed'];
  expect(winners.filter((winner) => ends.has(winner)).length, [...ends].join(', ')).toBeGreaterThanOrEqual(full ? 5 : 3);
});

async function run(recorder: Recorder, { title, gateMs, timeoutMs, stops }: Race, workspace: string): Promise<void> {
  const gates = [{ name: 'test', command: `sleep ${gateMs / 1_000}` }];
  const wish = { title, workspace, gates, maxAttempts: 1, labels: { race: title }, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const id = await recorder.createForSure(wish);
  if (id === undefined) throw new Error(`${title} was refused`);
  const watching = recorder.watch(id);
  const ended = watching.then(() => 'ended' as const);
  const works = until(() => recorder.starts().some(({ taskId }) => taskId === id), {
    what: `${title} to work`,
    timeoutMs: 60_000,
    everyMs: 20,
  });
  // Its time may be over before it has begun to work.
  await Promise.race([ended, works]);
  await Promise.all(
    stops.map(async ({ by, afterMs }) => {
      await sleep(afterMs);
      if (by === 'kill switch') await recorder.engage(`label=race=${title}`);
      else await recorder.stopForSure(by, id);
    }),
  );
  await watching;
}
