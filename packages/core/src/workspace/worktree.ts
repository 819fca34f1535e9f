import { appendFile, chmod, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { GitFailure, type Git } from './git.ts';
import { indexName } from './own-git-dir.ts';
import { sweepIndexes } from './own-index.ts';
import { renderSettings, type Setting } from './settings.ts';
import type { Workspace } from './workspace.ts';

export interface CheckoutSource {
  /** The git directory that all checkouts of the repository share. */
  readonly commonDir: string;
  readonly head: string;
  /** Where the checkout goes. Must not exist. */
  readonly root: string;
}

/** Makes a worktree on no branch. Gives its git directory. */
export async function addWorktree(git: Git, { commonDir, head, root }: CheckoutSource): Promise<string> {
  const add = ['worktree', 'add', '--quiet', '--detach', '--end-of-options', root, head];
  await besideOthers(() => git(add, { env: { GIT_DIR: commonDir } }));
  const [added] = await registered(commonDir, root);
  if (added === undefined) throw new Error(`git made the worktree ${root}, but ${commonDir} does not list it`);
  return added;
}

/** Tries of a call that meets other worktrees in the making, with a growing wait between them: 4 s in all. */
const mostTries = 20;
const waitMs = 20;

/** Before it makes a worktree git reads what is known of all others, and dies on one that somebody, we or the user, is just making. */
async function besideOthers(add: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await add();
      return;
    } catch (error) {
      const halfMade = error instanceof GitFailure && /failed to read \S*\/worktrees\/.*commondir/.test(error.stderr);
      if (!halfMade || tries === mostTries) throw error;
      await sleep(tries * waitMs);
    }
  }
}

/** Makes a repository of its own, with copies of all objects and without a way back. Gives its git directory. */
export async function cloneInto(git: Git, { commonDir, head, root }: CheckoutSource, settings: readonly Setting[]): Promise<string> {
  const gitDir = join(root, '.git');
  await git(['clone', '--quiet', '--local', '--no-hardlinks', '--no-checkout', '--end-of-options', commonDir, root], {
    settings: ['protocol.file.allow=always'],
  });
  await appendFile(join(gitDir, 'config'), renderSettings(settings), 'latin1');
  const env = { GIT_DIR: gitDir, GIT_WORK_TREE: root };
  // An agent that pushes would write to the user's repository.
  await git(['remote', 'remove', 'origin'], { env });
  await git(['checkout', '--quiet', '--detach', head], { env });
  return gitDir;
}

/**
 * Removes the checkout of a final task, and keeps the daemon's own git directory, by which its frozen trees are still read. In place there is
 * nothing to remove. Throws where the checkout must stay, because the repository has lost the ref that keeps its work.
 *
 * @param folder of all workspaces; nothing outside it is removed
 * @param ref the frozen ref without which the work would be lost; absent for a task that froze nothing
 */
export async function discardWorkspace(git: Git, folder: string, workspace: Workspace, ref?: string): Promise<void> {
  const { root, repository, ownGitDir, mode, task } = workspace;
  if (mode !== 'in_place') {
    const parent = join(folder, task);
    if (dirname(root) !== parent) throw new Error(`${root} is not in ${parent}, so it is not removed`);
    // Whoever has removed a repository has removed what its refs kept.
    if (await isDirectory(repository)) {
      if (ref !== undefined && !(await hasRef(git, repository, ref)))
        throw new Error(`${root} is kept: ${repository} no longer has ${ref}, so nothing else keeps the work`);
      await discardCheckout(root, repository);
    }
    await removeWhole(parent);
  }
  await rm(join(ownGitDir, indexName), { force: true });
  await sweepIndexes(ownGitDir);
}

async function hasRef(git: Git, repository: string, ref: string): Promise<boolean> {
  const question = ['rev-parse', '--verify', '--quiet', '--end-of-options', ref];
  return (await git(question, { env: { GIT_DIR: repository }, accept: [1] })).code === 0;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    // One that cannot be reached for another reason is not gone.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false;
    throw error;
  }
}

/** Removes a checkout that we made and what its repository knows of it, in whatever state a crash has left them. */
export async function discardCheckout(root: string, commonDir: string): Promise<void> {
  await removeWhole(root);
  for (const entry of await registered(commonDir, root)) await removeWhole(entry);
}

/** Removes a directory with everything in it, also where a tool has left folders without the right to write (Go's module cache does). */
async function removeWhole(path: string): Promise<void> {
  const again = async (error: NodeJS.ErrnoException): Promise<void> => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
    await makeWritable(path);
    await rm(path, { recursive: true, force: true });
  };
  await rm(path, { recursive: true, force: true }).catch(again);
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
}

/** The git directories of a repository's worktrees at a path. Read from the files, because git itself overlooks half-made ones. */
async function registered(commonDir: string, root: string): Promise<string[]> {
  const folder = join(commonDir, 'worktrees');
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const entries = names.map((name) => join(folder, name));
  const owners = await Promise.all(entries.map((entry) => readFile(join(entry, 'gitdir'), 'utf8').catch(() => '')));
  return entries.filter((_, place) => owners[place]?.trim() === join(root, '.git'));
}
