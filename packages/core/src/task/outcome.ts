import type { FailureReason } from './reasons.ts';
import { startedAttempts, type FrozenTree, type GateResult, type Task } from './task.ts';

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

/** The gate results of the last attempt that ran; none if it was not judged. One that never started takes nothing back. */
export function lastGates(task: Task): readonly GateResult[] {
  const last = startedAttempts(task).at(-1);
  return last ? task.gateResults.filter((gate) => gate.attempt === last.number) : [];
}

/** The last frozen tree: what `diff` and `apply` bring. */
export function newestTree(task: Task): FrozenTree | undefined {
  return task.attempts.findLast((attempt) => attempt.tree !== undefined)?.tree;
}

/** Of a very large change only a part is listed. */
export function filesChanged({ files, filesOmitted = 0 }: FrozenTree): number {
  return files.length + filesOmitted;
}
