import { realpath } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { readTrust, type TrustedFolder } from './record.ts';

/** Whether a real path is a trusted folder or lies below one. */
export function covers(folders: readonly TrustedFolder[], path: string): boolean {
  return folders.some((folder) => path === folder.path || path.startsWith(`${folder.path}/`));
}

/** The checkout of a task: where its processes run in it, and the directory of the user's that the client named for that. */
export interface Checkout {
  readonly root: string;
  readonly cwd: string;
  readonly named: string;
}

/**
 * Whether the user trusts the repository that a client named, by its real path now. Agents read the configuration of the whole checkout, so
 * that a trusted folder inside of it is not enough; where the task has a checkout of its own, the one that it was made from counts. Throws as
 * `readTrust` does. Read anew each time, so that trust given or taken counts from the next attempt on.
 */
export async function isTrusted(file: string | undefined, { root, cwd, named }: Checkout): Promise<boolean> {
  const folders = file === undefined ? [] : readTrust(file);
  if (folders.length === 0) return false;
  const top = resolve(named, relative(cwd, root));
  return await realpath(top).then(
    (path) => covers(folders, path),
    () => false, // gone: there is nothing of it to trust
  );
}
