import type { LimitStop } from '../../task/task.ts';

/** What is wrong with an attempt, or soon will be. */
export interface Concern {
  /** What found it: told once an attempt. */
  readonly about: string;
  /** A sentence without its full stop. */
  readonly message: string;
  /** That the attempt must end, and how that is called. */
  readonly stop?: LimitStop;
}

/** How what is warned of first and stopped for later is told apart. */
export function stopFor(about: string): string {
  return `${about}, stop`;
}

export function isStop(about: string): boolean {
  return about.endsWith(stopFor(''));
}
