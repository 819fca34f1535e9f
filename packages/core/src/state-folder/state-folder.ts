import { existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { keepAddress, readAddress, removeAddress, type Address } from './address.ts';
import { isInMemory, mountOf } from './file-system.ts';
import { refuseObstacles } from './obstacles.ts';
import { statePaths, type StatePaths } from './paths.ts';
import { privateFolder } from './private-folder.ts';
import { folderOperations, probe, type FolderOperations } from './probe.ts';
import { StateFolderInUse } from './refused.ts';

export interface StateFolder {
  readonly paths: StatePaths;
  /** What the person who starts the daemon should know, one line each. */
  readonly warnings: readonly string[];
  /** Tells clients where the daemon is, until `release`. */
  leaveAddress(address: Address): void;
  /** Takes the address away and lets another daemon in. */
  release(): void;
}

/**
 * Makes or checks the folder that holds all state, tries in it what state needs, and holds it for this process until `release` or
 * until the process ends in whatever way. Throws StateFolderRefused, or StateFolderInUse if another daemon has it.
 */
export function openStateFolder(path: string, operations: FolderOperations = folderOperations): StateFolder {
  const root = privateFolder(resolve(path), 'state folder');
  const mount = mountOf(root);
  const paths = statePaths(root);
  refuseObstacles(paths);
  const lock = probe(root, paths.lock, operations, mount);
  if (!lock) {
    const holder = readAddress(paths.address);
    throw new StateFolderInUse(root, mount?.type ?? 'of unknown type', holder && isAlive(holder.pid) ? holder : undefined);
  }
  for (const folder of [paths.processes, paths.worktrees, paths.gitHome]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  let kept: ReturnType<typeof keepAddress> | undefined;
  return {
    paths,
    warnings: isInMemory(mount) ? [`the state folder ${root} is in memory (${mount?.type}): tasks do not survive a reboot`] : [],
    leaveAddress(address) {
      kept = keepAddress(paths.address, address);
    },
    release() {
      kept?.stop();
      removeAddress(paths.address);
      lock.release();
    },
  };
}

/** The address may be of a daemon that died, while the next one is still starting. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
