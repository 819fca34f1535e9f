import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import type { ExitRecord, ProcessIdentity } from '../protocol.ts';
import type { Hold } from './hold.ts';
import { readStat, type ProcessStat } from './process-table.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All of it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Descriptors of standard input, output and error. */
export type Stdio = [stdin: number, stdout: number, stderr: number];

/** How a child ended, by the system's word for it. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  /** CPU time of the child and of what it waited for, where it was not this program that waited for it. */
  readonly cpuMs?: number;
}

export interface Started {
  /** The child leads a session and a group of its own. */
  readonly child: ProcessIdentity;
  readonly ended: Promise<Ended>;
  readonly hold?: Hold;
}

/** Starts a program in a session of its own. There is none yet if it has no pid: `startedOf` tells why. */
export function spawnChild({ file, args, cwd, env }: Command, stdio: StdioOptions): ChildProcess {
  return spawn(file, args, { cwd, env, stdio, detached: true });
}

/** To be called at once: until something is awaited, the child is not reaped and its exit is not missed. Rejects with the reason why there is none. */
export async function startedOf(child: ChildProcess, hold?: Hold): Promise<Started> {
  const { pid } = child;
  if (pid === undefined) throw await new Promise<Error>((resolve) => child.once('error', resolve));
  // Not 'close': that waits for every descendant that still holds a descriptor.
  const ended = new Promise<Ended>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  let stat: ProcessStat | undefined;
  try {
    stat = readStat(pid);
  } finally {
    // Also where a descriptor is lacking to look with: what nobody can name must not run on.
    if (stat === undefined) child.kill('SIGKILL');
  }
  if (stat === undefined) throw new Error(`/proc does not show the child ${pid}: is it mounted?`);
  return { child: { pid, startTime: stat.startTime }, ended, ...(hold && { hold }) };
}

export function describeSpawnError(error: unknown): NonNullable<ExitRecord['spawnError']> {
  if (!(error instanceof Error)) return { code: 'UNKNOWN', message: String(error) };
  const code = 'code' in error ? String(error.code) : 'UNKNOWN';
  return { code, message: error.message, ...('path' in error && typeof error.path === 'string' && { path: error.path }) };
}
