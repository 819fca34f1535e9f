import { access, constants, mkdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { DomainError } from '../errors.ts';
import { GitFailure, type Git } from './git.ts';
import { headCommit } from './head.ts';
import { locate, quoted, type Located } from './locate.ts';
import { adoptIndex, makeOwnGitDir, settingsInForce } from './own-git-dir.ts';
import { sweepIndexes } from './own-index.ts';
import { readRecord, WorkspaceFailure, writeRecord, type Workspace, type WorkspaceMode } from './workspace.ts';
import { addWorktree, cloneInto, discardCheckout } from './worktree.ts';

export interface OpenOptions {
  readonly git: Git;
  /** Folder of all workspaces, below the state folder. */
  readonly folder: string;
  readonly task: string;
  /** What the client named: a directory in a git checkout, absolute. */
  readonly directory: string;
  readonly mode: WorkspaceMode;
  /** HOME of the person whose `~` the repository's settings mean. */
  readonly userHome: string;
}

/**
 * Makes a task's workspace, or finds the one that was made. Begun again after a crash it ends in the same state: until the record is
 * written no attempt has used what is there, so it is made anew. A worktree that has gone since is made again from the same commit.
 *
 * Throws GIT_MISSING, WORKSPACE_NOT_FOUND, WORKSPACE_NOT_ACCESSIBLE, NOT_A_GIT_REPOSITORY or NO_COMMIT.
 */
export async function openWorkspace(options: OpenOptions): Promise<Workspace> {
  const ownGitDir = ownGitDirOf(options.folder, options.task);
  const recorded = await readRecord(ownGitDir);
  if (recorded === undefined) return record(await makeOr(() => make(options, ownGitDir)));
  await sweepIndexes(ownGitDir);
  if (!(await isThere(recorded))) return record(await makeOr(() => makeAgain(options.git, recorded)));
  return recorded;
}

/** Where git cannot make a checkout (a full disk, a filter that fails), there is no workspace. */
async function makeOr(made: () => Promise<Workspace>): Promise<Workspace> {
  try {
    return await made();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    throw new WorkspaceFailure('workspace_gone', `the workspace could not be made: ${error.message}`, error);
  }
}

async function record(workspace: Workspace): Promise<Workspace> {
  await writeRecord(workspace);
  return workspace;
}

/** The workspace of a task whose making came to an end earlier. */
export async function recordedWorkspace(folder: string, task: string): Promise<Workspace> {
  const recorded = await readRecord(ownGitDirOf(folder, task));
  if (recorded === undefined) throw new WorkspaceFailure('workspace_gone', `no workspace of task ${task} is recorded in ${folder}`);
  return recorded;
}

/**
 * Removes what is left of a workspace whose making was cut off, before anybody has worked in it: the checkout, what the user's repository knows
 * of it, and the daemon's own git directory.
 */
export async function discardUnfinished(options: Omit<OpenOptions, 'mode' | 'userHome'>): Promise<void> {
  const { git, folder, task, directory } = options;
  await rm(ownGitDirOf(folder, task), { recursive: true, force: true });
  // Made first and removed last: where it is not, git was never asked for a checkout.
  const parent = join(folder, task);
  if (!(await exists(parent))) return;
  const found = await locate(git, directory).catch((error: unknown) => {
    if (error instanceof DomainError && error.reason !== 'GIT_MISSING') return undefined; // a repository that is gone knows of nothing
    throw error;
  });
  if (found) await discardCheckout(rootOf(options, found), found.commonDir);
  await rm(parent, { recursive: true, force: true });
}

function rootOf({ folder, task }: Pick<OpenOptions, 'folder' | 'task'>, { top }: Located): string {
  return join(folder, task, basename(top) || 'workspace');
}

function ownGitDirOf(folder: string, task: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(task)) throw new Error(`"${task}" cannot name a folder and a git ref`);
  return join(folder, `${task}.git`);
}

