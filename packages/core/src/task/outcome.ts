import type { FailureReason } from './reasons.ts';
import { newestAttempt, type GateResult, type Task } from './task.ts';

export type Outcome = 'success' | 'partial' | 'failure' | 'timeout';

const timeLimits: readonly FailureReason[] = ['timeout', 'attempt_timeout'];
/** Reasons after which a changed tree is still a product, only not all that was required. */
const unfinishedWork: readonly FailureReason[] = ['gate_failed', 'turn_limit', 'token_limit', 'cost_limit'];

/** How a final task turned out: the first rule that fits. */
export function outcomeOf(task: Task): Outcome {
  const reason = task.failure?.reason;
  if (reason !== undefined && timeLimits.includes(reason)) return 'timeout';
  if (task.state === 'completed') return lastGates(task).every((gate) => gate.verdict === 'passed') ? 'success' : 'partial';
  if (task.state === 'failed' && reason !== undefined && unfinishedWork.includes(reason) && newestTree(task)?.changed === true)
    return 'partial';
  return 'failure';
}

/** The gate results of the newest attempt that was judged. */
export function lastGates(task: Task): readonly GateResult[] {
  const last = newestAttempt(task);
  return last ? task.gateResults.filter((gate) => gate.attempt === last.number) : [];
}

/** The last frozen tree: what `diff` and `apply` bring. */
export function newestTree(task: Task): NonNullable<Task['attempts'][number]['tree']> | undefined {
  return task.attempts.findLast((attempt) => attempt.tree !== undefined)?.tree;
}
