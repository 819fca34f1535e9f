import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessFile, ProcessSpec, RunRecord, SandboxLevel } from '../protocol.ts';
import { startInCgroup } from './cgroup.ts';
import { spawnChild, startedOf, type Command, type Started, type Stdio } from './child.ts';
import { Unheld } from './hold.ts';
import type { Logs } from './logs.ts';
import { startInNamespace } from './namespace.ts';
import { marker } from './process-table.ts';

export interface Launched extends Started {
  /** The level that was reached. */
  readonly level: SandboxLevel;
  /** Better ones that could not be had, and why. */
  readonly refused: NonNullable<RunRecord['refused']>;
}

/** What is tried where a level cannot be had: a child that is held less surely is better than none. */
const nextLevel = { cgroup: 'pid_namespace', pid_namespace: 'marker' } as const satisfies Partial<Record<SandboxLevel, SandboxLevel>>;

/** Starts the child. Rejects with the reason why the system refuses it. */
export async function launch(spec: ProcessSpec, secrets: Record<string, string>, directory: string, logs: Logs): Promise<Launched> {
  if (!statSync(spec.cwd).isDirectory())
    throw Object.assign(new Error(`${spec.cwd} is not a directory`), { code: 'ENOTDIR', path: spec.cwd });
  const { file, args, cwd } = spec;
  const command: Command = { file, args, cwd, env: { ...spec.env, ...secrets, [marker]: spec.id } };
  const stdin = openSync(join(directory, 'stdin' satisfies ProcessFile), 'r');
  const stdio: Stdio = [stdin, logs.stdout, spec.oneOutput ? logs.stdout : logs.stderr];
  const startAt = async (level: SandboxLevel, refused: Launched['refused']): Promise<Launched> => {
    if (level === 'marker') return { ...(await startedOf(spawnChild(command, stdio))), level, refused };
    try {
      const started = level === 'cgroup' ? startInCgroup(spec, command, stdio) : startInNamespace(command, stdio);
      return { ...(await started), level, refused };
    } catch (error) {
      if (!(error instanceof Unheld)) throw error;
      return await startAt(nextLevel[level], [...refused, { level, why: error.message }]);
    }
  };
  try {
    return await startAt(spec.sandbox, []);
  } finally {
    closeSync(stdin);
  }
}

/** A service file may shield the daemon from the kernel's memory killer; what it runs must not inherit that. */
export function shareMemoryPressure(): void {
  const path = '/proc/self/oom_score_adj';
  if (Number(readFileSync(path, 'latin1')) < 0) writeFileSync(path, '0');
}
