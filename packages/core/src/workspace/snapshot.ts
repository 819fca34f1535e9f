import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Git } from './git.ts';
import { headCommit } from './head.ts';
import { listNested } from './nested.ts';
import { sparseName } from './own-git-dir.ts';
import { absolute, joinNul, splitNul, type RawPath } from './paths.ts';
import { ownRepository, type Workspace } from './workspace.ts';

/** Untracked files above this are left out of the tree: they are mostly products, and a repository never gets rid of one again. */
const largestUntrackedBytes = 50 * 1024 * 1024;

/** The files of a checkout as a tree object. */
export interface Snapshot {
  readonly tree: string;
  /** The commit that HEAD names; absent before the first one. */
  readonly head?: string;
  /** Untracked files that are not in the tree because of their size. */
  readonly tooLarge: readonly RawPath[];
  /** Directories with a repository of their own that are no submodules. Their files are in the tree, without `.git`. */
  readonly nested: readonly RawPath[];
  readonly submodules: readonly Submodule[];
}

export interface Submodule {
  readonly path: RawPath;
  /** The commit that HEAD's tree names for it. */
  readonly commit: string;
}

/**
 * Writes the tree of what is in the checkout now into an index of our own, starting from HEAD, or from the tree that it is compared with. What
 * is in that tree is tracked: it is read whether it is ignored or not. The checkout's own index is not asked, since it can hide changes
 * (`--assume-unchanged`, `--skip-worktree`).
 */
export async function takeSnapshot(git: Git, workspace: Workspace, index: string, compared?: string): Promise<Snapshot> {
  const env = ownRepository(workspace, index);
  const head = await headCommit(git, workspace.gitDir);
  const start = compared ?? head;
  await git(['read-tree', ...(start === undefined ? ['--empty'] : ['--reset', start])], { env });
  const listing = await list(git, env);
  await leaveOutSparse(git, workspace, env, listing.tracked);
  const changes = await changedFiles(git, env);
  const nestedTops = [...listing.nested, ...changes.nested];
  const inside = await listNested(git, workspace, env, nestedTops);
  const untracked = await sizes(workspace.root, [...listing.untracked, ...inside.files]);
  if (changes.removed.length > 0) await git(['update-index', '--force-remove', '-z', '--stdin'], { env, stdin: joinNul(changes.removed) });
  const present = [...changes.written, ...untracked.fitting];
  if (present.length > 0) await git(['update-index', '--add', '--remove', '--replace', '-z', '--stdin'], { env, stdin: joinNul(present) });
  const tree = (await git(['write-tree'], { env })).stdout.toString().trim();
  return {
    tree,
    ...(head === undefined ? {} : { head }),
    tooLarge: untracked.tooLarge,
    nested: inside.repositories,
    submodules: listing.submodules,
  };
}

interface Listing {
  readonly tracked: readonly RawPath[];
  readonly untracked: readonly RawPath[];
  readonly nested: readonly RawPath[];
  readonly submodules: readonly Submodule[];
}

/** What HEAD tracks and what nobody tracks, in one call: `H 100644 <object> 0<tab>path` and `? path`. */
async function list(git: Git, env: Record<string, string>): Promise<Listing> {
  const answer = await git(['ls-files', '-z', '-t', '-s', '-c', '-o', '--exclude-standard'], { env });
  const [tracked, untracked, nested, submodules]: [RawPath[], RawPath[], RawPath[], Submodule[]] = [[], [], [], []];
  for (const record of splitNul(answer.stdout)) {
    if (record.startsWith('? ')) {
      // A directory that git does not enter has a repository of its own.
      if (record.endsWith('/')) nested.push(record.slice(2, -1));
      else untracked.push(record.slice(2));
      continue;
    }
    const [, mode, commit, path] = /^\S (\d+) ([0-9a-f]+) \d\t([^]*)$/.exec(record) ?? [];
    if (path === undefined || commit === undefined) throw new Error(`git ls-files says "${record}", which is no entry of an index`);
    tracked.push(path);
    if (mode === gitlink) submodules.push({ path, commit });
  }
  return { tracked, untracked, nested, submodules };
}

const gitlink = '160000';

/** A sparse checkout leaves files out on purpose. What it left out and is still not there has not been deleted. */
async function leaveOutSparse(
  git: Git,
  { ownGitDir, root }: Workspace,
  env: Record<string, string>,
  tracked: readonly RawPath[],
): Promise<void> {
  const sparse = await readFile(join(ownGitDir, sparseName)).then(splitNul, () => []);
  if (sparse.length === 0) return;
  const known = new Set(tracked);
  const found = await stats(
    root,
    sparse.filter((path) => known.has(path)),
  );
  for (const absent of [true, false]) {
    const paths = found.filter(({ size }) => (size === undefined) === absent).map(({ path }) => path);
    const mark = absent ? '--skip-worktree' : '--no-skip-worktree';
    if (paths.length > 0) await git(['update-index', mark, '-z', '--stdin'], { env, stdin: joinNul(paths) });
  }
}

interface Changes {
  readonly removed: readonly RawPath[];
  readonly written: readonly RawPath[];
  readonly nested: readonly RawPath[];
}

/** Tracked paths that may differ from HEAD, by `:old-mode new-mode old new status` and a path. */
async function changedFiles(git: Git, env: Record<string, string>): Promise<Changes> {
  const records = splitNul((await git(['diff-files', '-z', '--raw', '--no-renames', '--ignore-submodules=dirty'], { env })).stdout);
  const [removed, written, nested]: [RawPath[], RawPath[], RawPath[]] = [[], [], []];
  for (let at = 0; at + 1 < records.length; at += 2) {
    const [oldMode, newMode, , , status] = (records[at] ?? '').slice(1).split(' ');
    const path = records[at + 1] ?? '';
    // A file that became a repository would be entered as a link to a commit that only the workspace has.
    const becameRepository = newMode === gitlink && oldMode !== gitlink;
    if (becameRepository) nested.push(path);
    if (status === 'D' || becameRepository) removed.push(path);
    else written.push(path);
  }
  return { removed, written, nested };
}

async function sizes(root: string, paths: readonly RawPath[]): Promise<{ fitting: RawPath[]; tooLarge: RawPath[] }> {
  const [fitting, tooLarge]: [RawPath[], RawPath[]] = [[], []];
  for (const { path, size } of await stats(root, paths)) {
    if (size !== undefined) (size <= largestUntrackedBytes ? fitting : tooLarge).push(path);
  }
  return { fitting, tooLarge };
}

/** Sizes in bytes; absent for what is not there. In pieces, so that a workspace with many new files does not hold the event loop's threads. */
async function stats(root: string, paths: readonly RawPath[]): Promise<{ path: RawPath; size?: number }[]> {
  const found: { path: RawPath; size?: number }[] = [];
  for (let from = 0; from < paths.length; from += 256) {
    const piece = paths.slice(from, from + 256).map(async (path) => {
      const stat = await lstat(absolute(root, path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw error;
      });
      return stat === undefined ? { path } : { path, size: stat.size };
    });
    found.push(...(await Promise.all(piece)));
  }
  return found;
}
