import { failureReasons, fixedReasons } from '@singletree/core/local';
import type { FailureReason, RetryRuleInput } from '@singletree/sdk';
import { durationOf, fold, numberFrom, orNone, truth, unknownKey, wholeNumber, word } from './values.ts';
import type { Place } from './yaml-place.ts';

/** The names are those of the configuration. */
const keys: Readonly<Record<string, (place: Place) => Omit<RetryRuleInput, 'reason'>>> = {
  retry: (place) => ({ retry: truth(place) }),
  charged: (place) => ({ charged: truth(place) }),
  session: (place) => ({ session: word(place, ['resume', 'fresh'] as const) }),
  initial: (place) => ({ backoffInitialMs: orNone(durationOf)(place) }),
  factor: (place) => ({ backoffFactor: numberFrom(1, 10)(place) }),
  cap: (place) => ({ backoffCapMs: orNone(durationOf)(place) }),
  jitter: (place) => ({ jitter: numberFrom(0, 1)(place) }),
  max_retries: (place) => ({ maxRetries: wholeNumber(place) }),
};

/** `{ stalled: { retry: false }, rate_limited: { initial: 5m } }` */
export function retryRulesOf(place: Place): RetryRuleInput[] {
  return place.members('a mapping of failure reasons').map(([name, rule]) => {
    const reason = reasons.find((known) => known === name);
    if (reason === undefined) throw unknownKey(name, rule, reasons);
    return { reason, ...fold(rule, 'a rule such as { retry: false }', keys) };
  });
}

/** Those that have a rule. */
const reasons: readonly FailureReason[] = failureReasons.filter((reason) => !fixedReasons.includes(reason));
