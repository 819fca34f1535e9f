import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Singletree, Task, TaskEvent } from '@singletree/sdk';
import { processesWithMarker, until } from '@singletree/testing';
import { expect } from 'vitest';

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

/** What holds for every task that has ended, whatever died on the way. `isRead`: no limit or decoder kept its output from being recorded. */
export async function expectPromisesKept(client: Singletree, task: Task, state: string, { isRead = true } = {}): Promise<void> {
  await expectNoProcessOf(task.id);
  const events = await eventsOf(client, task.id);
  expect(
    events.map(({ sequence }) => sequence),
    'events are gapless',
  ).toEqual(events.map((_, index) => index + 1));
  expect(
    events.filter(({ kind }) => kind === 'completed'),
    'one completion event',
  ).toHaveLength(1);
  expect(events.at(-1)?.kind).toBe('completed');
  for (const attempt of task.attempts) {
    const started = events.filter((event) => event.kind === 'attempt_started' && event.attempt === attempt.number);
    expect(started.length, `attempt ${attempt.number} was started at most once`).toBeLessThanOrEqual(1);
    for (const source of isRead ? (['stdout', 'stderr'] as const) : [])
      expectWholeRecord(events, attempt.number, source, logOf(state, task.id, attempt.number, source));
  }
}

/** The committed batches of one output partition what was written: no byte missing, none twice. */
function expectWholeRecord(events: readonly TaskEvent[], attempt: number, source: string, log: string): void {
  const ranges = events.flatMap((event) =>
    event.kind === 'output_recorded' && event.attempt === attempt && event.outputRecorded?.source === source ? [event.outputRecorded] : [],
  );
  const length = existsSync(log) ? statSync(log).size : 0;
  let at = 0;
  for (const { fromOffset, toOffset } of ranges) {
    expect(fromOffset, `${source} of attempt ${attempt} goes on where it stopped`).toBe(at);
    at = toOffset;
  }
  expect(at, `${source} of attempt ${attempt} is recorded to its end`).toBe(length);
}

function logOf(state: string, taskId: string, attempt: number, source: string): string {
  return join(state, 'processes', taskId, String(attempt), 'harness-0-1', `${source}.log`);
}
