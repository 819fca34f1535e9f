import type { CompletionEvent } from '../task/completion.ts';
import type { TaskEvent } from '../task/events.ts';
import type { LedgerEntry } from '../task/ledger.ts';
import type { Instant, Task } from '../task/task.ts';
import type { StoredRequest } from './store.ts';

/** A receiver may ask for more patience than our own backoff has, but not for ever. */
export const mostRetryAfterMs = 3_600_000;

/** Completion events that are not acknowledged yet, as the relay sees them. Only the relay writes here, beside the insert with the final state. */
export interface OutboxStore {
  /** Rows of a destination that are due, oldest first; also those whose time was told by a clock that was set back since. */
  pending(destination: string, now: Instant, limit: number): Promise<OutboxRow[]>;
  /** What a task's spans tell beside its record. */
  history(taskId: string, wanted: HistoryWanted): Promise<TaskHistory>;
  /** Commits the serialised bytes of a task, once for all its destinations: what is returned is what is stored, whoever came first. */
  freeze(row: OutboxKey, payload: Uint8Array): Promise<Uint8Array>;
  /** @param rejected spans that the destination did not take although it acknowledged the row */
  delivered(row: OutboxKey, at: Instant, rejected?: number): Promise<void>;
  /** The row will be sent again at `at`, at most `mostRetryAfterMs` from now. */
  retryAt(row: OutboxKey, at: Instant, error: string): Promise<void>;
  /** The receiver will never take it; it is kept, counted and can be sent again by hand. */
  dead(row: OutboxKey, error: string): Promise<void>;
  /** When the next row of a destination is due. */
  nextPending(destination: string): Promise<Instant | undefined>;
  /** How the rows stand, by the destinations that they name. */
  standing(): Promise<Standing>;
  /** How many rows these destinations have yet to take, counted up to `most`. */
  owed(destinations: readonly string[], most: number): Promise<number>;
  /** Puts rows into the queue that would never be sent by themselves, all or none. A request id that came before changes nothing and is given. */
  queue(change: QueueChange): Promise<Queued>;
  /** What became of a finished task's record; absent if nothing is kept of it. */
  record(taskId: string): Promise<OutboxRecord | undefined>;
  /**
   * Deletes rows that are older than `before`, at most `limit`, and the bytes that no row needs any more: delivered ones, by when they were, and
   * those that no destination waits for, by when their task ended. Gives how many rows. Dead ones stay.
   *
   * @param destinations those that there are: a row that waits for another one has none
   */
  prune(change: { readonly before: Instant; readonly destinations: readonly string[]; readonly limit: number }): Promise<number>;
  /**
   * Forgets the bytes of every task if they were made by other rules of what may leave: what is still to be sent is then made anew. Before the first call
   * nobody knows by which they were made, and they stay.
   */
  keepBytesOf(rules: string): Promise<void>;
  /** Identifies this store for ever: the resource's `service.instance.id`. */
  instanceId(): Promise<string>;
}

/** What is asked of a task's history beside its changes of state. */
export interface HistoryWanted {
  readonly tools: boolean;
  readonly modelCalls: boolean;
}

export interface TaskHistory {
  /** Changes of state, and the tools that the harness told of if they are wanted; oldest first. */
  readonly events: readonly TaskEvent[];
  /** The usage ledger, if it is wanted. */
  readonly calls: readonly LedgerEntry[];
}

export interface OutboxKey {
  readonly taskId: string;
  readonly destination: string;
  readonly signal: 'traces';
}

export interface QueueChange {
  readonly from: 'undirected' | 'dead';
  /** The destinations that there are. Where no `to` is given, rows go to all of them; dead ones go where they were refused, or so if that is gone. */
  readonly destinations: readonly string[];
  /** Where they go instead. From `undirected` it then gets every record that it has none of, also those that others got. */
  readonly to?: string;
  /** Only of tasks that ended then or later. */
  readonly since?: Instant;
  readonly taskId?: string;
  readonly at: Instant;
  readonly request?: { readonly id: string; readonly hash: string };
}

export type Queued = { readonly kind: 'queued'; readonly rows: number } | { readonly kind: 'repeated'; readonly earlier: StoredRequest };

export interface OutboxRecord {
  /** Absent until the first send. */
  readonly payload?: Uint8Array;
  /** By destination; the one without any first. */
  readonly rows: readonly RecordRow[];
}

export interface RecordRow {
  readonly state: 'undirected' | 'pending' | 'delivered' | 'dead';
  /** Absent where it is undirected. */
  readonly destination?: string;
  readonly deliveredAt?: Instant;
  /** Why the last try failed. */
  readonly lastError?: string;
}

export interface Standing {
  /** Rows without a destination. */
  readonly undirected: number;
  readonly destinations: readonly DestinationStanding[];
}

/** Of a destination that rows name or named. */
export interface DestinationStanding {
  readonly destination: string;
  /** Rows that are neither delivered nor dead, and when the task of the oldest ended. */
  readonly pending: number;
  readonly oldest?: Instant;
  /** Rows that are dead now. */
  readonly dead: number;
  /** What has ever happened to rows of it. */
  readonly ever: { readonly delivered: number; readonly dead: number; readonly rejectedSpans: number };
}

export interface OutboxRow extends OutboxKey {
  readonly task: Task;
  readonly completion: CompletionEvent;
  /** Absent until the first send. */
  readonly payload?: Uint8Array;
  readonly attempts: number;
}
