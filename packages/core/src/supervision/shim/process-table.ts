import { readdirSync, readFileSync } from 'node:fs';
import type { markerName, ProcessIdentity } from '../protocol.ts';
import { hasCode } from './error-code.ts';

export const marker: typeof markerName = 'SINGLETREE_PROCESS';

export interface ProcessStat extends ProcessIdentity {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly threads: number;
}

/** What /proc says of a pid; absent once it is gone. A lack of descriptors is an error and never read as "gone". */
export function readStat(pid: number): ProcessStat | undefined {
  const fields = readFields(pid);
  if (fields === undefined) return undefined;
  const [state = 'X', parent, group, session] = fields;
  const [threads, , startTime] = fields.slice(17).map(Number);
  if (threads === undefined || startTime === undefined) return undefined;
  return { pid, state, parent: Number(parent), group: Number(group), session: Number(session), threads, startTime };
}

/** /proc/PID/stat from its third field, the state, on. The name before it may hold any character, so what counts is the last parenthesis. */
function readFields(pid: number | 'self'): string[] | undefined {
  const text = readProc(pid, 'stat');
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A zombie runs no more, and whether its parent ever reaps it is not our affair; but one whose first thread alone has ended looks like one. */
export function isLiving({ state, threads }: Pick<ProcessStat, 'state' | 'threads'>): boolean {
  return state !== 'X' && (state !== 'Z' || threads > 1);
}

/** The process of this very identity, if it lives. */
export function findLiving(identity: ProcessIdentity): ProcessStat | undefined {
  const stat = readStat(identity.pid);
  return stat?.startTime === identity.startTime && isLiving(stat) ? stat : undefined;
}

/** The marker in a process's environment. A child between fork and exec still shows its parent's. */
export function readMarker(pid: number): string | undefined {
  const prefix = `${marker}=`;
  return readEnvironment(pid)
    ?.split('\0')
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/** A first thread that has ended shows none any more, its others still do. */
function readEnvironment(pid: number): string | undefined {
  const own = readProc(pid, 'environ');
  if (own || (readStat(pid)?.threads ?? 1) === 1) return own;
  const threads = unlessHidden(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.map((thread) => readProc(pid, `task/${thread}/environ`)).find((text) => text);
}

/** Listings of one look. Each but the first is short: it reads only whoever has come since. */
const mostListings = 10;

/**
 * Every process, newest first, until a listing shows nobody who has not been looked at: whoever hands its life on to a child and ends, again and
 * again, is met in the end. What else is to be known of one is to be read before the next one is asked for.
 */
export function* processes(listings: number = mostListings): Generator<ProcessStat> {
  const met = new Set<number>();
  for (let listing = 0; listing < listings; listing += 1) {
    const fresh = pids().filter((pid) => !met.has(pid));
    if (fresh.length === 0) return;
    for (const pid of fresh.toReversed()) {
      met.add(pid);
      const stat = readStat(pid);
      if (stat) yield stat;
    }
  }
}

/** The kernel names them in the order of their numbers. */
function pids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

export function readTable(): ProcessStat[] {
  return [...processes()];
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
  return unlessHidden(() => readFileSync(`/proc/${pid}/${name}`, 'latin1'));
}

/** Of a process that is gone, or of another user's that is hidden and so not ours. */
function unlessHidden<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
