import { isFinal } from '../task/task.ts';
import type { ChangeSet } from './store.ts';

/** What an adapter has read of the stored task, in the transaction that will write. */
export interface StoredTask {
  readonly version: number;
  readonly fence: number;
  readonly sequence: number;
  /** Whether it has its completion event. */
  readonly completed: boolean;
}

/**
 * Throws where a change that passed compare-and-set would break a promise all the same: a gap in the events, or a final state
 * without its completion event. Only a bug makes such a change, so it is never stored.
 */
export function assertSound({ task, expectedVersion, events, completion }: ChangeSet, stored: StoredTask | undefined): void {
  const wrong = (what: string): Error => new Error(`bug: change of task ${task.id} to version ${task.version}: ${what}`);
  if (task.version !== expectedVersion + 1) throw wrong(`it was decided from version ${expectedVersion}`);
  const before = stored?.sequence ?? 0;
  if (task.sequence !== before + events.length || events.some((event, index) => event.sequence !== before + 1 + index)) {
    throw wrong(`its events do not go on from ${before} to ${task.sequence} without a gap`);
  }
  const ends = isFinal(task.state) && !stored?.completed;
  if (ends !== (completion !== undefined)) {
    throw wrong(ends ? `it is ${task.state} without a completion event` : 'it has a completion event but does not reach its final state');
  }
}
