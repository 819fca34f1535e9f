import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMount, type Mount } from './file-system.ts';
import { acquireLock, type Lock } from './lock.ts';
import { quoted, StateFolderRefused } from './refused.ts';
import { codeOf, messageOf } from './system-error.ts';

/** What state needs of a file system. */
export interface FolderOperations {
  write(file: string, content: string): void;
  sync(file: string): void;
  /** Must fail with EEXIST where `to` exists: it decides who owns a process directory. */
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  /** Undefined if another process holds it. */
  lock(file: string): Lock | undefined;
}

export const folderOperations: FolderOperations = {
  write: (file, content) => writeFileSync(file, content, { mode: 0o600 }),
  sync(file) {
    const handle = openSync(file, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  },
  link: linkSync,
  rename: renameSync,
  lock: acquireLock,
};

/** Tries each operation in the folder, the lock last, and keeps the lock. Undefined if another process holds it. Throws StateFolderRefused. */
export function probe(folder: string, lockFile: string, operations: FolderOperations, mount: Mount | undefined): Lock | undefined {
  const tried = <T>(name: string, operation: () => T): T => {
    try {
      return operation();
    } catch (error) {
      throw unusable(folder, name, mount, error);
    }
  };
  const file = join(folder, `.probe-${process.pid}`);
  const linked = `${file}.linked`;
  try {
    tried('write', () => operations.write(file, 'probe\n'));
    tried('fsync', () => operations.sync(file));
    tried('link', () => operations.link(file, linked));
    tried('link', () => assertExclusive(() => operations.link(file, linked)));
    tried('rename', () => operations.rename(linked, `${file}.renamed`));
    tried('fsync of a folder', () => operations.sync(folder));
  } finally {
    for (const left of [file, linked, `${file}.renamed`]) rmSync(left, { force: true });
  }
  try {
    return operations.lock(lockFile);
  } catch (error) {
    throw isNoDatabase(error) ? notALock(folder, lockFile, error) : unusable(folder, 'lock', mount, error);
  }
}

/** SQLITE_NOTADB: the file is somebody else's, or was damaged, and says nothing about the file system. */
function isNoDatabase(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === 26;
}

function notALock(folder: string, lockFile: string, cause: unknown): StateFolderRefused {
  const message = `${lockFile} is no lock: ${messageOf(cause)}`;
  return new StateFolderRefused('STATE_FOLDER_OBSTRUCTED', folder, message, `rm ${quoted(lockFile)}`, { cause });
}

function assertExclusive(link: () => void): void {
  try {
    link();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw error;
  }
  throw new Error('a second link to the same name did not fail');
}

function unusable(folder: string, operation: string, mount: Mount | undefined, cause: unknown): StateFolderRefused {
  const code = codeOf(cause) ?? '';
  const details = { cause, metadata: { operation, ...(mount ? { file_system: mount.type } : {}) } };
  const where = `the state folder ${folder} (file system ${describeMount(mount)})`;
  if (['EACCES', 'EPERM', 'EROFS'].includes(code) && operation === 'write') {
    const hint = 'make it writable, or name another folder with --state';
    return new StateFolderRefused('STATE_FOLDER_NOT_WRITABLE', folder, `${where} is not writable: ${messageOf(cause)}`, hint, details);
  }
  if (['ENOSPC', 'EDQUOT'].includes(code)) {
    const hint = 'free space there, or name another folder with --state';
    return new StateFolderRefused('STATE_FOLDER_NOT_WRITABLE', folder, `${where} is full: ${messageOf(cause)}`, hint, details);
  }
  return new StateFolderRefused(
    'STATE_FOLDER_UNSUPPORTED',
    folder,
    `${where} does not support ${operation}: ${messageOf(cause)}`,
    'name a folder on a local disk with --state',
    details,
  );
}
