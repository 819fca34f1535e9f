import type { CompletionEvent } from '../task/completion.ts';
import type { Instant, Task } from '../task/task.ts';

/** The totals of finished tasks. Only the metrics exporter writes them, in transactions of its own: nothing on a task's path waits for it. */
export interface MetricStore {
  /** Finished tasks that are in no total yet, oldest first. */
  unfolded(limit: number): Promise<{ readonly task: Task; readonly completion: CompletionEvent }[]>;
  /**
   * Adds to the totals, and marks these tasks as counted: both or neither. `conflict` if one of them is counted already.
   *
   * @param at the time of the totals from then on; never earlier than it was
   */
  fold(taskIds: readonly string[], changes: readonly Point[], at: Instant): Promise<'folded' | 'conflict'>;
  totals(): Promise<Totals>;
}

export interface Totals {
  /** When counting began: what every total counts from. It is the store's own, so that no restart looks like a reset. */
  readonly since: Instant;
  /** When something was counted last; absent before the first time. */
  readonly at?: Instant;
  readonly points: readonly Point[];
}

/** A series and its total, or what is added to it. Whole numbers, so that no sum is ever rounded. */
export interface Point {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sum: number;
  /** How many of `count` lie in each bucket of a histogram, the last one without an upper end. */
  readonly buckets?: readonly number[];
}
