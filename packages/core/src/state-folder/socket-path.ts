import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import { privateFolder } from './private-folder.ts';
import { StateFolderRefused } from './refused.ts';

/** The kernel's limit is 107 bytes; gRPC clients and proxies add a prefix or a suffix of their own. */
const longestSocketPath = 100;

export interface SocketEnvironment {
  readonly XDG_RUNTIME_DIR?: string | undefined;
  readonly TMPDIR?: string | undefined;
}

/**
 * Where the socket of a state folder goes: into the folder, or, where that path is too long for a socket, into a private folder
 * elsewhere that is made here. Clients learn it from the address file. Throws StateFolderRefused.
 */
export function socketPath(root: string, environment: SocketEnvironment): string {
  if (hasOwnSocket(root)) return insideOf(root);
  const name = `${createHash('sha256').update(root).digest('hex').slice(0, 16)}.sock`;
  const { XDG_RUNTIME_DIR: runtime, TMPDIR: temporary } = environment;
  return inRuntimeFolder(runtime, name) ?? inTemporaryFolder(temporary, name, root);
}

/** Whether the socket of a state folder is in it. */
export function hasOwnSocket(root: string): boolean {
  return fits(insideOf(root));
}

function insideOf(root: string): string {
  return join(root, 'singletree.sock');
}

/** Undefined where there is no such folder of ours: after `su` or `sudo` the variable names the other user's. */
function inRuntimeFolder(runtime: string | undefined, name: string): string | undefined {
  if (runtime === undefined || !isAbsolute(runtime)) return undefined;
  const folder = join(runtime, 'singletree');
  if (!fits(join(folder, name))) return undefined;
  try {
    return join(privateFolder(folder, 'folder for the socket'), name);
  } catch (error) {
    if (error instanceof StateFolderRefused) return undefined;
    throw error;
  }
}

function inTemporaryFolder(temporary: string | undefined, name: string, root: string): string {
  const base = temporary !== undefined && isAbsolute(temporary) ? temporary : '/tmp';
  const folder = join(base, `singletree-${process.geteuid?.()}`);
  if (!fits(join(folder, name))) {
    throw new StateFolderRefused(
      'STATE_FOLDER_PATH_TOO_LONG',
      root,
      `no socket can be made for the state folder ${root}: its path is longer than ${longestSocketPath} bytes, and so are those in $XDG_RUNTIME_DIR and in ${base}`,
      'name a state folder with a shorter path with --state, or a shorter $TMPDIR',
    );
  }
  return join(privateFolder(folder, 'folder for the socket'), name);
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= longestSocketPath;
}
