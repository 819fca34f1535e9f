import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { look } from './look.ts';
import { markerOf, type KillSwitchFile } from './protocol.ts';
import { placeFile } from './shim/files.ts';
import { isLiving, processes, readMarker, readStat } from './shim/process-table.ts';

/** Puts the kill switches where every shim reads them: whole or not at all, whatever was there before. */
export async function writeKillSwitches(
  file: string,
  switches: KillSwitchFile['switches'],
  around?: (moment: 'before' | 'after') => Promise<void>,
): Promise<void> {
  await placeFile(file, JSON.stringify({ switches } satisfies KillSwitchFile), 'replace', around);
}

export interface Killed {
  /** The folder below which process directories lie. */
  readonly root: string;
  readonly stateId: string;
  /** Paths below the root of the processes that have been told to end. */
  readonly directories: readonly string[];
  /** Whether the step that watches a process says that it is over: that alone ends the wait where a shim died without an ending. */
  readonly isOver: (directory: string) => Promise<boolean>;
  readonly limitMs: number;
}

/** A process that was killed and is still there. */
export interface Survivor {
  readonly pid: number;
  readonly directory: string;
  /** Name of its command, where it could be read. */
  readonly command?: string;
}

export interface Remains {
  /** Whether every process has its ending, and nothing that carries their markers lives. */
  readonly complete: boolean;
  readonly survivors: readonly Survivor[];
}

const pollMs = 50;

/**
 * Waits until nothing is left of processes that have been told to end: each has its ending or was won by the daemon, and two looks at the process
 * table find nobody who carries one of their markers. After the limit it names who is still there.
 */
export async function waitUntilGone({ root, stateId, directories, isOver, limitMs }: Killed): Promise<Remains> {
  const deadline = performance.now() + limitMs;
  const open = new Set(directories);
  const unkillable: Survivor[] = [];
  for (let empty = 0; ; await sleep(pollMs)) {
    for (const directory of open) {
      const seen = await look(join(root, directory));
      if (seen.kind === 'exited') unkillable.push(...seen.exit.survivors.map((pid) => ({ pid, directory })));
      if (seen.kind === 'exited' || seen.kind === 'revoked' || (await isOver(directory))) open.delete(directory);
    }
    const isLate = performance.now() >= deadline;
    if (open.size > 0 && !isLate) continue;
    const survivors = [...findMarked(stateId, directories), ...unkillable.filter(({ pid }) => lives(pid))];
    empty = open.size === 0 && survivors.length === 0 ? empty + 1 : 0;
    if (empty === 2 || (isLate && empty === 0)) return { complete: empty === 2, survivors: [...byPid(survivors).values()].map(named) };
  }
}

/** The living processes that carry the marker of one of these directories. A shim does too: until it has left, its process is not over. */
function findMarked(stateId: string, directories: readonly string[]): Survivor[] {
  const markers = new Map(directories.map((directory) => [markerOf(stateId, directory), directory]));
  const found: Survivor[] = [];
  for (const stat of processes()) {
    const directory = stat.pid !== process.pid && isLiving(stat) ? markers.get(readMarker(stat.pid) ?? '') : undefined;
    if (directory !== undefined) found.push({ pid: stat.pid, directory });
  }
  return found;
}

function lives(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && isLiving(stat);
}

function byPid(survivors: readonly Survivor[]): Map<number, Survivor> {
  return new Map(survivors.map((survivor) => [survivor.pid, survivor]));
}

function named(survivor: Survivor): Survivor {
  try {
    return { ...survivor, command: readFileSync(`/proc/${survivor.pid}/comm`, 'utf8').trim() };
  } catch {
    // It has gone since, or is hidden: its pid is what was found.
    return survivor;
  }
}
