import { logLength, readLog, type LogName } from '../supervision/directory.ts';
import type { ProcessExit } from '../task/task.ts';

/** What is kept of a gate's or setup command's output, for people and for the agent that has to mend it. */
const tailBytes = 8 * 1024;

/** The last 8 KiB of both outputs, standard error after standard output: test runners report on either. */
export async function outputTail(directory: string, lengths: ProcessExit['lengths']): Promise<Buffer> {
  const stderr = await logTail(directory, 'stderr', lengths.stderr, tailBytes);
  const stdout = await logTail(directory, 'stdout', lengths.stdout, tailBytes - stderr.length);
  return Buffer.concat([stdout, stderr]);
}

/** The last bytes of one log, up to a recorded length. */
export async function logTail(directory: string, log: LogName, length: number, most: number = tailBytes): Promise<Buffer> {
  const end = Math.min(length, await logLength(directory, log));
  const from = Math.max(0, end - most);
  return from === end ? Buffer.alloc(0) : await readLog(directory, log, from, end - from);
}
