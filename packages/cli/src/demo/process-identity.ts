import { readFileSync } from 'node:fs';

/** A pid says nothing without its start: pids are used again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since the machine started, field 22 of /proc/PID/stat. */
  readonly startTime: number;
}

/** The living process that has this pid now. A zombie lives no more. */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // Counted after the name, which stands in parentheses and may hold any character: the first field there is field 3, the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : { pid, startTime: Number(fields[19]) };
}

/** Whether this very process lives. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return identify(pid)?.startTime === startTime;
}
