import { readFileSync } from 'node:fs';

/**
 * Milliseconds since its start in which the main thread of a process wanted a processor and had none, because others had them all. A test that
 * holds the daemon to a time takes them off: they say how full the machine is, not what the daemon is worth. 0 where the kernel does not count them.
 */
export function starvedMs(pid: number): number {
  try {
    // https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat: time on the processor and time in the queue, in nanoseconds.
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}
