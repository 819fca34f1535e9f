import { join } from 'node:path';
import { randomFrom, repository, seedOf, startOtlpReceiver, temporaryFolder, until } from '@singletree/testing';
import { expect, test } from 'vitest';
import { violationsOf } from '../support/checker.ts';
import { TestDaemon } from '../support/daemon.ts';
import { endOf } from '../support/history-end.ts';
import { Recorder } from '../support/history-recorder.ts';
import type { CallResult } from '../support/history.ts';
import { attemptsOf, planOf, scriptOf, wishOf, type Kill, type PlannedTask } from './load-plan.ts';

/**
 * The daemon is killed again and again while clients create, stop and watch tasks. Nobody judges on the way: clients, agents and collector
 * write down what they see, and the checker reads it at the end.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const kills = full ? 200 : 12;
const tasks = 2 * kills;
/** The best of this machine in full; else the cheapest, whose processes are found one by one. */
const containment = full ? 'auto' : 'marker';
/** How long to wait for a failpoint that no task may come to; any progress will do then. */
const patienceMs = 3_000;
const startLimitMs = 40_000;
const endLimitMs = 60_000 + tasks * 1_000;

test(`${kills} kills of the daemon over ${tasks} tasks break no promise`, { timeout: endLimitMs + kills * 10_000 }, async () => {
  const plan = planOf(randomFrom(seedOf('load')), kills, tasks);
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const receiver = stack.use(await startOtlpReceiver());
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_TIMEOUT: '2000' };
  const daemon = stack.use(
    new TestDaemon({ folder, configuration: { concurrency: { total: 8 }, supervision: { containment } }, environment }),
  );
  const recorder = new Recorder({ state: daemon.state, startsFile: join(folder, 'starts') });
  daemon.follow(scriptOf(recorder.startStep));
  // Now and then an acknowledgement gets lost; in the end all arrive.
  receiver.setBehaviour((number) => (number % 4 === 0 && number < tasks ? 'dropAcknowledgement' : 'ok'));

  const clients: Promise<void>[] = [];
  const arrive = (count: number): void => {
    const from = clients.length;
    for (const [offset, task] of plan.tasks.slice(from, from + count).entries())
      clients.push(client(recorder, task, wishOf(task, from + offset, repo.path, recorder.startCommand)));
  };
  for (const kill of plan.kills) {
    arrive(tasks / kills);
    await live(daemon, recorder, kill);
  }

  await daemon.start();
  await Promise.all(clients);
  const history = await endOf({ daemon, recorder, repository: repo, receiver, timeoutMs: endLimitMs });

  expect(violationsOf(history)).toEqual([]);
  // The daemon's own death costs no attempt.
  const attempts = history.tasks.flatMap(({ task }) => (task.state === 'completed' ? [[task.title, task.attempts.length]] : []));
  expect(attempts).toEqual(attempts.map(([title]) => [title, attemptsOf(String(title))]));
});

/** A life of the daemon, from its start to its kill. */
async function live(daemon: TestDaemon, recorder: Recorder, kill: Kill): Promise<void> {
  const [events, starts] = [recorder.seenEvents, recorder.starts().length];
  daemon.launch('failpoint' in kill ? { SINGLETREE_FAILPOINTS: kill.failpoint } : {});
  const isReached = (): boolean => {
    if ('failpoint' in kill) return daemon.hasEnded;
    return 'events' in kill ? recorder.seenEvents >= events + kill.events : recorder.starts().length >= starts + kill.starts;
  };
  const anyProgress = (): boolean => daemon.hasEnded || recorder.seenEvents > events || daemon.isReady;
  await until(() => daemon.hasEnded || isReached(), { what: 'the place of the kill', timeoutMs: patienceMs })
    .catch(() => until(anyProgress, { what: 'any progress', timeoutMs: startLimitMs }))
    .catch((error: unknown) => {
      throw new Error(`the daemon came to nothing; its last words:\n${daemon.log.slice(-4_000)}`, { cause: error });
    });
  await daemon.kill();
}

/** One who wants a task, and what he does about it until it has ended. */
async function client(recorder: Recorder, planned: PlannedTask, wish: Parameters<Recorder['create']>[0]): Promise<void> {
  const requestId = wish.title.replace(' ', '-');
  const first = planned.create === 'twice' ? recorder.createForSure(wish, requestId) : undefined;
  const taskId = planned.create === 'once' ? idOf(await recorder.create(wish, requestId)) : await recorder.createForSure(wish, requestId);
  await first;
  if (taskId === undefined) return;
  const others: Promise<unknown>[] = [];
  let seen = 0;
  await recorder.watch(taskId, {
    onEvent() {
      seen += 1;
      if (seen === planned.stop?.afterEvents) others.push(recorder.stopForSure(planned.stop.kind, taskId));
      if (seen === planned.secondWatch) others.push(recorder.watch(taskId, { after: seen }));
    },
  });
  await Promise.all(others);
}

function idOf(result: CallResult): string | undefined {
  return result.kind === 'answered' ? result.taskId : undefined;
}
