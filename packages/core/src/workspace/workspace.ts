import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { syncTree, writeDurably } from './durable.ts';
import { GitFailure } from './git.ts';

export type WorkspaceMode = 'worktree' | 'in_place' | 'clone';

/** The directory that a task's attempts work in, and what git must be told about it. The same for the task's whole life. */
export interface Workspace {
  readonly task: string;
  readonly mode: WorkspaceMode;
  /** Top of the checkout. */
  readonly root: string;
  /** Where the task's processes run: at the place below `root` that the client named in its own checkout. */
  readonly cwd: string;
  /** Git directory of the checkout. Its configuration is the agent's to write, so only HEAD is read from it. */
  readonly gitDir: string;
  /** Git directory that keeps the objects and the frozen refs. */
  readonly repository: string;
  /** The daemon's own git directory for this task: configuration, ignore rules and index that no agent writes. */
  readonly ownGitDir: string;
  /** The commit that was checked out; absent in place before the first commit. */
  readonly head?: string;
  /** The user's changed and untracked files that are not in the checkout; absent in place. */
  readonly uncommitted?: number;
}

/** The workspace cannot go on. The reason is the failure reason of the attempt; the message holds git's own words. */
export class WorkspaceFailure extends Error {
  readonly reason: 'workspace_gone' | 'workspace_unfreezable';

  constructor(reason: 'workspace_gone' | 'workspace_unfreezable', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'WorkspaceFailure';
    this.reason = reason;
  }
}

const recordName = 'workspace.json';
const shape = z.object({
  task: z.string(),
  mode: z.enum(['worktree', 'in_place', 'clone']),
  root: z.string(),
  cwd: z.string(),
  gitDir: z.string(),
  repository: z.string(),
  ownGitDir: z.string(),
  head: z.string().exactOptional(),
  uncommitted: z.number().exactOptional(),
});

/** Written as the last act of making a workspace: where it is found, the daemon's own git directory is whole, also after the power was cut. */
export async function writeRecord(workspace: Workspace): Promise<void> {
  await syncTree(workspace.ownGitDir);
  await writeDurably(join(workspace.ownGitDir, recordName), JSON.stringify(workspace, null, 2));
}

/** The workspace that was recorded in a task's own git directory, if its making came to an end. Throws `workspace_gone` for a torn record. */
export async function readRecord(ownGitDir: string): Promise<Workspace | undefined> {
  const path = join(ownGitDir, recordName);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return shape.parse(JSON.parse(text));
  } catch (error) {
    throw new WorkspaceFailure('workspace_gone', `${path}, which says where the workspace is, is torn`, error);
  }
}

/**
 * The variables for a call by our own configuration, reading and writing the repository's objects. With an index, the checkout's files are
 * before it too. What an agent commits in a clone is found as well.
 */
export function ownRepository({ mode, root, gitDir, repository, ownGitDir }: Workspace, index?: string): Record<string, string> {
  return {
    GIT_DIR: ownGitDir,
    GIT_OBJECT_DIRECTORY: join(repository, 'objects'),
    ...(mode === 'clone' ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(gitDir, 'objects')) } : {}),
    ...(index === undefined ? {} : { GIT_WORK_TREE: root, GIT_INDEX_FILE: index }),
  };
}

/** An index that is empty because it is never written. */
export function noIndex({ ownGitDir }: Workspace): string {
  return join(ownGitDir, 'no-index');
}

/** What git cannot do with a workspace's files is the workspace's failure. */
export async function unfreezableWhereGitFails<T>({ root }: Workspace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    const gone = await stat(root).then(
      () => false,
      () => true,
    );
    throw new WorkspaceFailure(gone ? 'workspace_gone' : 'workspace_unfreezable', gone ? `${root} is gone` : error.message, error);
  }
}
