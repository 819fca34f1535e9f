import type { FrozenTree, OpenedWorkspace, Task } from '../task/task.ts';

/** What the steps ask of a task's workspace. Each may be begun again after a crash. */
export interface Workspaces {
  /** Makes or finds the task's workspace. Throws `StepFailure` with the reason where it cannot be had. */
  open(task: Task): Promise<OpenedWorkspace>;
  /** Whether the workspace is still there. */
  exists(workspace: OpenedWorkspace): Promise<boolean>;
  /** Puts tracked and untracked files back to the base; ignored ones (dependencies) stay. */
  reset(workspace: OpenedWorkspace): Promise<void>;
  freeze(task: Task, workspace: OpenedWorkspace, attempt: number): Promise<FrozenTree | { readonly unfreezable: string }>;
  /** Makes the workspace equal to the frozen tree again, and says which paths were put back; in place they are only named. */
  restore(workspace: OpenedWorkspace, tree: FrozenTree): Promise<readonly string[]>;
  /** Removes what a final task no longer needs; its refs stay. */
  close(task: Task): Promise<void>;
}
