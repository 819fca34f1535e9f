import type { CompletionEvent } from '../task/completion.ts';
import type { Instant, Task } from '../task/task.ts';
import type { Standing } from './outbox.ts';

/** How far snapshots may be ahead of the clock after it was set back. What lies further ahead Prometheus refuses. */
export const mostAheadMs = 600_000;

/** The totals of finished tasks. Only the metrics exporter writes them, in transactions of its own: nothing on a task's path waits for it. */
export interface MetricStore {
  /** Finished tasks that are in no total yet, oldest first. */
  unfolded(limit: number): Promise<{ readonly task: Task; readonly completion: CompletionEvent }[]>;
  /**
   * Adds to the totals, marks these tasks as counted, and takes a snapshot of what there is then: all or nothing. `conflict` if one of them is
   * counted already.
   *
   * @param at the time of the snapshot, or the millisecond after the one before where that is later, by `mostAheadMs` at most: each time has one snapshot, but
   *   a clock that once was far ahead is not followed until that time comes
   */
  fold(taskIds: readonly string[], changes: readonly Point[], at: Instant): Promise<Snapshot | 'conflict'>;
  /** The series that there are. */
  series(): Promise<Pick<Point, 'metric' | 'labels'>[]>;
  /** Time of the last snapshot that this destination acknowledged; absent before the first one. */
  acknowledged(destination: string): Promise<Instant | undefined>;
  acknowledge(destination: string, at: Instant): Promise<void>;
}

/** Totals, and what is at that moment. */
export interface Snapshot {
  /** When counting began: what every total counts from. It is the store's own, so that no restart looks like a reset. */
  readonly since: Instant;
  readonly at: Instant;
  readonly points: readonly Point[];
  readonly live: Live;
}

/** What is now, as opposed to what has been. */
export interface Live {
  /** Tasks with a lease: an attempt or a gate runs. */
  readonly active: readonly { readonly harness: string; readonly tasks: number }[];
  /** Tasks in the queue, new or again. */
  readonly queued: readonly { readonly harness: string; readonly tasks: number }[];
  readonly blocked: readonly { readonly reason: string; readonly tasks: number }[];
  readonly outbox: Standing;
}

/** A series and its total, or what is added to it. Whole numbers, so that no sum is ever rounded. */
export interface Point {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sum: number;
  /** Time of the first snapshot that had it: just before, it was 0. Absent where nobody knows. */
  readonly firstAt?: Instant;
  /** How many of `count` lie in each bucket of a histogram, the last one without an upper end. */
  readonly buckets?: readonly number[];
}
