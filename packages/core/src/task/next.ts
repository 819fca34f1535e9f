import { gateToRun } from './ending.ts';
import { openProcess, type Instant, type Task } from './task.ts';

/** What must be done now for a task. `wait` without a time ends only by a command. */
export type Step =
  | { readonly kind: 'prepare' | 'follow' | 'reconcile' | 'judge' | 'none' }
  | { readonly kind: 'wait'; readonly until?: Instant };

/** Asked after every commit, when a wait is over and when the daemon starts: there is no other way to go on. */
export function next(task: Task): Step {
  switch (task.state) {
    case 'created':
      return { kind: 'wait', until: task.notBefore ?? task.createdAt };
    case 'assigned':
      return { kind: 'prepare' };
    case 'in_progress':
      return { kind: openProcess(task) ? 'follow' : 'reconcile' };
    case 'in_review':
      return { kind: 'judge' };
    case 'blocked':
      return task.blocked?.until === undefined ? { kind: 'wait' } : { kind: 'wait', until: task.blocked.until };
    case 'completed':
    case 'failed':
    case 'cancelled':
      return { kind: 'none' };
  }
}

/** Whether the gates of a task in review are all through. */
export function isJudged(task: Task): boolean {
  return task.state === 'in_review' && !openProcess(task) && gateToRun(task) === undefined;
}
