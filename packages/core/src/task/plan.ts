import { retryRule } from './retry.ts';
import { startedAttempts, type Attempt, type Task } from './task.ts';

/** How the next attempt begins. */
export interface AttemptPlan {
  /** The session to go on in, if the harness still has it. */
  readonly resume?: string;
  /** The prompt for a session that is resumed. A fresh one always gets the whole task. */
  readonly prompt: 'full' | 'findings' | 'continue';
  /** `base` throws the workspace's changes away; `keep` goes on from the frozen tree. Never `base` in place. */
  readonly workspace: 'keep' | 'base';
  /** The judged attempt whose findings are still to be mended: of a rework that was cut off nobody knows what it has read of them. */
  readonly findingsOf?: Attempt;
}

/** Follows from why the last attempt that ran had to be followed by another. Attempts that never ran change nothing. */
export function planAttempt(task: Task): AttemptPlan {
  const started = startedAttempts(task);
  const previous = started.at(-1);
  if (!previous?.failure) return { prompt: 'full', workspace: 'keep' };
  const sessionId = previous.account?.sessionId ?? previous.session?.id;
  const judged = started.findLast((attempt) => isJudged(attempt) || startsOver(task, attempt));
  return {
    ...(isFresh(task, previous) || sessionId === undefined ? {} : { resume: sessionId }),
    prompt: isJudged(previous) ? 'findings' : 'continue',
    workspace: startsOver(task, previous) ? 'base' : 'keep',
    ...(judged && isJudged(judged) ? { findingsOf: judged } : {}),
  };
}

/** Whether it was told to mend what was found. */
function isJudged({ failure }: Attempt): boolean {
  return failure?.reason === 'gate_failed' || failure?.reason === 'no_change_made';
}

function isFresh({ spec }: Task, { failure }: Attempt): boolean {
  return failure !== undefined && retryRule(failure.reason, spec.retry).session === 'fresh';
}

/** Whether the work was thrown away after it. */
function startsOver(task: Task, attempt: Attempt): boolean {
  return isFresh(task, attempt) && task.spec.workspace.mode !== 'in_place';
}
