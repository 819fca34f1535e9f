import type { Instant, Task } from './task.ts';

/** When a blocked task fails if nothing changes: it may be blocked for so long in all. Absent where there is no limit. */
export function failsAt({ spec, since, phases }: Task): Instant | undefined {
  const { blockedLimitMs } = spec.limits;
  return blockedLimitMs === undefined ? undefined : since + Math.max(0, blockedLimitMs - phases.blockedMs);
}

/** What is due for a blocked task: to give it up, to look whether its harness is ready, to let it go on, or to wait. */
export type BlockedStep =
  | { readonly kind: 'expire' | 'probe' | 'unblock' }
  /** Without a time only a person can unblock it. */
  | { readonly kind: 'wait'; readonly until?: Instant };

export function blockedStep(task: Task, now: Instant): BlockedStep | undefined {
  const { blocked } = task;
  if (!blocked) return undefined;
  const end = failsAt(task);
  if (end !== undefined && now >= end) return { kind: 'expire' };
  const { until, probe } = blocked;
  if (probe && (until === undefined || now >= until)) return { kind: 'probe' };
  if (until !== undefined && now >= until) return { kind: 'unblock' };
  const next = [until, end].filter((each) => each !== undefined);
  return next.length === 0 ? { kind: 'wait' } : { kind: 'wait', until: Math.min(...next) };
}
