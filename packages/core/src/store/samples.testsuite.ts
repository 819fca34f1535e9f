import assert from 'node:assert/strict';
import { uuidv7 } from '../ids.ts';
import { completionOf, type CompletionEvent } from '../task/completion.ts';
import { createTask } from '../task/create.ts';
import type { TaskEventBody } from '../task/events.ts';
import type { FinalState, Task, TaskSpec } from '../task/task.ts';
import type { MetricStore } from './metrics.ts';
import type { OutboxStore } from './outbox.ts';
import type { ChangeSet, Store } from './store.ts';

/** What a case needs of an adapter: its ports on an empty database, which can be closed and opened again. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: Store;
  readonly outbox: OutboxStore;
  readonly metrics: MetricStore;
  /** Closes both and opens the same data again; the ports are the new ones. */
  reopen(): Promise<void>;
}

export interface StoreCase {
  readonly name: string;
  run(make: () => Promise<StoreFixture>): Promise<void>;
}

export const noon = Date.UTC(2026, 5, 1, 12);
export const newId: () => string = uuidv7(() => noon);

const spec: TaskSpec = {
  instructions: 'make the test pass',
  acceptanceCriteria: ['it passes'],
  context: [{ kind: 'file', path: 'README.md' }],
  harness: 'claude_code',
  permissions: 'all',
  workspace: { path: '/repository', mode: 'worktree' },
  setup: [],
  gates: [],
  limits: { timeoutMs: 60_000, maxOutputBytes: 1_000_000, maxAttempts: 3 },
  labels: { team: 'a' },
  priority: 0,
};

/** The change that creates a task. */
export function creation(set: Partial<TaskSpec> = {}, at: number = noon): ChangeSet {
  return { ...createTask(newId(), { ...spec, ...set }, at), expectedVersion: 0 };
}

/** Creates a task and gives it. */
export async function created(store: Store, set: Partial<TaskSpec> = {}, at: number = noon): Promise<Task> {
  const change = creation(set, at);
  assert.equal(await store.commit(change), 'committed');
  return change.task;
}

/** The change to the next version of a task, with `events` warnings. */
export function change(task: Task, set: Partial<Task> = {}, events = 1): ChangeSet {
  const body: TaskEventBody = { kind: 'warning', message: `version ${task.version + 1}` };
  return {
    task: { ...task, ...set, version: task.version + 1, sequence: task.sequence + events },
    expectedVersion: task.version,
    events: Array.from({ length: events }, (_, index) => ({ sequence: task.sequence + 1 + index, at: noon + index, body })),
  };
}

/** The change that ends a task. */
export function ending(
  task: Task,
  state: FinalState,
  destinations: readonly string[],
  completedAt: number = noon + 1,
): ChangeSet & { completion: CompletionEvent } {
  const ended = change(task, { state, since: completedAt });
  return { ...ended, completion: completionOf(ended.task), destinations };
}

export async function commit(store: Store, next: ChangeSet): Promise<Task> {
  assert.equal(await store.commit(next), 'committed');
  return next.task;
}

export function ids(tasks: readonly Task[]): string[] {
  return tasks.map(({ id }) => id);
}
