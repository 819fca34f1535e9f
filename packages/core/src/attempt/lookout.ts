import type { Task } from '../task/task.ts';

/** Somebody beside the daemon who reads what harnesses write, and holds still the one whose limit is reached, whatever the daemon does just then. */
export interface Lookout {
  /**
   * Watches the newest attempt of a task, from its first word on.
   *
   * @param onHeld told that its harness is held
   */
  watch(directory: string, task: Task, onHeld: () => void): Watching;
}

/** Until it is disposed of. */
export interface Watching extends Disposable {
  /** Resolves once somebody watches, or nobody can. */
  readonly ready: Promise<void>;
}

/** What the lookout is told, and what it says. */
export type Order =
  | { readonly kind: 'watch'; readonly id: number; readonly directory: string; readonly task: Task }
  | { readonly kind: 'forget'; readonly id: number };
export interface Report {
  readonly kind: 'watching' | 'held';
  readonly id: number;
}