async function isThere({ root, gitDir }: Workspace): Promise<boolean> {
  return (await exists(join(root, '.git'))) && (await exists(join(gitDir, 'HEAD')));
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function make(options: OpenOptions, ownGitDir: string): Promise<Workspace> {
  const { git, task, mode, folder } = options;
  const found = await checkWorkspace(git, options.directory, mode);
  const { head } = found;
  const settings = await settingsInForce(git, found.gitDir, options.userHome);
  const common = { task, mode, repository: found.commonDir, ownGitDir };
  const own = { path: ownGitDir, commonDir: found.commonDir, settings, objectFormat: found.objectFormat };
  if (mode === 'in_place') {
    await makeOwnGitDir(git, { ...own, gitDir: found.gitDir });
    return { ...common, root: found.top, cwd: found.directory, gitDir: found.gitDir, ...(head === undefined ? {} : { head }) };
  }
  if (head === undefined) throw noCommit(found);
  const uncommitted = await countUncommitted(git, found);
  const root = rootOf(options, found);
  await discardCheckout(root, found.commonDir);
  await mkdir(join(folder, task), { recursive: true, mode: 0o700 });
  const source = { commonDir: found.commonDir, head, root };
  const gitDir = mode === 'worktree' ? await addWorktree(git, source) : await cloneInto(git, source, settings.carried);
  await makeOwnGitDir(git, { ...own, gitDir });
  if (!settings.sparse) await adoptIndex({ ownGitDir, gitDir });
  return { ...common, root, cwd: join(root, found.below), gitDir, head, ...(uncommitted === undefined ? {} : { uncommitted }) };
}

/** Everything that can be said of a workspace before a task is made for it. Gives where it is and what HEAD names. Throws as `openWorkspace`. */
export async function checkWorkspace(git: Git, directory: string, mode: WorkspaceMode): Promise<Located & { head?: string }> {
  const found = await locate(git, directory);
  const head = await headCommit(git, found.gitDir).catch((error: unknown) => {
    if (!(error instanceof GitFailure)) throw error;
    throw new DomainError('NO_COMMIT', `HEAD of ${found.top} names no commit that git can read: ${error.stderr}`, {
      hint: `git -C ${quoted(found.top)} fsck`,
      metadata: { path: found.top },
      cause: error,
    });
  });
  if (mode === 'in_place') await checkWritable(found.directory);
  else if (head === undefined) throw noCommit(found);
  else await checkSubfolder(git, found, head);
  return { ...found, ...(head === undefined ? {} : { head }) };
}

/** A worktree that has gone: from the same commit, by the configuration that was taken over when the task began. */
async function makeAgain(git: Git, workspace: Workspace): Promise<Workspace> {
  const { root, repository, head } = workspace;
  if (workspace.mode !== 'worktree' || head === undefined)
    throw new WorkspaceFailure('workspace_gone', `${root} is no longer a git checkout`);
  await discardCheckout(root, repository);
  const gitDir = await addWorktree(git, { commonDir: repository, head, root });
  return { ...workspace, gitDir };
}

async function checkWritable(directory: string): Promise<void> {
  try {
    await access(directory, constants.W_OK);
  } catch (error) {
    throw new DomainError(
      'WORKSPACE_NOT_ACCESSIBLE',
      `the workspace ${directory} cannot be written to, so no task can work in place there`,
      {
        hint: 'work in a worktree (the default)',
        metadata: { path: directory },
        cause: error,
      },
    );
  }
}

function noCommit({ top }: Located): DomainError {
  return new DomainError('NO_COMMIT', `the repository ${top} has no commit that a worktree could start from`, {
    hint: `git -C ${quoted(top)} add -A && git -C ${quoted(top)} commit -m 'First commit', or work in place`,
    metadata: { path: top },
  });
}

async function checkSubfolder(git: Git, { below, top, gitDir }: Located, head: string): Promise<void> {
  if (below === '') return;
  const env = { GIT_DIR: gitDir };
  const type = await git(['cat-file', '-t', `${head}:${below}`], { env, accept: [128] });
  if (type.stdout.toString().trim() === 'tree') return;
  throw new DomainError('NO_COMMIT', `the folder ${below} of ${top} is not in its last commit, so a worktree would not have it`, {
    hint: 'commit it, or work in place',
    metadata: { path: join(top, below) },
  });
}

/** Undefined where git cannot tell: nothing depends on it. */
async function countUncommitted(git: Git, { gitDir, top }: Located): Promise<number | undefined> {
  const question = ['status', '--porcelain', '-z', '--no-renames', '--untracked-files=normal', '--ignore-submodules=all'];
  const answer = await git(question, { env: { GIT_DIR: gitDir, GIT_WORK_TREE: top }, accept: [128] });
  return answer.code === 0 ? answer.stdout.toString('latin1').split('\0').length - 1 : undefined;
}
