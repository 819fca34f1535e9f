/** Why an attempt or a task did not end well. A closed set: programs branch on it, and telemetry uses it as `error.type`. */
export const failureReasons = [
  'harness_missing',
  'unauthenticated',
  'rate_limited',
  'quota_exhausted',
  'transient_api_error',
  'context_exhausted',
  'stalled',
  'no_first_output',
  'attempt_timeout',
  'timeout',
  'turn_limit',
  'token_limit',
  'cost_limit',
  'output_limit',
  'gate_failed',
  'gate_could_not_run',
  'setup_failed',
  'no_change_made',
  'permission_denied',
  'harness_failed',
  'harness_crashed',
  'harness_never_ended',
  'decoder_failed',
  'out_of_memory',
  'cancelled',
  'terminated',
  'killed',
  'lost',
  'invalid_configuration',
  'workspace_gone',
  'workspace_unfreezable',
  'internal',
] as const;

export type FailureReason = (typeof failureReasons)[number];

/** What follows an attempt that ended for a reason. Durations in milliseconds. */
export interface RetryRule {
  /** Whether another attempt is made at all. */
  readonly retry: boolean;
  /** Whether the attempt uses up one of `max_attempts`. */
  readonly charged: boolean;
  /** `resume` goes on in the same session and from the frozen tree, where the harness can; `fresh` starts again at the base. */
  readonly session: 'resume' | 'fresh';
  /** The wait before the n-th retry for this reason: initial × factor^(n-1), at most cap. */
  readonly backoff: { readonly initialMs: number; readonly factor: number; readonly capMs: number };
  /** Most retries for this reason, beside `max_attempts`: what is not charged must end all the same. */
  readonly most: number;
}

const never: RetryRule = { retry: false, charged: true, session: 'fresh', backoff: { initialMs: 0, factor: 1, capMs: 0 }, most: 0 };
const atOnce = { initialMs: 0, factor: 1, capMs: 0 };
const patient = { initialMs: 5_000, factor: 2, capMs: 300_000 };

/** The retry policy as data. A reason that is not listed is never retried. */
const retryTable: Partial<Record<FailureReason, RetryRule>> = {
  gate_failed: { retry: true, charged: true, session: 'resume', backoff: atOnce, most: 20 },
  no_change_made: { retry: true, charged: true, session: 'resume', backoff: atOnce, most: 20 },
  lost: { retry: true, charged: false, session: 'resume', backoff: atOnce, most: 5 },
  harness_crashed: { retry: true, charged: true, session: 'resume', backoff: { initialMs: 1_000, factor: 2, capMs: 60_000 }, most: 20 },
  harness_failed: { retry: true, charged: true, session: 'resume', backoff: { initialMs: 1_000, factor: 2, capMs: 60_000 }, most: 20 },
  transient_api_error: { retry: true, charged: true, session: 'resume', backoff: patient, most: 20 },
  rate_limited: { retry: true, charged: true, session: 'resume', backoff: patient, most: 20 },
  context_exhausted: { retry: true, charged: true, session: 'fresh', backoff: atOnce, most: 20 },
};

export function retryRule(reason: FailureReason): RetryRule {
  return retryTable[reason] ?? never;
}

export function backoffMs(rule: RetryRule, retriesBefore: number): number {
  return Math.min(rule.backoff.initialMs * rule.backoff.factor ** retriesBefore, rule.backoff.capMs);
}
