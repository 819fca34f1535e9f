import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { cgroupHold, cgroupName, cgroupPrefix, isCgroupOf } from '../shim/cgroup.ts';
import type { Hold } from '../shim/hold.ts';

/**
 * What a shim that is gone may have left of its child's cgroup. A PID namespace leaves nothing: it ends with its shim.
 *
 * @param named where the specification says that it is. One that says something else than a cgroup of this very marker is not believed.
 */
export function leftCgroup(marker: string, named?: string): Hold | undefined {
  const own = cgroupDirectory('self', 'unified');
  const path = named !== undefined && isCgroupOf(marker, named) ? named : own && join(own, cgroupName(marker));
  return path !== undefined && existsSync(path) ? cgroupHold(path) : undefined;
}

/** Cgroups of a state folder, beside this program, that are not those of these markers: what is in them has lost its directory. */
export function strayCgroups(stateId: string, markers: readonly string[]): { readonly name: string; readonly hold: Hold }[] {
  const own = cgroupDirectory('self', 'unified');
  // In some containers what is mounted does not show what is said to be there.
  if (own === undefined || !existsSync(own)) return [];
  const kept = new Set(markers.map(cgroupName));
  return readdirSync(own)
    .filter((name) => name.startsWith(cgroupPrefix(stateId)) && !kept.has(name))
    .map((name) => ({ name, hold: cgroupHold(join(own, name)) }));
}
