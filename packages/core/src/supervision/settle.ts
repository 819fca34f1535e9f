import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestStop, revoke } from './directory.ts';
import { isAlive, look } from './look.ts';
import { markerOf, type Owner, type ProcessFile } from './protocol.ts';
import { placeFile } from './shim/files.ts';
import { processes, readMarker } from './shim/process-table.ts';
import { signalProcess } from './shim/tree.ts';
import { sweepDead, sweepMarked, sweepStray, type Swept } from './sweep.ts';

export interface SettleRequest {
  /** The folder below which process directories lie, at any depth. */
  readonly root: string;
  readonly stateId: string;
  /** By a directory's path below `root`, which is also what its processes carry in their marker. `keep`: a step will visit it. */
  readonly verdict: (directory: string) => 'keep' | 'stale';
  /** Wall time, milliseconds. */
  readonly now: () => number;
  /** How long a living shim may take to end its tree before it is ended itself. */
  readonly limitMs?: number;
}

export interface Settled extends Swept {
  /** Path below the root; the name of a cgroup where nothing else is left to tell it. */
  readonly directory: string;
  /** What it was; `unknown`: no such directory, only processes that carry its name or are in its cgroup. */
  readonly found: 'unowned' | 'alive' | 'dead' | 'unknown' | 'unreadable';
  /** Why nothing could be done with an unreadable one. What carries its name is ended all the same. */
  readonly failure?: string;
}

const pollMs = 50;
const none: Swept = { swept: [], survivors: [] };

/**
 * Ends, when the daemon starts, what no step will ever visit: directories of tasks that are unknown or final and of attempts that are over, and
 * processes of this state folder that belong to none that is kept. Says what it did; directories that needed nothing are not named.
 */
export async function settle(request: SettleRequest): Promise<Settled[]> {
  const stale: Promise<Settled | undefined>[] = [];
  const kept: string[] = [];
  for await (const directory of unfinished(request.root)) {
    if (request.verdict(directory) === 'keep') kept.push(markerOf(request.stateId, directory));
    else {
      // One that is damaged must not keep the others, and the daemon, from going on.
      stale.push(settleDirectory(directory, request).catch((error: unknown) => unreadable(directory, error)));
    }
  }
  const settled = (await Promise.all(stale)).filter((done) => done !== undefined);
  for (const directory of markedDirectories(request.stateId)) {
    if (request.verdict(directory) === 'keep') continue;
    settled.push({ directory, found: 'unknown', ...(await sweepMarked(markerOf(request.stateId, directory))) });
  }
  for (const { cgroup, swept, survivors } of await sweepStray(request.stateId, kept)) {
    settled.push({ directory: cgroup, found: 'unknown', swept, survivors });
  }
  return settled;
}

function unreadable(directory: string, error: unknown): Settled {
  return { directory, found: 'unreadable', ...none, failure: error instanceof Error ? error.message : String(error) };
}

/** Process directories, by their paths below the root, that have neither an ending nor been settled before; and what cannot be listed. */
export async function* unfinished(root: string, below = ''): AsyncGenerator<string> {
  const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) {
    yield below;
    return;
  }
  const has = (name: ProcessFile): boolean => entries.some((entry) => entry.name === name);
  if (has('spec.json')) {
    if (!has('exit.json') && !has('settled.json')) yield below;
    return;
  }
  for (const entry of entries) if (entry.isDirectory()) yield* unfinished(root, join(below, entry.name));
}

async function settleDirectory(directory: string, { root, stateId, now, limitMs = 20_000 }: SettleRequest): Promise<Settled | undefined> {
  const path = join(root, directory);
  const deadline = performance.now() + limitMs;
  let found: Settled['found'] | undefined;
  let owner: Owner | undefined;
  for (;;) {
    const seen = await look(path);
    // Its shim writes the ending last but is still there for a moment, and carries the marker by which leftovers are looked for.
    if (seen.kind === 'exited' && owner && isAlive(owner) && performance.now() < deadline) {
      await sleep(pollMs);
      continue;
    }
    if (seen.kind === 'exited') return found && { directory, found, swept: seen.exit.swept, survivors: seen.exit.survivors };
    if (seen.kind === 'revoked' || seen.kind === 'gone') return found && { directory, found, ...none };
    found ??= seen.kind;
    if (seen.kind === 'unowned') await revoke(path);
    if (seen.kind === 'alive') {
      owner = seen.owner;
      await requestStop(path, { kind: 'kill', hardness: 'kill', by: 'settle', at: now() });
      // Stopped, or hung in the kernel: nobody waits for it, and as a dead shim it is swept.
      if (performance.now() >= deadline) signalProcess(seen.owner, 'SIGKILL');
      await sleep(pollMs);
    }
    if (seen.kind === 'dead') {
      const { swept, survivors } = await sweepDead(path, markerOf(stateId, directory));
      const settled = { directory, found, swept, survivors };
      if (survivors.length === 0)
        await placeFile(join(path, 'settled.json' satisfies ProcessFile), JSON.stringify({ ...settled, at: now() }), 'replace');
      return settled;
    }
  }
}

/** The directories that living processes name as theirs in markers of this state folder. */
function markedDirectories(stateId: string): Set<string> {
  const prefix = markerOf(stateId, '');
  const directories = new Set<string>();
  for (const { pid } of processes()) {
    const marker = pid === process.pid ? undefined : readMarker(pid);
    if (marker?.startsWith(prefix) === true) directories.add(marker.slice(prefix.length));
  }
  return directories;
}
