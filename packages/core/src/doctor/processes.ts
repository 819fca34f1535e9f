import { statSync } from 'node:fs';
import { join } from 'node:path';
import { look } from '../supervision/look.ts';
import { markerOf } from '../supervision/protocol.ts';
import { unfinished } from '../supervision/settle.ts';
import { isLiving, readMarker, readTable } from '../supervision/shim/process-table.ts';
import type { Finding } from './finding.ts';

export interface ProcessOptions {
  /** The folder below which process directories lie. */
  readonly root: string;
  /** Of the state folder; without it, processes without a directory cannot be told from others. */
  readonly stateId: string | undefined;
  readonly daemonRuns: boolean;
}

/** What runs for the tasks of a state folder, and what was left of them. */
export async function examineProcesses(options: ProcessOptions): Promise<Finding[]> {
  return isFolder(options.root) ? [await leftOf(options)] : [];
}

/** What is none, or nothing that we may look at, is told where the state folder is looked at. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

async function leftOf({ root, stateId, daemonRuns }: ProcessOptions): Promise<Finding> {
  const kinds = new Map<string, string>();
  for await (const directory of unfinished(root)) kinds.set(directory, await kindOf(join(root, directory)));
  const alive = [...kinds.values()].filter((kind) => kind === 'alive').length;
  const left = [...kinds.values()].filter((kind) => kind === 'dead' || kind === 'unreadable').length;
  const nameless = stateId === undefined ? [] : withoutDirectory(stateId, kinds);
  const base = { check: 'processes', where: root };
  if (nameless.length > 0) {
    const message = `${nameless.length} live on that no task needs: pid ${nameless.join(', ')}`;
    return { ...base, status: 'warning', message, mend: daemonRuns ? `kill -9 ${nameless.join(' ')}` : 'singletree up --detach ends them' };
  }
  if (daemonRuns) return { ...base, status: 'ok', message: alive === 0 ? 'none runs now' : `${alive} of tasks run` };
  if (alive + left === 0) return { ...base, status: 'ok', message: 'none is left running' };
  const parts = [
    alive > 0 && `${alive} of tasks run, and nobody judges what they make`,
    left > 0 && `${left} have died without an ending`,
  ].filter((part) => part !== false);
  return { ...base, status: 'warning', message: parts.join('; '), mend: 'singletree up --detach' };
}

async function kindOf(directory: string): Promise<string> {
  try {
    return (await look(directory)).kind;
  } catch {
    return 'unreadable';
  }
}

/** Processes that carry the mark of this state folder, but of no directory that is open, and of none of the daemon's own calls. */
function withoutDirectory(stateId: string, open: ReadonlyMap<string, string>): number[] {
  const prefix = markerOf(stateId, '');
  return readTable()
    .filter((stat) => isLiving(stat) && stat.pid !== process.pid)
    .filter(({ pid }) => {
      const marker = readMarker(pid);
      if (marker === undefined || !marker.startsWith(prefix)) return false;
      const directory = marker.slice(prefix.length);
      return directory.includes('/') && !open.has(directory);
    })
    .map(({ pid }) => pid);
}
