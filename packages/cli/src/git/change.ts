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

/**
 * Finds it. Throws where nothing was frozen yet, or where the repository no longer has it. `machine`: the one that the daemon is on, if not this:
 * the repository is there, unless the same lies here at the same path.
 */
export async function changeOf(task: Task, env: NodeJS.ProcessEnv, machine?: string): Promise<Change> {
  const { baseCommit, frozenCommit, state, workspace } = task;
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
  const elsewhere = machine === undefined ? undefined : () => isElsewhere(task, machine);
  const top = await mustGit(['rev-parse', '--show-toplevel'], { directory: workspace.path, env }).catch(elsewhere);
  const repository = { directory: top.toString().replace(/\n$/, ''), env };
  await mustGit(['cat-file', '-e', `${baseCommit}^{tree}`], repository).catch(elsewhere ?? (() => gone(task)));
  await mustGit(['cat-file', '-e', `${frozenCommit}^{tree}`], repository).catch(elsewhere ?? (() => gone(task)));
  return { task, base: baseCommit, frozen: frozenCommit, repository };
}

function gone({ id, workspace, frozenRef }: Task): never {
  throw new CommandFailure(`the repository at ${workspace.path} no longer has the change of task ${id}`, {
    code: 'failed_precondition',
    reason: 'NO_CHANGE',
    hint: `it was kept by ${frozenRef ?? 'a ref'}, which somebody must have deleted`,
  });
}

function isElsewhere({ id, workspace, frozenRef }: Task, machine: string): never {
  const bring = frozenRef === undefined ? [] : [`or bring it here: git fetch ${machine}:${workspace.path} ${frozenRef}`];
  throw new CommandFailure(`what task ${id} made is in the repository ${workspace.path} on ${machine}, with the daemon`, {
    code: 'failed_precondition',
    reason: 'OTHER_MACHINE',
    hint: [`type this on ${machine},`, ...bring].join(' '),
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
