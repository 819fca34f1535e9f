import type { ChangeSet } from '../store/store.ts';
import type { Decision } from '../task/change.ts';
import type { Task } from '../task/task.ts';

/** What a decision is in the store's words. */
export function changeSetOf(before: Task, { task, events, completion, ledger }: Decision, destinations: readonly string[]): ChangeSet {
  return {
    task,
    expectedVersion: before.version,
    events,
    ...(ledger ? { ledger } : {}),
    ...(completion ? { completion, destinations } : {}),
  };
}
