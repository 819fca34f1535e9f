import type { CompletionEvent } from '../task/completion.ts';
import type { TaskEvent } from '../task/events.ts';
import type { Instant, Task, TaskState } from '../task/task.ts';

/**
 * Durable state. Data in, data out: no callback runs inside a transaction, so an adapter may group, retry or pipeline
 * commits. A commit that has resolved survives a crash and a loss of power.
 */
export interface Store {
  /** A ChangeSet is all or nothing; see its fields for what makes it fail. */
  commit(change: ChangeSet): Promise<CommitResult>;
  task(id: string): Promise<Task | undefined>;
  /** Tasks whose id begins with the prefix, newest first, at most `limit`. */
  tasksByPrefix(prefix: string, limit: number): Promise<Task[]>;
  /** One page, newest first. `before` is the id of the last task of the page before. */
  tasks(query: TaskQuery): Promise<Task[]>;
  countByState(): Promise<Record<TaskState, number>>;
  events(taskId: string, afterSequence: number, limit: number): Promise<TaskEvent[]>;
  completion(taskId: string): Promise<CompletionEvent | undefined>;
  /**
   * Tasks that may be claimed now: CREATED and due, or IN_REVIEW without a lease; higher priority first, then older. An
   * in-place task whose workspace another task holds is not among them. The claim itself is a commit, so two callers may
   * see the same task and only one of them gets it. `full` are harnesses that have no room: their tasks are left out, so that
   * however many wait, they hide nobody else's.
   */
  due(now: Instant, limit: number, full?: readonly string[]): Promise<Task[]>;
  /** When the next task becomes due, of those that wait for a time after this one. */
  nextDue(after: Instant): Promise<Instant | undefined>;
  /** Every task with a lease: at start, what a daemon before this one was driving. */
  leased(): Promise<Task[]>;
  /** The task that holds an in-place workspace. */
  workspaceHolder(path: string): Promise<string | undefined>;
  /** What a request id was first used for. */
  request(requestId: string): Promise<{ readonly hash: string; readonly taskId: string } | undefined>;
  /** Says only "read again": which task changed, after its commit, and the state it has now. Returns how to stop listening. */
  onCommit(listener: (taskId: string, state: TaskState) => void): () => void;
  close(): Promise<void>;
}

export type CommitResult = 'committed' | 'conflict' | 'fenced';

export interface ChangeSet {
  readonly task: Task;
  /** The version that `task` was decided from; 0 creates it. Any other stored version is a `conflict`. */
  readonly expectedVersion: number;
  /** Presented by drivers: a stored fence that differs makes the commit `fenced`. Clients' commands present none. */
  readonly fence?: number;
  readonly events: readonly TaskEvent[];
  /** Present exactly when the task reaches its final state: stored with one outbox row per destination. */
  readonly completion?: CompletionEvent;
  /** Where completions go; an empty list keeps the row `undirected`. */
  readonly destinations?: readonly string[];
  /** De-duplicates the client's mutation; a request id already taken is a `conflict`. */
  readonly request?: { readonly id: string; readonly hash: string };
  /** Reserves an in-place workspace for this task; taken by another task, it is a `conflict`. Released at the final state. */
  readonly reserve?: string;
}

export interface TaskQuery {
  readonly limit: number;
  readonly before?: string;
  readonly states?: readonly TaskState[];
}
