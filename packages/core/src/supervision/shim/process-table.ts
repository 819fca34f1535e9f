import { readdirSync, readFileSync } from 'node:fs';
import type { markerName, ProcessIdentity } from '../protocol.ts';
import { hasCode } from './error-code.ts';

export const marker: typeof markerName = 'SINGLETREE_PROCESS';

export interface ProcessStat extends ProcessIdentity {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** What /proc says of a pid; absent once it is gone. A lack of descriptors is an error and never read as "gone". */
export function readStat(pid: number): ProcessStat | undefined {
  const fields = readFields(pid);
  if (fields === undefined) return undefined;
  const [state = 'X', parent, group, session] = fields;
  return { pid, state, parent: Number(parent), group: Number(group), session: Number(session), startTime: Number(fields[19]) };
}

/** /proc/PID/stat from its third field, the state, on. The name before it may hold any character, so what counts is the last parenthesis. */
function readFields(pid: number | 'self'): string[] | undefined {
  const text = readProc(pid, 'stat');
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A zombie runs no more; whether its parent ever reaps it is not our affair. */
export function isLiving(stat: ProcessStat): boolean {
  return stat.state !== 'Z' && stat.state !== 'X';
}

/** The process of this very identity, if it lives. */
export function findLiving(identity: ProcessIdentity): ProcessStat | undefined {
  const stat = readStat(identity.pid);
  return stat?.startTime === identity.startTime && isLiving(stat) ? stat : undefined;
}

/** The marker in a process's environment. A child between fork and exec still shows its parent's. */
export function readMarker(pid: number): string | undefined {
  const prefix = `${marker}=`;
  return readProc(pid, 'environ')
    ?.split('\0')
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

export function readTable(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined);
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** The memory of one process, in bytes; 0 once it is gone. */
export function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readProc(pid, 'status') ?? '')?.[1];
  return Number(kibibytes ?? 0) * 1024;
}

/** CPU time of everything that this shim has waited for, user and system, in the kernel's ticks of 10 ms. */
export function childrenCpuMs(): number {
  const fields = readFields('self');
  return (Number(fields?.[13]) + Number(fields?.[14])) * 10;
}

function readProc(pid: number | 'self', name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch (error) {
    // Processes of other users may be hidden; they are not ours.
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
