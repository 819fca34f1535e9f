import type { Limits, Task } from '../../task/task.ts';
import type { Concern } from './concern.ts';

/** How an attempt's process stands with the limits that its shim enforces. */
export interface Standing {
  /** By the monotonic clock, since its start. */
  readonly elapsedMs: number;
  readonly silentMs: number;
  /** Of the longer output. */
  readonly bytes: number;
}

/** How much of a limit may be used up before somebody should know of it. */
export const warnedAt = 0.8;

/** Warnings that a limit is near. The shim acts on it, whoever was warned. */
export function nearLimits(
  { spec: { limits }, usedMs }: Pick<Task, 'spec' | 'usedMs'>,
  { elapsedMs, silentMs, bytes }: Standing,
): Concern[] {
  const { timeoutMs, attemptTimeoutMs, maxOutputBytes } = limits;
  const [silence, mostSilentMs] = silenceLimit(limits, bytes);
  return [
    near('timeout', usedMs + elapsedMs, timeoutMs, `${share} of the task's ${seconds(timeoutMs)} are used up`),
    near('attempt_timeout', elapsedMs, attemptTimeoutMs, `${share} of the attempt's ${seconds(attemptTimeoutMs)} are used up`),
    near(silence, silentMs, mostSilentMs, `nothing was written for ${share} of the ${seconds(mostSilentMs)} that are allowed`),
    near('output_limit', bytes, maxOutputBytes, `${share} of the ${maxOutputBytes} bytes that may be written are used up`),
  ].filter((concern) => concern !== undefined);
}

const share = `${warnedAt * 100} %`;

/** @param limit absent: there is none */
export function near(about: string, used: number, limit: number | undefined, message: string): Concern | undefined {
  return limit !== undefined && used >= limit * warnedAt ? { about, message } : undefined;
}

function silenceLimit({ firstOutputMs, stallMs }: Limits, bytes: number): ['first_output' | 'stall', number | undefined] {
  return bytes === 0 ? ['first_output', firstOutputMs] : ['stall', stallMs];
}

function seconds(ms: number | undefined): string {
  return `${(ms ?? 0) / 1000} s`;
}
