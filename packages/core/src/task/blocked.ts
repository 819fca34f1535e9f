import type { Instant, Task } from './task.ts';

/** How much longer a task may be blocked, over all times. Absent where there is no limit. */
export function blockedLeftMs({ spec, since, phases }: Task, now: Instant): number | undefined {
  const { blockedLimitMs } = spec.limits;
  // A clock that was set back gives nothing back.
  return blockedLimitMs === undefined ? undefined : Math.max(0, blockedLimitMs - phases.blockedMs - Math.max(0, now - since));
}

/** When a blocked task fails if nothing changes. Absent where there is no limit. */
export function failsAt(task: Task): Instant | undefined {
  const left = blockedLeftMs(task, task.since);
  return left === undefined ? undefined : task.since + left;
}

/** What is due for a blocked task. */
export type BlockedStep =
  | { readonly kind: 'unblock' | 'expire' }
  /** Ask whether the harness is ready. `last`: if it is not, the task has waited long enough. */
  | { readonly kind: 'probe'; readonly last: boolean }
  /** Without a time only a person can unblock it. */
  | { readonly kind: 'wait'; readonly ms?: number };

/**
 * What blocked a task is looked at before it is given up: a machine that was away for longer than the limit must not fail what could go on.
 *
 * @param leftMs how much longer it may be blocked
 */
export function blockedStep({ blocked, since }: Task, now: Instant, leftMs: number | undefined): BlockedStep {
  const { until, probe } = blocked ?? {};
  const isOver = leftMs !== undefined && leftMs <= 0;
  // As for a retry: a wait that begins in the future is over.
  const isTime = until === undefined || until <= now || since > now;
  if (probe && isTime) return { kind: 'probe', last: isOver };
  if (until !== undefined && isTime) return { kind: 'unblock' };
  if (isOver) return { kind: 'expire' };
  const waits = [until === undefined ? undefined : until - now, leftMs].filter((each) => each !== undefined);
  return waits.length === 0 ? { kind: 'wait' } : { kind: 'wait', ms: Math.min(...waits) };
}
