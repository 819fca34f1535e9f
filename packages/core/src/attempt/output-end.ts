import { logLength, readLog, type LogName } from '../supervision/directory.ts';
import type { ProcessExit } from '../task/task.ts';

/** Enough of a gate's or setup command's output to explain it; what is kept of it is cut from here. */
const endBytes = 16 * 1024;

/** The end of both outputs, standard error after standard output: test runners report on either. */
export function outputEnd(directory: string, lengths: ProcessExit['lengths']): Buffer {
  const stderr = logEnd(directory, 'stderr', lengths.stderr);
  const stdout = logEnd(directory, 'stdout', lengths.stdout);
  return Buffer.concat([stdout, stderr]);
}

/** The last bytes of one log, up to a recorded length. */
export function logEnd(directory: string, log: LogName, length: number): Buffer {
  const end = Math.min(length, logLength(directory, log));
  const from = Math.max(0, end - endBytes);
  return from === end ? Buffer.alloc(0) : readLog(directory, log, from, end - from);
}
