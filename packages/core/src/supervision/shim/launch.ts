import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExitRecord, ProcessFile, ProcessIdentity, ProcessSpec } from '../protocol.ts';
import type { Logs } from './logs.ts';
import { marker, readStat } from './process-table.ts';

/** Starts the child. Throws the reason why the system refuses it at once; `identify` tells the others. */
export function launch(spec: ProcessSpec, secrets: Record<string, string>, directory: string, logs: Logs): ChildProcess {
  if (!statSync(spec.cwd).isDirectory())
    throw Object.assign(new Error(`${spec.cwd} is not a directory`), { code: 'ENOTDIR', path: spec.cwd });
  const stdin = openSync(join(directory, 'stdin' satisfies ProcessFile), 'r');
  try {
    return spawn(spec.file, spec.args, {
      cwd: spec.cwd,
      env: { ...spec.env, ...secrets, [marker]: spec.id },
      stdio: [stdin, logs.stdout, logs.stderr],
      detached: true,
    });
  } finally {
    closeSync(stdin);
  }
}

/** Rejects with the reason why there is no child. Its exit cannot come in between: nothing is awaited where there is one. */
export async function identify(child: ChildProcess): Promise<ProcessIdentity> {
  const { pid } = child;
  if (pid === undefined) throw await new Promise<Error>((resolve) => child.once('error', resolve));
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`/proc does not show the child ${pid}: is it mounted?`);
  return { pid, startTime: stat.startTime };
}

export function describeSpawnError(error: unknown): NonNullable<ExitRecord['spawnError']> {
  if (!(error instanceof Error)) return { code: 'UNKNOWN', message: String(error) };
  const code = 'code' in error ? String(error.code) : 'UNKNOWN';
  return { code, message: error.message, ...('path' in error && typeof error.path === 'string' && { path: error.path }) };
}

/** A service file may shield the daemon from the kernel's memory killer; what it runs must not inherit that. */
export function shareMemoryPressure(): void {
  const path = '/proc/self/oom_score_adj';
  if (Number(readFileSync(path, 'latin1')) < 0) writeFileSync(path, '0');
}
