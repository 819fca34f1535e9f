import type { Command } from './commands.ts';
import type { FailureReason } from './reasons.ts';
import type { Attempt, Failure, ProcessExit, Stop, StopKind, Task, TaskProcess, TaskType } from './task.ts';

/** How an attempt ended: handed in for review, stopped by somebody, or failed for a reason. */
export type Ending =
  | { readonly kind: 'submit' }
  | { readonly kind: 'stopped'; readonly stop: Stop }
  | ({ readonly kind: 'failed' } & Failure);

/** The types of task that cannot be done without changing a file. */
const changing: readonly TaskType[] = ['implementation', 'debugging', 'refactoring', 'testing', 'documentation', 'configuration'];

/**
 * The one cause of an attempt's end. A cause that the shim acted on comes first; a recorded stop decides what ended by
 * itself; only then do the harness's words count, and they only ever lead to a review.
 */
export function endingOf(task: Task, attempt: Attempt, process: TaskProcess, facts: Extract<Command, { kind: 'reconciled' }>): Ending {
  const exit = process.exit;
  if (exit?.stop === 'timeout') return { kind: 'failed', ...timedOut(task) };
  const flooded = failed('output_limit', `the harness wrote more than ${task.spec.limits.maxOutputBytes} bytes`);
  if (exit?.stop === 'output_limit') return flooded;
  if (task.stop) return { kind: 'stopped', stop: task.stop };
  if (exit && exit.stop === undefined && saidTooMuch(task, exit)) return flooded;
  if (facts.failure) return { kind: 'failed', ...facts.failure };
  if ('reason' in facts.tree) return { kind: 'failed', ...facts.tree };
  if (exit?.spawnError !== undefined) return failed('harness_missing', exit.spawnError);
  const ended = harnessEnd(attempt, process, facts);
  if (ended.kind === 'submit' && !facts.tree.changed && task.spec.taskType !== undefined && changing.includes(task.spec.taskType)) {
    return failed('no_change_made', `a ${task.spec.taskType} task needs a change, and the workspace is as it was`);
  }
  return ended;
}

/** A harness may flood and be gone between two looks of its shim, which then had nothing left to stop. What lies beyond the limit was never read. */
function saidTooMuch({ spec }: Task, { lengths }: ProcessExit): boolean {
  return Math.max(lengths.stdout, lengths.stderr) > spec.limits.maxOutputBytes;
}

function harnessEnd(attempt: Attempt, process: TaskProcess, { evidence }: Extract<Command, { kind: 'reconciled' }>): Ending {
  const exit = process.exit;
  if (evidence && evidence.result !== 'completed') {
    const said = `${attempt.harness} reported that it ${evidence.result === 'failed' ? 'failed' : 'was interrupted'}`;
    return failed(evidence.reason ?? 'harness_failed', evidence.message ?? said);
  }
  if (process.state === 'dead') {
    return evidence ? { kind: 'submit' } : failed('lost', 'the process and its shim died without an ending');
  }
  if (exit?.signal) return failed('harness_crashed', `${attempt.harness} was ended by ${exit.signal}`);
  if (exit?.code !== 0) return failed('harness_crashed', `${attempt.harness} exited with code ${exit?.code ?? 'unknown'}`);
  return evidence ? { kind: 'submit' } : failed('harness_failed', `${attempt.harness} exited with code 0 but without its final result`);
}

export function timedOut({ spec }: Task): Failure {
  return { reason: 'timeout', message: `the task used up its ${spec.limits.timeoutMs / 1000} s` };
}

const stopReasons = { cancel: 'cancelled', terminate: 'terminated', kill: 'killed' } as const satisfies Record<StopKind, FailureReason>;

/** What a stop makes of the task: only the kill switch is a failure. */
export function stopped({ kind, by, why, scope }: Stop): { readonly edge: 'cancel' | 'fail'; readonly failure: Failure } {
  const reason = stopReasons[kind];
  const message = [`${reason} by ${by}`, ...(why === undefined ? [] : [why])].join(': ');
  return {
    edge: kind === 'kill' ? 'fail' : 'cancel',
    failure: { reason, message, by, ...(why === undefined ? {} : { why }), ...(scope === undefined ? {} : { scope }) },
  };
}

function failed(reason: FailureReason, message: string): Ending {
  return { kind: 'failed', reason, message };
}
