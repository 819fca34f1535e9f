import { rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { readBaseline } from './baseline.ts';
import { changesBetween, type FileChange } from './diff.ts';
import type { Base, FrozenTree } from './freeze.ts';
import type { Git } from './git.ts';
import { withOwnIndex } from './own-index.ts';
import { absolute, shown } from './paths.ts';
import { takeSnapshot } from './snapshot.ts';
import { ownRepository, unfreezableWhereGitFails, WorkspaceFailure, type Workspace } from './workspace.ts';

/** Files can come into sight only when others are back, as behind a changed `.gitignore`. */
const mostRounds = 3;

/** Whether the workspace's files are still those of a frozen tree. */
export async function isUnchanged(git: Git, workspace: Workspace, { tree }: Pick<FrozenTree, 'tree'>): Promise<boolean> {
  return unfreezableWhereGitFails(workspace, async () => {
    const now = await withOwnIndex(workspace, (index) => takeSnapshot(git, workspace, index, tree));
    return now.tree === tree;
  });
}

/**
 * Puts back what differs from a frozen tree and gives what that was. Ignored files stay as they are, HEAD too. In place nothing is put back:
 * the directory is the user's.
 */
export async function restore(
  git: Git,
  workspace: Workspace,
  frozen: { tree: string; notKept: readonly { path: string }[] },
): Promise<FileChange[]> {
  const keptAside = new Set(frozen.notKept.map(({ path }) => path));
  return unfreezableWhereGitFails(workspace, () =>
    withOwnIndex(workspace, async (index) => {
      const changes: FileChange[] = [];
      for (let round = 0; round < mostRounds; round += 1) {
        const now = await takeSnapshot(git, workspace, index, frozen.tree);
        const tooLarge = now.tooLarge.filter((path) => !keptAside.has(shown(path)));
        if (now.tree === frozen.tree && tooLarge.length === 0) return changes;
        const large = tooLarge.map((path): FileChange => ({ path: shown(path), change: 'added' }));
        changes.push(...(await changesBetween(git, workspace, frozen.tree, now.tree)), ...large);
        if (workspace.mode === 'in_place') return changes;
        // The index is what the checkout is now, so git knows each file that it must remove or write.
        await git(['read-tree', '--reset', '-u', frozen.tree], { env: ownRepository(workspace, index) });
        for (const path of tooLarge) await unlink(absolute(workspace.root, path));
      }
      throw new WorkspaceFailure(
        'workspace_unfreezable',
        `${workspace.root} does not come back to the tree ${frozen.tree}: something goes on changing it`,
      );
    }),
  );
}

/**
 * Takes a workspace back to its base for an attempt that starts afresh: files, HEAD and index, and nothing that was half merged. Ignored files stay,
 * so dependencies need not be installed again.
 */
export async function startOver(git: Git, workspace: Workspace, base: Base): Promise<void> {
  if (workspace.mode === 'in_place') throw new Error(`${workspace.root} is the user's own directory, which is never reset`);
  const { gitDir, root } = workspace;
  const baseline = await readBaseline(workspace);
  const now = await withOwnIndex(workspace, (index) => takeSnapshot(git, workspace, index, base.tree));
  await restore(git, workspace, { tree: base.tree, notKept: baseline.tooLarge.map((path) => ({ path: shown(path) })) });
  // The files of a repository that was made inside are gone with the tree; this is the rest of it.
  const made = now.nested.filter((path) => !baseline.nested.includes(path));
  for (const path of made) await rm(join(root, shown(path), '.git'), { recursive: true, force: true });
  for (const state of unfinished) await rm(join(gitDir, state), { recursive: true, force: true });
  if (baseline.head === undefined) return;
  const env = { GIT_DIR: gitDir, GIT_WORK_TREE: root };
  await git(['update-ref', '--no-deref', '--end-of-options', 'HEAD', baseline.head], { env });
  await git(['read-tree', '--reset', baseline.head], { env });
}

/** What an interrupted git leaves in its directory. */
const unfinished = [
  'AUTO_MERGE',
  'BISECT_LOG',
  'BISECT_START',
  'CHERRY_PICK_HEAD',
  'HEAD.lock',
  'MERGE_HEAD',
  'MERGE_MODE',
  'MERGE_MSG',
  'REBASE_HEAD',
  'REVERT_HEAD',
  'SQUASH_MSG',
  'index.lock',
  'rebase-apply',
  'rebase-merge',
  'sequencer',
];
