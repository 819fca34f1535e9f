import type { Threshold, WatchdogThresholds } from '../attempt/watchdogs/thresholds.ts';
import type { Configuration } from './schema.ts';

/** What the configuration lets watchdogs do. */
export function watchdogThresholds({ watchdogs }: Configuration): WatchdogThresholds {
  return {
    sameCall: thresholdOf(watchdogs.same_call),
    sameFailure: thresholdOf(watchdogs.same_failure),
    emptyTurns: thresholdOf(watchdogs.empty_turns),
    unchangedTurns: thresholdOf(watchdogs.unchanged_turns),
    endGraceMs: watchdogs.end_grace,
  };
}

/** A 0 is for never. */
function thresholdOf({ warn, stop }: { readonly warn: number; readonly stop: number }): Threshold {
  return { ...(warn > 0 ? { warn } : {}), ...(stop > 0 ? { stop } : {}) };
}
