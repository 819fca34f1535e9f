import type { CompletionEvent } from '../task/completion.ts';
import type { TaskEvent } from '../task/events.ts';
import type { LedgerChange, LedgerEntry } from '../task/ledger.ts';
import type { KillSwitch } from '../task/scopes.ts';
import type { Instant, Task, TaskState } from '../task/task.ts';

/**
 * Durable state. Data in, data out: no callback runs inside a transaction, so an adapter may group, retry or pipeline
 * commits. A commit that has resolved survives a crash and a loss of power.
 */
export interface Store {
  /** A ChangeSet is all or nothing; see its fields for what makes it fail. */
  commit(change: ChangeSet): Promise<CommitResult>;
  /** A ControlChange is all or nothing too. */
  commitControl(change: ControlChange): Promise<'committed' | 'conflict'>;
  task(id: string): Promise<Task | undefined>;
  /** Tasks whose id begins with the prefix, newest first, at most `limit`. */
  tasksByPrefix(prefix: string, limit: number): Promise<Task[]>;
  /** One page, newest first. `before` is the id of the last task of the page before. */
  tasks(query: TaskQuery): Promise<Task[]>;
  countByState(): Promise<Record<TaskState, number>>;
  /** Tasks that are CREATED, counted up to `most`. */
  waiting(most: number): Promise<number>;
  events(taskId: string, afterSequence: number, limit: number): Promise<TaskEvent[]>;
  /** The usage ledger, by attempt and in the order in which its entries first came, from the given place on. */
  ledger(query: LedgerQuery): Promise<LedgerEntry[]>;
  completion(taskId: string): Promise<CompletionEvent | undefined>;
  /** Completion events in the order in which their tasks ended, from the given place on. What is added meanwhile comes after all others. */
  completions(query: CompletionQuery): Promise<StoredCompletion[]>;
  /**
   * Tasks that may be claimed now: CREATED and due (`isDue`), or IN_REVIEW without a lease; higher priority first, then older. An in-place task
   * whose workspace another task holds is not among them, and neither is one that a kill switch hits. The claim itself is a commit, so two
   * callers may see the same task and only one of them gets it. `full` are harnesses that have no room: their tasks are left out, so that
   * however many wait, they hide nobody else's.
   */
  due(now: Instant, limit: number, full?: readonly string[]): Promise<Task[]>;
  /** When the next task becomes due, of those that wait for a time after this one. */
  nextDue(after: Instant): Promise<Instant | undefined>;
  /** Every task with a lease: at start, what a daemon before this one was driving. */
  leased(): Promise<Task[]>;
  /** The task that holds an in-place workspace. */
  workspaceHolder(path: string): Promise<string | undefined>;
  /** The kill switches that are thrown, oldest first. */
  killSwitches(): Promise<KillSwitch[]>;
  /** What a request id was first used for. */
  request(requestId: string): Promise<StoredRequest | undefined>;
  /** Says only "read again": which task changed, after its commit, and the state it has now. Returns how to stop listening. */
  onCommit(listener: (taskId: string, state: TaskState) => void): () => void;
  /** Says that a kill switch was thrown or taken back: what is due has changed. Returns how to stop listening. */
  onControl(listener: () => void): () => void;
  close(): Promise<void>;
}

/** `killed`: one of the scopes that the change named is stopped. */
export type CommitResult = 'committed' | 'conflict' | 'fenced' | 'killed';

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
  /** Scopes of the kill switch: where one of them is thrown, the change is refused as `killed`. */
  readonly unlessKilled?: readonly string[];
  /** What becomes of the usage ledger of an attempt. */
  readonly ledger?: LedgerChange;
  /** Reserves an in-place workspace for this task; taken by another task, it is a `conflict`. Released at the final state. */
  readonly reserve?: string;
}

/** A change of the kill switches, together with what it does to the tasks that it hits. */
export interface ControlChange {
  /** Thrown, if it is not. One of the same scope that differs from it is a `conflict`. */
  readonly engage?: KillSwitch;
  /** The scope of a switch that is taken back, if it is thrown. */
  readonly release?: string;
  /** Ids of the leased tasks that the engaged switch hits. Where there is one more, that is a `conflict`: no task slips through. */
  readonly hit?: readonly string[];
  /** What becomes of these tasks. One that cannot be committed as it is makes a `conflict` of it all. */
  readonly tasks?: readonly ChangeSet[];
  /** De-duplicates the client's mutation, as in a ChangeSet; the answer is what a repeated call is given. */
  readonly request?: { readonly id: string; readonly hash: string; readonly answer: ControlAnswer };
  readonly at: Instant;
}

export type ControlAnswer =
  | { readonly kind: 'engaged'; readonly killSwitch: KillSwitch; readonly taskIds: readonly string[] }
  | { readonly kind: 'released'; readonly released: boolean }
  | { readonly kind: 'queued'; readonly rows: number };

export interface CompletionQuery {
  /** Only of tasks that ended then or later. */
  readonly since?: Instant;
  /** Only of tasks that ended before then. */
  readonly until?: Instant;
  /** The last one that is known already. */
  readonly after?: CompletionPlace;
  readonly limit: number;
}

/** The place of a completion event among all: by the end of its task, and by id where two ended at once. */
export interface CompletionPlace {
  readonly completedAt: Instant;
  readonly taskId: string;
}

export interface StoredCompletion {
  readonly completion: CompletionEvent;
  /** Of the caller that created the task, as in its spec. */
  readonly traceparent?: string;
}

export interface LedgerQuery {
  readonly taskId: string;
  readonly attempt?: number;
  /** Entries that were read before. */
  readonly skip: number;
  readonly limit: number;
}

/** What a request id was used for: one task, or what has no task of its own. */
export type StoredRequest = { readonly hash: string } & ({ readonly taskId: string } | { readonly answer: ControlAnswer });

export interface TaskQuery {
  readonly limit: number;
  readonly before?: string;
  readonly states?: readonly TaskState[];
}
