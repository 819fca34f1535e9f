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
  /** What the last judged attempt is told. */
  readonly findingsOf?: Attempt;
}

/** Follows from why the last attempt that ran had to be followed by another. Attempts that never ran change nothing. */
export function planAttempt(task: Task): AttemptPlan {
  const previous = startedAttempts(task).at(-1);
  if (!previous?.failure) return { prompt: 'full', workspace: 'keep' };
  const fresh = retryRule(previous.failure.reason, task.spec.retry).session === 'fresh';
  const findings = previous.failure.reason === 'gate_failed' || previous.failure.reason === 'no_change_made';
  const sessionId = previous.account?.sessionId ?? previous.session?.id;
  return {
    ...(fresh || sessionId === undefined ? {} : { resume: sessionId }),
    prompt: findings ? 'findings' : 'continue',
    workspace: fresh && task.spec.workspace.mode !== 'in_place' ? 'base' : 'keep',
    ...(findings ? { findingsOf: previous } : {}),
  };
}
