import { accessSync, constants, existsSync, lstatSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describeMount, isInMemory, mountOf } from '../state-folder/file-system.ts';
import { brokenLock, obstacles } from '../state-folder/obstacles.ts';
import { statePaths } from '../state-folder/paths.ts';
import { privateFolder } from '../state-folder/private-folder.ts';
import { folderOperations, probe, type FolderOperations } from '../state-folder/probe.ts';
import { quoted } from '../state-folder/refused.ts';
import { hasOwnSocket } from '../state-folder/socket-path.ts';
import { errorFrom, type Finding } from './finding.ts';

export interface StateFolderOptions {
  /** Bytes that tasks want to stay free, by the configuration. */
  readonly minFreeBytes: number;
  readonly operations?: FolderOperations;
  /** Bytes that are free on the file system of a path. */
  readonly freeBytes?: (path: string) => number;
}

/** Looks at the folder that holds all state, and tries in it what state needs. What is tried is removed again; the daemon's own lock is left alone. */
export function examineStateFolder(path: string, options: StateFolderOptions): Finding[] {
  const folder = resolve(path);
  let root: string;
  try {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return [missingFolder(folder)];
    root = privateFolder(folder, 'state folder');
  } catch (error) {
    return [errorFrom('folder', error, folder)];
  }
  return [
    { check: 'folder', status: 'ok', message: 'private: it and what is in it is yours alone', where: root },
    ...foreignEntries(root),
    ...obstructed(root),
    ...tried(root, options.operations ?? folderOperations),
    freeSpace(root, options),
    ...(hasOwnSocket(root) ? [] : [socketElsewhere(root)]),
  ];
}

/** The first daemon makes it, if it may. */
function missingFolder(folder: string): Finding {
  let above = dirname(folder);
  while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
  const base = { check: 'folder', where: folder };
  if (!isWritable(above)) {
    const mend = 'name a folder that you may make with --state or $SINGLETREE_STATE';
    return { ...base, status: 'error', message: `not there, and cannot be made: ${above} is not writable`, mend };
  }
  return { ...base, status: 'ok', message: `not there yet: the first daemon makes it below ${above}` };
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whoever ran the daemon as another user once has left files that this one cannot write. */
function foreignEntries(root: string): Finding[] {
  const uid = process.geteuid?.();
  const foreign = readdirSync(root).filter((name) => lstatSync(join(root, name), { throwIfNoEntry: false })?.uid !== uid);
  if (foreign.length === 0) return [];
  const message = `of another user: ${foreign.slice(0, 5).join(', ')}${foreign.length > 5 ? ` and ${foreign.length - 5} more` : ''}`;
  return [{ check: 'owner', status: 'error', message, where: root, mend: `sudo chown -R ${uid} ${quoted(root)}` }];
}

function obstructed(root: string): Finding[] {
  const paths = statePaths(root);
  const found = obstacles(paths);
  // What is no file at all is told once.
  const locks = found.some(({ path }) => path === paths.lock) ? [] : brokenLock(paths);
  return [...found, ...locks].map(({ message, fix: mend }) => ({ check: 'content', status: 'error', message, mend }));
}

function tried(root: string, operations: FolderOperations): Finding[] {
  const mount = mountOf(root);
  // Not the daemon's own lock, which another daemon may want at this very moment.
  const lockFile = join(root, `.probe-${process.pid}.lock`);
  try {
    probe(root, lockFile, operations, mount)?.release();
  } catch (error) {
    return [errorFrom('file system', error, root)];
  } finally {
    for (const left of [lockFile, `${lockFile}-journal`]) rmSync(left, { force: true });
  }
  const message = `${describeMount(mount)}: write, fsync, link, rename and lock work`;
  if (!isInMemory(mount)) return [{ check: 'file system', status: 'ok', message, where: root }];
  return [
    {
      check: 'file system',
      status: 'warning',
      message: `in memory (${describeMount(mount)}): tasks do not survive a reboot`,
      where: root,
      mend: 'name a folder on a disk with --state or $SINGLETREE_STATE',
    },
  ];
}

function freeSpace(root: string, { minFreeBytes, freeBytes = freeBytesOf }: StateFolderOptions): Finding {
  const free = freeBytes(root);
  const message = `${inMebibytes(free)} free`;
  const base = { check: 'free space', where: root };
  const mend = `free some: df -h ${quoted(root)}`;
  if (free < minFreeBytes) {
    const limit = `${message}, less than min_free_disk (${inMebibytes(minFreeBytes)}): tasks are stopped with disk_full`;
    return { ...base, status: 'error', message: limit, mend };
  }
  // What agents write in an hour must fit, too.
  if (free < 4 * minFreeBytes) return { ...base, status: 'warning', message: `${message}, which is soon used up`, mend };
  return { ...base, status: 'ok', message };
}

function freeBytesOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function inMebibytes(bytes: number): string {
  const mebibytes = Math.floor(bytes / 2 ** 20);
  return mebibytes < 10_240 ? `${mebibytes} MiB` : `${Math.floor(mebibytes / 1024)} GiB`;
}

function socketElsewhere(root: string): Finding {
  const message = 'the path is too long for a socket, which goes to $XDG_RUNTIME_DIR/singletree, else to $TMPDIR; address.json names it';
  return { check: 'socket', status: 'ok', message, where: root };
}
