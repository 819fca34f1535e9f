import { failpoint } from '../failpoints.ts';
import { leftCgroup, strayCgroups } from './containment/left.ts';
import { readClock } from './directory.ts';
import { readRun, readSpec } from './look.ts';
import { bootId, findLiving } from './shim/process-table.ts';
import { sweep, type ProcessTree } from './shim/tree.ts';

/** Longest wait where no specification tells. */
const sweepLimitMs = 10_000;

export interface Swept {
  /** Pids that were killed. */
  readonly swept: readonly number[];
  /** Pids that were still there when the limit had passed. */
  readonly survivors: readonly number[];
}

/**
 * Ends what a shim that is gone left behind, also a child that it had started but not recorded yet, and tells how long that ran: until now if
 * it still did, else up to the last sign of life in the clock log. Its files only help: the marker and the cgroup named after it tell who belongs to the directory, also where that is torn or missing.
 *
 * @param marker `markerOf` the state folder's id and of the directory's path
 */
export async function sweepDead(directory: string, marker: string): Promise<Swept & { usedMs: number }> {
  const { record: spec } = await readSpec(directory);
  const { record: run } = await readRun(directory);
  // Of another boot, or of a child that is gone, the number may be anybody's by now. Then the marker alone tells who belongs here.
  const leader = run?.bootId === bootId() && findLiving(run) ? run : undefined;
  const hold = leftCgroup(marker, spec?.cgroup);
  const tree: ProcessTree = { id: marker, known: new Map(), ...(leader && { leader }), ...(hold && { hold }) };
  const clock = await readClock(directory);
  const [first, last] = [clock[0]?.monotonic ?? 0, clock.at(-1)?.monotonic ?? 0];
  await failpoint('supervision.sweep.before');
  const { swept, survivors } = await sweep(tree, spec?.graces.sweepMs ?? sweepLimitMs);
  await failpoint('supervision.sweep.after');
  // The monotonic clock is the same for all processes of one boot.
  const end = leader && clock.length > 0 ? Math.round(Number(process.hrtime.bigint()) / 1e6) : last;
  return { swept, survivors, usedMs: end - first };
}

/** Ends every process that carries the marker or is in its cgroup, and what descends from it. */
export async function sweepMarked(id: string): Promise<Swept> {
  const hold = leftCgroup(id);
  return await sweep({ id, known: new Map(), ...(hold && { hold }) }, sweepLimitMs);
}

/** Ends what is in cgroups of this state folder that belong to none of these markers, and names those in which somebody was. */
export async function sweepStray(stateId: string, markers: readonly string[]): Promise<(Swept & { readonly cgroup: string })[]> {
  const stray = strayCgroups(stateId, markers).map(async ({ name, hold }) => {
    const { swept, survivors } = await sweep({ id: name, known: new Map(), hold }, sweepLimitMs);
    return { cgroup: name, swept, survivors };
  });
  return (await Promise.all(stray)).filter(({ swept, survivors }) => swept.length + survivors.length > 0);
}
