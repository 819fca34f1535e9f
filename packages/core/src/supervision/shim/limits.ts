import type { ProcessSpec, StopRequest } from '../protocol.ts';

/** What one look has found. Times are in milliseconds of the monotonic clock. */
export interface Seen {
  readonly ranMs: number;
  /** Since the last byte in either log; since the start as long as there is none. */
  readonly silentMs: number;
  readonly hasSpoken: boolean;
  /** Bytes in the longer log. */
  readonly longestLog: number;
  /** On the fuller of the two file systems; absent while that is not known. */
  readonly freeBytes: number | undefined;
  /** Past the moment until which the daemon vouches, so negative until then; absent where it does not have to. */
  readonly unvouchedMs: number | undefined;
}

/**
 * The limit that was reached first, if any. What fills the disk is killed without a grace: to take SIGINT it would have to be continued, and would
 * go on filling it.
 */
export function reached(limits: ProcessSpec['limits'], seen: Seen): Pick<StopRequest, 'kind' | 'hardness'> | undefined {
  const { timeoutMs, attemptTimeoutMs, firstOutputMs, stallMs, outputBytes, minFreeBytes } = limits;
  if (outputBytes !== undefined && seen.longestLog > outputBytes) return { kind: 'output_limit', hardness: 'kill' };
  if (minFreeBytes !== undefined && seen.freeBytes !== undefined && seen.freeBytes < minFreeBytes) {
    return { kind: 'disk_full', hardness: 'kill' };
  }
  const past = (ms: number, limitMs: number | undefined): number => ms - (limitMs ?? Infinity);
  const overdue: readonly (readonly [kind: StopRequest['kind'], ms: number])[] = [
    ['timeout', past(seen.ranMs, timeoutMs)],
    ['attempt_timeout', past(seen.ranMs, attemptTimeoutMs)],
    seen.hasSpoken ? ['stall', past(seen.silentMs, stallMs)] : ['first_output', past(seen.silentMs, firstOutputMs)],
    ['unsupervised', seen.unvouchedMs ?? -Infinity],
  ];
  const [first] = overdue.filter(([, ms]) => ms >= 0).sort(([, a], [, b]) => b - a);
  return first && { kind: first[0], hardness: 'interrupt' };
}
