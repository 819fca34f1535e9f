import type { Singletree, Task, TaskEvent } from '@singletree/sdk';
import { processesWithMarker, until } from '@singletree/testing';
import { expect } from 'vitest';
import { promises } from './checker.ts';
import { outputsIn } from './history-left.ts';
import { ledgerOf } from './ledger.ts';
import type { History } from './history.ts';

/** Everything that a task has told, from its first event. */
export async function eventsOf(client: Singletree, taskId: string): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for await (const event of client.tasks.watch(taskId)) events.push(event);
  return events;
}

/**
 * Nothing that descends from the task's processes lives: every one of them carries the task's id in its marker. Only a shim may still be on its
 * way out, since it is its last act to write the ending.
 */
export async function expectNoProcessOf(taskId: string): Promise<void> {
  const left = processesWithMarker(taskId).filter(
    ({ command }) => !/\/(supervision\/shim\/main|fixtures\/protocol-\d+\/shim)\.ts /.test(command),
  );
  expect(left, `processes of task ${taskId} are left`).toEqual([]);
  await until(() => processesWithMarker(taskId).length === 0, { what: `the last shim of task ${taskId} to leave` });
}

/** Those that can be judged by what one client sees of one task. */
const ofOneTask = [
  'a task has one final state and never leaves it',
  'a final task has one completion event, which agrees with it',
  'events are gapless and the same at every reading',
  'the output is recorded to its last byte',
  'the ledger of an attempt adds up to what it used',
  'attempts are retried and charged by policy',
] as const;

/** What holds for every task that has ended, whatever died on the way. `isRead`: no limit or decoder kept its output from being recorded. */
export async function expectPromisesKept(
  client: Singletree,
  { id, state: seen }: Task,
  state: string,
  { isRead = true } = {},
): Promise<void> {
  await expectNoProcessOf(id);
  const readings = [await eventsOf(client, id), await eventsOf(client, id)];
  const nothing = { leases: [], openDirectories: [], worktrees: [], processes: [], refs: new Map<string, string>() };
  const history: History = {
    calls: [],
    streams: [],
    sightings: [{ taskId: id, state: seen }],
    tasks: [{ task: await client.tasks.get(id), readings, ledger: await ledgerOf(client, id) }],
    starts: [],
    ...(isRead ? { left: { ...nothing, outputs: outputsIn(state) } } : {}),
  };
  expect(ofOneTask.flatMap((name) => promises[name](history))).toEqual([]);
}
