import { defined } from '@singletree/harness';
import type { WatchdogThresholds } from '../attempt/watchdogs/thresholds.ts';
import type { Configuration } from './schema.ts';

/** What the configuration lets watchdogs do. */
export function watchdogThresholds({ watchdogs }: Configuration): WatchdogThresholds {
  return {
    sameCall: defined(watchdogs.same_call),
    sameFailure: defined(watchdogs.same_failure),
    emptyTurns: defined(watchdogs.empty_turns),
    unchangedTurns: defined(watchdogs.unchanged_turns),
    endGraceMs: watchdogs.end_grace,
  };
}
