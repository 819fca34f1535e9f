import { readFileSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface Lock {
  release(): void;
}

/** Of two that try at the same instant each can see the other's first step and give way; this long they try again. */
const patienceMs = 250;

/** A connection that nobody holds is closed by the garbage collector, and its lock would be free in silence. */
const held = new Set<DatabaseSync>();

/**
 * Takes a lock that the kernel frees when this process ends, however it ends. Undefined if another process has it.
 *
 * SQLite's file lock, since Node has no flock: an open BEGIN EXCLUSIVE on a database that stays empty, with no journal file
 * since there is nothing to roll back.
 */
export function acquireLock(file: string): Lock | undefined {
  const connection = new DatabaseSync(file, { timeout: patienceMs });
  try {
    connection.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    connection.close();
    if (error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === busy) return undefined;
    throw error;
  }
  held.add(connection);
  return {
    release() {
      if (held.delete(connection)) connection.close();
    },
  };
}

/** SQLITE_BUSY; extended codes have it in their low byte. */
const busy = 5;

/**
 * The process that has such a lock, by what the kernel tells of locks, without touching it. Undefined: nobody has it, or the kernel does not tell,
 * as of a holder in a container that has process numbers of its own.
 */
export function lockHolder(file: string): number | undefined {
  try {
    return holderOf(statSync(file).ino, readFileSync('/proc/locks', 'latin1'));
  } catch {
    return undefined; // no lock that we may look at, or no word of the kernel's
  }
}

/** @param table of /proc/locks: `21: POSIX  ADVISORY  WRITE 9804 fe:00:10011398 1073741824 1073742335` */
function holderOf(inode: number, table: string): number | undefined {
  for (const line of table.split('\n')) {
    const [, kind, , mode, pid, place = ''] = line.trim().split(/\s+/);
    if (kind === 'POSIX' && mode === 'WRITE' && place.endsWith(`:${inode}`) && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}
