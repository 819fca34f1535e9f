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
  /** Commits the serialised bytes of a row, once: what is returned is what is stored, whoever came first. */
  freeze(row: OutboxKey, payload: Uint8Array): Promise<Uint8Array>;
  delivered(row: OutboxKey, at: Instant): Promise<void>;
  /** The row will be sent again at `at`, at most `mostRetryAfterMs` from now. */
  retryAt(row: OutboxKey, at: Instant, error: string): Promise<void>;
  /** The receiver will never take it; it is kept, counted and can be sent again by hand. */
  dead(row: OutboxKey, error: string): Promise<void>;
  /** When the next row of a destination is due. */
  nextPending(destination: string): Promise<Instant | undefined>;
  /** Rows with a destination that are neither delivered nor dead, and how old the oldest is. */
  backlog(): Promise<{ readonly rows: number; readonly oldest?: Instant }>;
  /** Puts rows into the queue that would never be sent by themselves, all or none. A request id that came before changes nothing and is given. */
  queue(change: QueueChange): Promise<Queued>;
  /** Rows that will not be sent by themselves. */
  unsent(): Promise<{ readonly undirected: number; readonly dead: number }>;
  /** What became of a finished task's record for a destination; of the one that has none, where that is all there is. */
  record(taskId: string, destination: string): Promise<OutboxRecord | undefined>;
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
  /** Where they go; of the dead, those that went there. A row whose task has one for this destination already stays as it is. */
  readonly destination: string;
  readonly from: 'undirected' | 'dead';
  /** Only of tasks that ended then or later. */
  readonly since?: Instant;
  readonly taskId?: string;
  readonly at: Instant;
  readonly request?: { readonly id: string; readonly hash: string };
}

export type Queued = { readonly kind: 'queued'; readonly rows: number } | { readonly kind: 'repeated'; readonly earlier: StoredRequest };

export interface OutboxRecord {
  readonly state: 'undirected' | 'pending' | 'delivered' | 'dead';
  /** Absent until the first send. */
  readonly payload?: Uint8Array;
  readonly deliveredAt?: Instant;
  /** Why the last try failed. */
  readonly lastError?: string;
}

export interface OutboxRow extends OutboxKey {
  readonly task: Task;
  readonly completion: CompletionEvent;
  /** Absent until the first send. */
  readonly payload?: Uint8Array;
  readonly attempts: number;
}
