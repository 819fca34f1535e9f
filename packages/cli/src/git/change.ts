import type { Task } from '@singletree/sdk';
import { CommandFailure } from '../failure.ts';
import { mustGit, type GitCall } from './git.ts';

/** The frozen change of a task, in the repository that it worked on. */
export interface Change {
  readonly task: Task;
  readonly base: string;
  readonly frozen: string;
  /** Top of the working tree. */
  readonly repository: GitCall;
}

/** Finds it. Throws where nothing was frozen yet, or where the repository no longer has it. */
export async function changeOf(task: Task, env: NodeJS.ProcessEnv): Promise<Change> {
  const { baseCommit, frozenCommit, frozenRef, state, workspace } = task;
  if (baseCommit === undefined || frozenCommit === undefined) {
    throw new CommandFailure(
      `task ${task.id} is ${state.replaceAll('_', ' ')}, and nothing of it was kept${task.completion ? '' : ' yet'}`,
      {
        code: 'failed_precondition',
        reason: 'NO_CHANGE',
        hint: `singletree get ${task.id}`,
      },
    );
  }
  const top = await mustGit(['rev-parse', '--show-toplevel'], { directory: workspace.path, env });
  const repository = { directory: top.toString().replace(/\n$/, ''), env };
  await mustGit(['cat-file', '-e', `${baseCommit}^{tree}`], repository).catch(() => gone(task, frozenRef));
  await mustGit(['cat-file', '-e', `${frozenCommit}^{tree}`], repository).catch(() => gone(task, frozenRef));
  return { task, base: baseCommit, frozen: frozenCommit, repository };
}

function gone(task: Task, ref: string | undefined): never {
  throw new CommandFailure(`the repository at ${task.workspace.path} no longer has the change of task ${task.id}`, {
    code: 'failed_precondition',
    reason: 'NO_CHANGE',
    hint: `it was kept by ${ref ?? 'a ref'}, which somebody must have deleted`,
  });
}

/** Flags that make a diff say exactly what differs, whatever the user configured to make diffs nicer. */
const exact: readonly string[] = [
  '--full-index',
  '--unified=3',
  '--no-color',
  '--no-ext-diff',
  '--no-textconv',
  '--no-renames',
  '--no-relative',
  '--src-prefix=a/',
  '--dst-prefix=b/',
  '--ignore-submodules=none',
  '--submodule=short',
  '-O/dev/null',
];

/** What leads from one tree to another, as a patch that gives exactly that when it is applied. */
export async function patchBetween(from: string, to: string, repository: GitCall): Promise<Buffer> {
  return await mustGit(['diff-tree', '-r', '-p', '--binary', ...exact, from, to], repository);
}

/** The same to be read: of binary files it only says that they differ. */
export async function readableBetween(from: string, to: string, repository: GitCall): Promise<string> {
  return (await mustGit(['diff-tree', '-r', '-p', ...exact, from, to], repository)).toString();
}

/** Paths that differ between two trees, each followed by NUL. */
export async function pathsBetween(from: string, to: string, repository: GitCall): Promise<Buffer> {
  return await mustGit(['diff-tree', '-r', '-z', '--name-only', '--no-renames', '--no-relative', from, to], repository);
}
