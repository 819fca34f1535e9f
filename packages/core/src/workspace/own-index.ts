import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { indexName } from './own-git-dir.ts';
import type { Workspace } from './workspace.ts';

const asidePrefix = 'index-';

/**
 * Gives `work` an index file that nobody else has. The one that the last work left is taken by renaming, with its times: what a crash takes
 * with it only has to be read again, and a git that outlived its daemon locks a file that is no longer looked at.
 */
export async function withOwnIndex<T>(workspace: Workspace, work: (index: string) => Promise<T>): Promise<T> {
  const kept = join(workspace.ownGitDir, indexName);
  const folder = await mkdtemp(join(workspace.ownGitDir, asidePrefix));
  const index = join(folder, indexName);
  try {
    await rename(kept, index).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const result = await work(index);
    await rename(index, kept);
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what crashes have left. */
export async function sweepIndexes(ownGitDir: string): Promise<void> {
  const left = (await readdir(ownGitDir)).filter((name) => name.startsWith(asidePrefix));
  for (const name of left) await rm(join(ownGitDir, name), { recursive: true, force: true });
}
