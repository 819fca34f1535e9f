import type { FailureReason } from './reasons.ts';
import type { Instant } from './task.ts';

/** What follows an attempt that ended for a reason. Durations in milliseconds. */
export interface RetryRule {
  /** `fail` ends the task; `retry` waits in the queue; `park` waits outside it, BLOCKED, for something that only others can change. */
  readonly action: 'fail' | 'retry' | 'park';
  /** Whether the attempt uses up one of `max_attempts`. */
  readonly charged: boolean;
  /** `resume` goes on in the same session and from the frozen tree, where the harness can; `fresh` starts again at the base. */
  readonly session: 'resume' | 'fresh';
  /** The wait before the n-th retry for this reason: initial × factor^(n-1), at most cap, less a share of up to `jitter` of it. */
  readonly backoff: { readonly initialMs: number; readonly factor: number; readonly capMs: number; readonly jitter: number };
  /** Most retries for this reason, beside `max_attempts`: what is not charged must end all the same. */
  readonly most: number;
}

/** What a task or the configuration changes of a rule. */
export interface RetryOverride {
  readonly retry?: boolean;
  readonly charged?: boolean;
  readonly session?: RetryRule['session'];
  readonly initialMs?: number;
  readonly factor?: number;
  readonly capMs?: number;
  readonly jitter?: number;
  readonly most?: number;
}

export type RetryOverrides = Readonly<Partial<Record<FailureReason, RetryOverride>>>;

const atOnce: RetryRule['backoff'] = { initialMs: 0, factor: 1, capMs: 0, jitter: 0 };
const brief: RetryRule['backoff'] = { initialMs: 1_000, factor: 2, capMs: 60_000, jitter: 0.2 };
const patient: RetryRule['backoff'] = { initialMs: 5_000, factor: 2, capMs: 300_000, jitter: 0.2 };
const slow: RetryRule['backoff'] = { initialMs: 60_000, factor: 2, capMs: 900_000, jitter: 0.2 };
const parked: RetryRule['backoff'] = { initialMs: 300_000, factor: 2, capMs: 3_600_000, jitter: 0.2 };

const end: RetryRule = { action: 'fail', charged: true, session: 'resume', backoff: atOnce, most: 0 };
const again: RetryRule = { action: 'retry', charged: true, session: 'resume', backoff: brief, most: 20 };
/** Not the agent's doing: it costs none of its attempts, and ends by `most` or by `blocked_limit`. */
const spared: RetryRule = { ...again, charged: false, most: 5 };

/** The retry policy as data. What is not the agent's fault is not charged; what trying again cannot change ends the task. */
export const retryTable: Readonly<Record<FailureReason, RetryRule>> = {
  harness_missing: end,
  unauthenticated: { ...spared, action: 'park', backoff: parked, most: 100 },
  rate_limited: { ...spared, backoff: slow, most: 20 },
  quota_exhausted: { ...spared, action: 'park', backoff: parked, most: 100 },
  transient_api_error: { ...again, backoff: patient },
  context_exhausted: { ...again, session: 'fresh', backoff: atOnce },
  stalled: { ...again, backoff: patient },
  no_first_output: { ...again, session: 'fresh', backoff: patient },
  attempt_timeout: { ...again, backoff: atOnce },
  timeout: end,
  turn_limit: end,
  token_limit: end,
  cost_limit: end,
  output_limit: end,
  disk_full: { ...spared, backoff: slow, most: 10 },
  gate_failed: { ...again, backoff: atOnce },
  gate_could_not_run: end,
  setup_failed: end,
  no_change_made: { ...again, backoff: atOnce },
  // A second try would go in the same circles for the same money.
  no_progress: end,
  permission_denied: end,
  harness_failed: again,
  harness_crashed: again,
  harness_never_ended: { ...again, backoff: atOnce, most: 2 },
  decoder_failed: end,
  out_of_memory: { ...again, most: 1 },
  cancelled: end,
  terminated: end,
  killed: end,
  lost: { ...spared, backoff: atOnce },
  unsupervised: { ...spared, backoff: atOnce },
  invalid_configuration: end,
  workspace_gone: end,
  workspace_unfreezable: end,
  internal: end,
};

/** Reasons that no rule may change: a limit of the whole task, somebody's wish, or something that no attempt can end with. */
export const fixedReasons: readonly FailureReason[] = [
  'harness_missing',
  'timeout',
  'turn_limit',
  'token_limit',
  'cost_limit',
  'output_limit',
  'gate_could_not_run',
  'setup_failed',
  'cancelled',
  'terminated',
  'killed',
  'invalid_configuration',
  'workspace_gone',
  'workspace_unfreezable',
  'internal',
];

/** The table's rule with what the task changes of it. A reason that is switched on where the table ends it gets a few tries, not none. */
export function retryRule(reason: FailureReason, overrides: RetryOverrides = {}): RetryRule {
  const rule = retryTable[reason];
  const { retry, charged, session, most, ...backoff } = overrides[reason] ?? {};
  const switchedOn = retry === true && rule.action === 'fail';
  const waits = { ...(switchedOn ? brief : rule.backoff), ...backoff };
  // Not a single retry is none, also for what would only wait.
  const never = retry === false || most === 0;
  return {
    action: never ? 'fail' : switchedOn ? 'retry' : rule.action,
    charged: charged ?? rule.charged,
    session: session ?? rule.session,
    // Who makes the first wait longer than the table's longest means it.
    backoff: backoff.capMs === undefined ? { ...waits, capMs: Math.max(waits.capMs, waits.initialMs) } : waits,
    most: most ?? (switchedOn ? again.most : rule.most),
  };
}

/** @param lot 0 up to 1: which part of the jitter is taken off */
export function backoffMs({ backoff }: RetryRule, retriesBefore: number, lot: number): number {
  const { initialMs, factor, capMs, jitter } = backoff;
  return Math.round(Math.min(initialMs * factor ** retriesBefore, capMs) * (1 - jitter * lot));
}

/** The same for the same task and attempt, so that deciding again decides alike; different for others, so that they do not all come back at once. */
export function lotOf(taskId: string, attempt: number): number {
  let hash = 0x811c9dc5;
  for (const character of `${taskId}/${attempt}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}

/** When the next attempt may begin: after the backoff, and not before a limit of the provider's ends. */
export function nextTry(rule: RetryRule, retriesBefore: number, lot: number, now: Instant, resetsAt: Instant | undefined): Instant {
  return Math.max(now + backoffMs(rule, retriesBefore, lot), resetsAt ?? now);
}
