import { chmodSync, closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, realpathSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { quoted, StateFolderRefused } from './refused.ts';
import { codeOf, messageOf } from './system-error.ts';

/**
 * Makes a folder that only we can enter, or checks that an existing one is such. Gives its path without symbolic links.
 * `what` names it in messages. Throws StateFolderRefused.
 */
export function privateFolder(path: string, what: string): string {
  const found = look(path, what) ?? create(path, what);
  if (found.isSymbolicLink()) {
    throw new StateFolderRefused(
      'STATE_FOLDER_SYMLINK',
      path,
      `the ${what} ${path} is a symbolic link; whoever can change the link could exchange the folder`,
      `name the folder itself with --state: readlink -f ${quoted(path)}`,
    );
  }
  if (!found.isDirectory()) {
    throw new StateFolderRefused('STATE_FOLDER_NOT_A_FOLDER', path, `the ${what} ${path} is not a folder`, 'name a folder with --state');
  }
  const uid = process.geteuid?.();
  if (found.uid !== uid) {
    throw new StateFolderRefused(
      'STATE_FOLDER_FOREIGN',
      path,
      `the ${what} ${path} belongs to another user (uid ${found.uid}; this is uid ${uid})`,
      'run as its owner, or name a folder of your own with --state',
    );
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw new StateFolderRefused(
      'STATE_FOLDER_OPEN_TO_OTHERS',
      path,
      `the ${what} ${path} is open to other users (mode ${mode}); it holds prompts and the output of agents`,
      `chmod 700 ${quoted(path)}`,
    );
  }
  return realpathSync(path);
}

function look(path: string, what: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw cannotMake(path, what, error);
  }
}

function create(path: string, what: string): Stats {
  try {
    makeFolder(path);
    return lstatSync(path);
  } catch (error) {
    throw cannotMake(path, what, error);
  }
}

/** Durably: a folder is as durable as its entry in the folder above. Not `mkdir` with `recursive`: in /proc Node never comes back from it. */
function makeFolder(path: string): void {
  const above = dirname(path);
  if (!existsSync(above)) makeFolder(above);
  try {
    mkdirSync(path, { mode: 0o700 });
    // The umask was subtracted from that, which may have taken our own rights too.
    chmodSync(path, 0o700);
  } catch (error) {
    // Somebody was faster; who, is checked like every folder that exists.
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const handle = openSync(above, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function cannotMake(path: string, what: string, cause: unknown): StateFolderRefused {
  return new StateFolderRefused(
    'STATE_FOLDER_NOT_WRITABLE',
    path,
    `the ${what} ${path} cannot be made: ${messageOf(cause)}`,
    'name a folder that you may make with --state',
    { cause },
  );
}
