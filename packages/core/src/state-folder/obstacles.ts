import { closeSync, lstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { StatePaths } from './paths.ts';
import { quoted, StateFolderRefused } from './refused.ts';

/** Something in a state folder at whose place a daemon needs something else. */
export interface Obstacle {
  readonly path: string;
  readonly message: string;
  /** The command that takes it out of the way. */
  readonly fix: string;
}

/** What somebody, or a restore that went wrong, has put where a daemon keeps its own. A link to what is right is right. */
export function obstacles({ root, ...paths }: StatePaths): Obstacle[] {
  const folders = [paths.processes, paths.worktrees, paths.gitHome];
  const files = [paths.database, paths.lock, paths.address, paths.killSwitch, paths.log];
  return [
    ...folders.flatMap((path) => inTheWay(path, 'folder', (found) => found.isDirectory())),
    ...files.flatMap((path) => inTheWay(path, 'file', (found) => found.isFile())),
    ...inTheWay(join(root, 'singletree.sock'), 'socket', (found) => !found.isDirectory()),
  ];
}

/** Throws StateFolderRefused. */
export function refuseObstacles(paths: StatePaths): void {
  const [first] = obstacles(paths);
  if (first) throw new StateFolderRefused('STATE_FOLDER_OBSTRUCTED', paths.root, first.message, first.fix);
}

function inTheWay(path: string, wanted: string, isRight: (found: Stats) => boolean): Obstacle[] {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return [];
  const found = behind(path);
  if (found && isRight(found)) return [];
  const message = `${path} is ${found ? `no ${wanted}` : 'a link to nothing that can be read'}, and no daemon starts with it`;
  return [{ path, message, fix: `mv ${quoted(path)} ${quoted(`${path}.old`)}` }];
}

function behind(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/**
 * A lock that holds something is no lock of ours: ours stays empty. Not for a process that may hold it, since closing any handle of a file frees
 * the locks that a process has on it.
 */
export function brokenLock({ lock }: StatePaths): Obstacle[] {
  if (!statSync(lock, { throwIfNoEntry: false })?.size || startsWith(lock, 'SQLite format 3\0')) return [];
  return [{ path: lock, message: `${lock} is no lock, and no daemon starts with it`, fix: `rm ${quoted(lock)}` }];
}

function startsWith(path: string, header: string): boolean {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(header.length);
    return readSync(file, bytes) === bytes.length && bytes.toString('latin1') === header;
  } finally {
    closeSync(file);
  }
}
