import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readBaseline, writeBaseline } from './baseline.ts';
import { changesBetween, type FileChange } from './diff.ts';
import { identity } from './git-home.ts';
import type { Git } from './git.ts';
import { withOwnIndex } from './own-index.ts';
import { shown, splitNul, type RawPath } from './paths.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';
import { changedSubmodules, type NotKept } from './submodules.ts';
import { ownRepository, unfreezableWhereGitFails, type Workspace } from './workspace.ts';

/** The workspace before any attempt, as it is judged against. */
export interface Base {
  readonly commit: string;
  readonly tree: string;
}

/** A workspace as one commit: what is judged is what is kept. */
export interface FrozenTree {
  readonly commit: string;
  readonly tree: string;
  readonly ref: string;
  /** The workspace's HEAD; absent before the first commit. */
  readonly parent?: string;
  /** False if it equals the base. */
  readonly changed: boolean;
  readonly files: readonly FileChange[];
  /** How many more files have changed than are in `files`; the lines are those of all. */
  readonly filesOmitted?: number;
  readonly linesAdded: number;
  readonly linesRemoved: number;
  readonly notKept: readonly NotKept[];
  /** How many more are not in `notKept`. */
  readonly notKeptOmitted?: number;
}

const mostNotKept = 200;
/** A record that lists more would not fit through an RPC any longer. The diff has them all. */
const mostFiles = 1_000;

/**
 * Freezes the workspace as the base of its task: where setup has run, and nothing of an attempt. A user's own uncommitted changes, and what
 * setup wrote, are then no change of an agent's. Without either it is HEAD itself.
 *
 * @param at milliseconds since the epoch, the time of the commit
 */
export async function freezeBase(git: Git, workspace: Workspace, at: number): Promise<Base> {
  return unfreezableWhereGitFails(workspace, async () => {
    const { snapshot, ignored } = await look(git, workspace);
    const { head, tree } = snapshot;
    const clean = head !== undefined && (await treeOf(git, workspace, head)) === tree;
    const commit = clean ? head : await commitTree(git, workspace, snapshot, `Base of task ${workspace.task}`, at);
    await keep(git, workspace, refOf(workspace.task, 'base'), commit);
    await writeBaseline(workspace, {
      ...(head === undefined ? {} : { head }),
      ignored,
      tooLarge: snapshot.tooLarge,
      nested: snapshot.nested,
    });
    return { commit, tree };
  });
}

/**
 * Freezes the workspace as an attempt left it: a commit on the workspace's HEAD, named by a ref so that git keeps it. The same tree, HEAD and
 * time give the same commit. Throws WorkspaceFailure with git's own words.
 *
 * @param at milliseconds since the epoch, the time of the commit
 */
export async function freeze(
  git: Git,
  workspace: Workspace,
  { attempt, base, at }: { attempt: number; base: Base; at: number },
): Promise<FrozenTree> {
  return unfreezableWhereGitFails(workspace, async () => {
    const { snapshot, ignored } = await look(git, workspace);
    const commit = await commitTree(git, workspace, snapshot, `Task ${workspace.task}, attempt ${attempt}`, at);
    const ref = refOf(workspace.task, String(attempt));
    await keep(git, workspace, ref, commit);
    const files = await changesBetween(git, workspace, base.tree, snapshot.tree);
    const notKept = [
      ...snapshot.tooLarge.map((path) => ({ path: shown(path), reason: 'not tracked, and larger than 50 MiB' })),
      ...(await changedSubmodules(git, workspace, snapshot.submodules)),
      ...(await newlyIgnored(workspace, ignored)).map((path) => ({ path: shown(path), reason: 'ignored by git' })),
    ];
    return {
      commit,
      tree: snapshot.tree,
      ref,
      ...(snapshot.head === undefined ? {} : { parent: snapshot.head }),
      changed: snapshot.tree !== base.tree,
      files: files.slice(0, mostFiles),
      ...(files.length > mostFiles ? { filesOmitted: files.length - mostFiles } : {}),
      linesAdded: files.reduce((sum, file) => sum + (file.linesAdded ?? 0), 0),
      linesRemoved: files.reduce((sum, file) => sum + (file.linesRemoved ?? 0), 0),
      notKept: notKept.slice(0, mostNotKept),
      ...(notKept.length > mostNotKept ? { notKeptOmitted: notKept.length - mostNotKept } : {}),
    };
  });
}

/** The ref that keeps a frozen commit, by the attempt's number, or the base's. */
function refOf(task: string, name: string): string {
  return `refs/singletree/${task}/${name}`;
}

/** The files, and what git ignores: whole directories where everything in them is ignored. */
async function look(git: Git, workspace: Workspace): Promise<{ snapshot: Snapshot; ignored: RawPath[] }> {
  return withOwnIndex(workspace, async (index) => {
    const snapshot = await takeSnapshot(git, workspace, index);
    const call = ['ls-files', '-z', '-o', '-i', '--exclude-standard', '--directory'];
    return { snapshot, ignored: splitNul((await git(call, { env: ownRepository(workspace, index) })).stdout) };
  });
}

async function newlyIgnored(workspace: Workspace, ignored: readonly RawPath[]): Promise<RawPath[]> {
  const known = new Set((await readBaseline(workspace)).ignored);
  return ignored.filter((path) => !known.has(path));
}

async function treeOf(git: Git, workspace: Workspace, commit: string): Promise<string> {
  const answer = await git(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], { env: ownRepository(workspace) });
  return answer.stdout.toString().trim();
}

async function commitTree(git: Git, workspace: Workspace, { tree, head }: Snapshot, message: string, at: number): Promise<string> {
  if (workspace.mode === 'clone' && head !== undefined) await fetchCommit(git, workspace, head);
  const date = `@${Math.floor(at / 1000)} +0000`;
  const env = {
    ...ownRepository(workspace),
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
    GIT_COMMITTER_DATE: date,
  };
  const parent = head === undefined ? [] : ['-p', head];
  return (await git(['commit-tree', ...parent, '-m', message, tree], { env })).stdout.toString().trim();
}

/** What was committed in a clone goes to the repository that it is a clone of. */
async function fetchCommit(git: Git, { gitDir, repository }: Workspace, commit: string): Promise<void> {
  const env = { GIT_DIR: repository };
  if ((await git(['cat-file', '-e', commit], { env, accept: [1, 128] })).code === 0) return;
  const options = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'];
  await git(['fetch', ...options, '--end-of-options', gitDir, commit], { env, settings: ['protocol.file.allow=always'] });
}

async function keep(git: Git, { repository }: Workspace, ref: string, commit: string): Promise<void> {
  // Nobody else writes this ref, so a lock is that of an earlier try that was killed over it, and it would stay for ever.
  await rm(join(repository, `${ref}.lock`), { force: true });
  await git(['update-ref', '--no-deref', '--end-of-options', ref, commit], { env: { GIT_DIR: repository } });
}
