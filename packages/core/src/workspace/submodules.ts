import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Git } from './git.ts';
import { headCommit } from './head.ts';
import { shown } from './paths.ts';
import type { Submodule } from './snapshot.ts';
import type { Workspace } from './workspace.ts';

/** Something in a workspace that its frozen tree does not hold, and why, for people. */
export interface NotKept {
  readonly path: string;
  readonly reason: string;
}

/** A tree names a submodule's commit and nothing of its files: what is in them beyond that commit is lost, so it is told. */
export async function changedSubmodules(git: Git, workspace: Workspace, submodules: readonly Submodule[]): Promise<NotKept[]> {
  const found: NotKept[] = [];
  for (const submodule of submodules) {
    const path = shown(submodule.path);
    const reason = await whatIsNew(git, workspace, join(workspace.root, path), submodule.commit);
    if (reason !== undefined) found.push({ path, reason });
  }
  return found;
}

async function whatIsNew(git: Git, workspace: Workspace, directory: string, commit: string): Promise<string | undefined> {
  // The name of a file here, or of nothing: then the tree tells it.
  const files = await readdir(directory).catch((): string[] => []);
  if (files.length === 0) return undefined;
  if (!files.includes('.git')) return 'in a submodule that is not checked out';
  const gitDir = join(directory, '.git');
  const head = await headCommit(git, gitDir);
  if (head !== commit) return `the submodule's new commit ${head?.slice(0, 12) ?? ''} is in its own repository only`;
  const objects = (await git(['rev-parse', '--git-path', 'objects'], { env: { GIT_DIR: gitDir } })).stdout.toString().slice(0, -1);
  const folder = await mkdtemp(join(workspace.ownGitDir, 'submodule-'));
  try {
    const index = join(folder, 'index');
    const env = { GIT_DIR: workspace.ownGitDir, GIT_OBJECT_DIRECTORY: objects, GIT_WORK_TREE: directory, GIT_INDEX_FILE: index };
    await git(['read-tree', commit], { env });
    const refreshed = await git(['update-index', '--ignore-submodules', '--refresh'], { env, accept: [1] });
    const untracked = (await git(['ls-files', '-z', '-o', '--exclude-standard'], { env })).stdout.length > 0;
    return refreshed.code !== 0 || untracked ? 'a submodule with changes that are not committed' : undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
