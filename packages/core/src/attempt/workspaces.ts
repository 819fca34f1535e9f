import { mkdir, readdir, stat } from 'node:fs/promises';
import { DomainError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import { newestTree } from '../task/outcome.ts';
import {
  startedAttempts,
  type Failure,
  type FrozenTree,
  type OpenedWorkspace,
  type Task,
  type WorkspaceBase,
  type WorkspaceSpec,
} from '../task/task.ts';
import { missingInHead } from '../workspace/committed.ts';
import { repositoryFacts } from '../workspace/facts.ts';
import { freeze, freezeBase } from '../workspace/freeze.ts';
import { glance } from '../workspace/glance.ts';
import { gitVersion, type Git } from '../workspace/git.ts';
import { checkWorkspace, discardUnfinished, openWorkspace, recordedWorkspace } from '../workspace/open.ts';
import { writeGitHome, type GitHomeOptions } from '../workspace/git-home.ts';
import { restore, startOver } from '../workspace/restore.ts';
import { discardWorkspace } from '../workspace/worktree.ts';
import { WorkspaceFailure, type Workspace } from '../workspace/workspace.ts';
import { StepFailure } from './step-failure.ts';

export interface WorkspacesParts {
  readonly git: Git;
  readonly gitHome: Omit<GitHomeOptions, 'git'>;
  /** Below the state folder. */
  readonly folder: string;
  readonly userHome: string;
  readonly now: () => number;
}

/** What the steps ask of a task's workspace. Each may be begun again after a crash; each throws `StepFailure` with the reason. */
export class Workspaces {
  readonly #parts: WorkspacesParts;
  #made: Promise<void> | undefined;

  constructor(parts: WorkspacesParts) {
    this.#parts = parts;
  }

  /** What can be told of a workspace before a task is made for it. Gives it with real paths, as the task keeps it. Throws `DomainError`. */
  async check({ path, mode }: WorkspaceSpec): Promise<WorkspaceSpec> {
    await this.#ready();
    const { directory, top } = await checkWorkspace(this.#parts.git, path, mode);
    return { path: directory, mode, ...(mode === 'in_place' ? { reserves: top } : {}) };
  }

  /** Which of these files a checkout of HEAD will not have. Paths from the directory. */
  async missingInHead(directory: string, paths: readonly string[]): Promise<readonly string[]> {
    await this.#ready();
    return await missingInHead(this.#parts.git, directory, paths);
  }

  async open(task: Task): Promise<OpenedWorkspace> {
    const { git, folder, userHome } = this.#parts;
    const { path, mode } = task.spec.workspace;
    return await asStep(async () => {
      await this.#ready();
      await failpoint('workspace.open.before');
      const opened = await openWorkspace({ git, folder, task: task.id, directory: path, mode, userHome });
      await failpoint('workspace.open.after');
      const { root, cwd, repository, head, uncommitted } = opened;
      return { root, cwd, repository, ...(head === undefined ? {} : { head }), ...(uncommitted === undefined ? {} : { uncommitted }) };
    });
  }

  /** The directory for the task's next process. It is made again where an agent has removed it, which git does not see: it is empty. */
  async enter(task: Task): Promise<string> {
    return await asStep(async () => {
      const { cwd } = await this.#recorded(task);
      await mkdir(cwd, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
        throw new WorkspaceFailure('workspace_gone', `the directory ${cwd} is gone and cannot be made again: ${error.message}`, error);
      });
      return cwd;
    });
  }

  async freezeBase(task: Task): Promise<WorkspaceBase> {
    const { git, now } = this.#parts;
    return await asStep(async () => {
      const workspace = await this.#recorded(task);
      const base = await freezeBase(git, workspace, now());
      const { language, repoSizeCategory } = await repositoryFacts(git, workspace, base.commit);
      return {
        ...base,
        ...(language === undefined ? {} : { language }),
        ...(repoSizeCategory === undefined ? {} : { repoSizeCategory }),
      };
    });
  }

  /** The workspace as the attempt left it, or why there is nothing to judge: what git cannot freeze is told in git's own words. */
  async freeze(task: Task, attempt: number): Promise<FrozenTree | Failure> {
    const { git, now } = this.#parts;
    if (!task.base) throw new Error(`bug: task ${task.id} has no base to freeze against`);
    try {
      const workspace = await this.#recorded(task);
      await failpoint('workspace.freeze.before');
      const tree = await freeze(git, workspace, { attempt, base: task.base, at: now() });
      await failpoint('workspace.freeze.after');
      return tree;
    } catch (error) {
      if (!(error instanceof WorkspaceFailure)) throw error;
      return { reason: error.reason, message: error.message };
    }
  }

  /** Makes the workspace equal to the frozen tree again; in place nothing is touched. Gives the paths that differed. */
  async restore(task: Task, tree: FrozenTree): Promise<readonly string[]> {
    return await asStep(async () => (await restore(this.#parts.git, await this.#recorded(task), tree)).map(({ path }) => path));
  }

  /** What differs from what the attempt was given, as a text to compare; undefined where nobody can tell, which is no fault of the attempt's. */
  async glance(task: Task): Promise<string | undefined> {
    try {
      return await glance(this.#parts.git, await this.#recorded(task));
    } catch {
      return undefined;
    }
  }

  /** Back to the base for an attempt that starts afresh; ignored files (dependencies) stay. */
  async startOver(task: Task): Promise<void> {
    const { base } = task;
    if (base) await asStep(async () => await startOver(this.#parts.git, await this.#recorded(task), base));
  }

  /** Tasks that have a checkout of their own here. */
  async opened(): Promise<readonly string[]> {
    const entries = await readdir(this.#parts.folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !entry.name.endsWith('.git')).map(({ name }) => name);
  }

  /** Removes what a final task no longer needs. Its refs keep what was frozen. */
  async close(task: Task): Promise<void> {
    const { git, folder } = this.#parts;
    // What git could not freeze is nowhere else.
    const last = startedAttempts(task).at(-1);
    if (last && !last.tree) return;
    const workspace = await this.#recordOf(task);
    if (workspace) {
      await this.#ready();
      await failpoint('workspace.close.before');
      await discardWorkspace(git, folder, workspace, newestTree(task)?.ref);
      await failpoint('workspace.close.after');
      return;
    }
    if (last) return; // its record is torn: an attempt has worked there, and only a person can tell what is left
    await this.#ready();
    await discardUnfinished({ git, folder, task: task.id, directory: task.spec.workspace.path });
  }

  async #recordOf(task: Task): Promise<Workspace | undefined> {
    try {
      return await recordedWorkspace(this.#parts.folder, task.id);
    } catch (error) {
      if (error instanceof WorkspaceFailure) return undefined;
      throw error;
    }
  }

  /** Git is looked at when it is first needed, so that a daemon starts without it and says so where it matters. */
  async #ready(): Promise<void> {
    const { git, gitHome } = this.#parts;
    this.#made ??= gitVersion(git).then(() => writeGitHome({ git, ...gitHome }));
    try {
      await this.#made;
    } catch (error) {
      this.#made = undefined;
      throw error;
    }
  }

  async #recorded(task: Task): Promise<Workspace> {
    await this.#ready();
    const workspace = await recordedWorkspace(this.#parts.folder, task.id);
    await stat(workspace.root).catch((error: unknown) => {
      throw new WorkspaceFailure('workspace_gone', `the workspace ${workspace.root} is gone`, error);
    });
    return workspace;
  }
}

async function asStep<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WorkspaceFailure) throw new StepFailure(error.reason, error.message, { cause: error });
    // The call that created the task has checked all this: since then the repository has gone or changed.
    if (error instanceof DomainError) throw new StepFailure('workspace_gone', error.message, { cause: error });
    throw error;
  }
}
