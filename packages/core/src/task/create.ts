import type { TaskEvent } from './events.ts';
import type { Instant, Task, TaskSpec } from './task.ts';

/** A new task and its first event. */
export function createTask(id: string, spec: TaskSpec, now: Instant): { readonly task: Task; readonly events: readonly TaskEvent[] } {
  const task: Task = {
    id,
    spec,
    state: 'created',
    version: 1,
    sequence: 1,
    createdAt: now,
    updatedAt: now,
    since: now,
    fence: 0,
    attempts: [],
    processes: [],
    usedMs: 0,
    gateResults: [],
    phases: { activeMs: 0, gateMs: 0, backoffMs: 0, blockedMs: 0, reviewMs: 0 },
  };
  return { task, events: [{ sequence: 1, at: now, body: { kind: 'created' } }] };
}
