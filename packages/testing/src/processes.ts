import { readdirSync, readFileSync } from 'node:fs';

export interface MarkedProcess {
  readonly pid: number;
  /** Its arguments, joined by spaces; for messages. */
  readonly command: string;
}

/**
 * The living processes whose environment, as it was when they were started, holds the marker (`NAME=value`, or a part of it).
 * Zombies do not count: the kernel has taken their environment away already. Sees the processes of this user only (of everybody
 * as root), wherever they stand in the process tree.
 */
export function processesWithMarker(marker: string): readonly MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end between any two reads: then it is not left.
    const environment = readProc(name, 'environ');
    if (environment === undefined || !environment.includes(marker)) continue;
    found.push({ pid: Number(name), command: (readProc(name, 'cmdline') ?? '').replaceAll('\0', ' ').trim() });
  }
  return found;
}

function readProc(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}
