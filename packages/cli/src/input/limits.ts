import type { LimitsInput } from '@singletree/sdk';
import { countOf, durationOf, fold, numberFrom, orNone, sizeOf, usdOf, wholeNumber } from './values.ts';
import type { Place } from './yaml-place.ts';

const keys: Readonly<Record<string, (place: Place) => LimitsInput>> = {
  timeout: (place) => ({ timeoutMs: durationOf(place) }),
  attempt_timeout: (place) => ({ attemptTimeoutMs: durationOf(place) }),
  first_output: (place) => ({ firstOutputMs: durationOf(place) }),
  stall: (place) => ({ stallMs: durationOf(place) }),
  blocked_limit: (place) => ({ blockedLimitMs: durationOf(place) }),
  max_attempts: (place) => ({ maxAttempts: wholeNumber(place) }),
  max_turns: (place) => ({ maxTurns: wholeNumber(place) }),
  max_tokens: (place) => ({ maxTokens: countOf(place) }),
  cost_usd: (place) => ({ maxCostUsdMicros: usdOf(place) }),
  max_context: (place) => ({ maxContextUtilization: numberFrom(0.01, 1)(place) }),
  max_output: (place) => ({ maxOutputBytes: sizeOf(place) }),
  min_free_disk: (place) => ({ minFreeDiskBytes: orNone(sizeOf)(place) }),
};

/** `{ timeout: 30m, max_attempts: 2 }` */
export function limitsOf(place: Place): LimitsInput {
  return fold(place, 'a mapping of limits', keys);
}
