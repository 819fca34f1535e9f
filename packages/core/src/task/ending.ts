import type { Command } from './commands.ts';
import type { FailureReason } from './reasons.ts';
import type { Attempt, Failure, ProcessExit, Stop, StopKind, Task, TaskProcess, TaskType } from './task.ts';

/** How an attempt ended: handed in for review, stopped by somebody, or failed for a reason. */
export type Ending =
  /** `failure`: it did not end as it should, but it had given its final result and gates will judge its work. */
  | { readonly kind: 'submit'; readonly failure?: Failure }
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
  const limit = limitReached(task, attempt, exit?.stop, facts);
  if (limit) return limit;
  if (task.stop) return { kind: 'stopped', stop: task.stop };
  if (exit && exit.stop === undefined && saidTooMuch(task, exit)) return flooded(task);
  if (facts.failure) return { kind: 'failed', ...facts.failure };
  if ('reason' in facts.tree) return { kind: 'failed', ...facts.tree };
  if (exit?.outOfMemory) return failed('out_of_memory', `${attempt.harness} was ended by the kernel: the memory of its cgroup was used up`);
  if (exit?.stop === 'given_up') return failed('internal', 'the daemon could not go on with the process and ended it');
  if (exit?.spawnError !== undefined) return failed('harness_missing', exit.spawnError);
  const ended = harnessEnd(attempt, process, facts);
  if (ended.kind === 'submit' && !facts.tree.changed && task.spec.taskType !== undefined && changing.includes(task.spec.taskType)) {
    return failed('no_change_made', `a ${task.spec.taskType} task needs a change, and the workspace is as it was`);
  }
  return ended;
}

/** What a limit that the shim acted on makes of the attempt. It is the cause, whatever was wanted or said later. */
function limitReached(
  { spec }: Task,
  { harness, live }: Attempt,
  stop: ProcessExit['stop'],
  { evidence, tree, failure }: Extract<Command, { kind: 'reconciled' }>,
): Ending | undefined {
  const { limits } = spec;
  const seconds = (ms: number | undefined): string => (ms === undefined ? 'the time allowed' : `${ms / 1000} s`);
  switch (stop) {
    case 'timeout':
      return { kind: 'failed', ...timedOut({ spec }) };
    case 'attempt_timeout':
      return failed('attempt_timeout', `the attempt took longer than ${seconds(limits.attemptTimeoutMs)}`);
    case 'first_output':
      return failed('no_first_output', `${harness} wrote nothing within ${seconds(limits.firstOutputMs)}`);
    case 'output_limit':
      return flooded({ spec });
    case 'disk_full':
      return failed('disk_full', `less than ${limits.minFreeBytes} bytes were free on a disk that ${harness} writes to`);
    case 'turn_limit':
      return failed('turn_limit', `the task used up its ${limits.maxTurns} model calls`);
    case 'no_progress':
      return failed('no_progress', live?.concern ?? `${harness} went in circles`);
    case 'unsupervised':
      return failed('unsupervised', `no daemon was there to hold ${harness} to its limits`);
    case 'never_ended':
    case 'stall': {
      if (evidence?.result !== 'completed') {
        return failed('stalled', `${harness} wrote nothing for ${seconds(limits.stallMs)}`);
      }
      const hung: Failure = { reason: 'harness_never_ended', message: `${harness} gave its final result but did not end, and was stopped` };
      // Its word alone never counts, and its exit is not there to bear it out: gates must.
      const judged = spec.gates.some((gate) => gate.required) && !failure && !('reason' in tree);
      return judged ? { kind: 'submit', failure: hung } : { kind: 'failed', ...hung };
    }
    default:
      return undefined;
  }
}

function flooded({ spec }: Pick<Task, 'spec'>): Ending {
  return failed('output_limit', `the harness wrote more than ${spec.limits.maxOutputBytes} bytes`);
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

export function timedOut({ spec }: Pick<Task, 'spec'>): Failure {
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
