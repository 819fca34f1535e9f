import { until, type OtlpReceiver, type Repository } from '@singletree/testing';
import type { TestDaemon } from './daemon.ts';
import { whatIsLeft } from './history-left.ts';
import type { Recorder } from './history-recorder.ts';
import type { History, TaskRecord } from './history.ts';

/** The daemon has better things to do than to be asked. */
const everyMs = 100;
export const unfinished = ['created', 'assigned', 'in_progress', 'in_review', 'blocked'] as const;

export interface Scene {
  /** Runs. It has been killed when this is over. */
  readonly daemon: TestDaemon;
  readonly recorder: Recorder;
  readonly repository: Repository;
  readonly receiver?: OtlpReceiver;
  readonly timeoutMs: number;
}

/**
 * Waits until every task has ended and everything is delivered, and gives the whole history. All is read twice, before and after a last kill:
 * what that left half done is settled by the start that follows, and nothing may have changed by it.
 */
export async function endOf({ daemon, recorder, repository, receiver, timeoutMs }: Scene): Promise<History> {
  const client = daemon.client();
  const { tasks, daemon: asked } = client;
  await until(async () => (await tasks.page({ states: unfinished })).tasks.length === 0, {
    what: 'the last task to end',
    timeoutMs,
    everyMs,
  });
  if (receiver) {
    const pending = async (): Promise<number | undefined> => (await asked.status()).telemetry?.undeliveredRows;
    await until(async () => (await pending()) === 0, { what: 'an empty outbox', timeoutMs, everyMs });
  }
  const before = new Map((await recorder.readAll()).map(({ task, readings }) => [task.id, readings]));
  await daemon.kill();
  await daemon.start();
  const after = await recorder.readAll();
  await daemon.kill();
  const records = after.map<TaskRecord>((each) => ({ ...each, readings: [...each.readings, ...(before.get(each.task.id) ?? [])] }));
  const left = await whatIsLeft({ state: daemon.state, home: daemon.home, repositories: [repository] });
  return recorder.history(records, { left, ...(receiver ? { receiver } : {}) });
}
