import { advised } from './advice.ts';
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
export const changing: readonly TaskType[] = ['implementation', 'debugging', 'refactoring', 'testing', 'documentation', 'configuration'];

type Facts = Extract<Command, { kind: 'reconciled' }>;

/**
 * The one cause of an attempt's end. A cause that the shim acted on comes first; a recorded stop decides what ended by
 * itself; only then do the harness's words count, and they only ever lead to a review.
 */
export function endingOf(task: Task, attempt: Attempt, process: TaskProcess, facts: Facts): Ending {
  const ending = causeOf(task, attempt, process, facts);
  const { taskType } = task.spec;
  const isDone = ending.kind !== 'submit' || taskType === undefined || !changing.includes(taskType);
  if (isDone || 'reason' in facts.tree || facts.tree.changed) return ending;
  return failed('no_change_made', `a ${taskType} task needs a change, and the workspace is as it was`);
}

function causeOf(task: Task, attempt: Attempt, process: TaskProcess, facts: Facts): Ending {
  const exit = process.exit;
  const limit = limitReached(task, attempt, exit?.stop, facts);
  if (limit) return limit;
  const stop = stopBehind(task, exit);
  if (stop) return { kind: 'stopped', stop };
  if (exit && exit.stop === undefined && saidTooMuch(task, exit)) return flooded(task);
  if (facts.failure) return failed(facts.failure.reason, facts.failure.message);
  if ('reason' in facts.tree) return failed(facts.tree.reason, facts.tree.message);
  if (exit?.stop !== undefined) return failed('internal', 'the daemon could not go on with the process and ended it');
  if (exit?.spawnError !== undefined) return failed('harness_missing', `${attempt.harness} could not be started: ${exit.spawnError}`);
  return harnessEnd(task, attempt, process, facts);
}

/** Who stopped it: the stop that the shim acted on, else the recorded one. The kill switch's file is read by shims while no daemon is there. */
export function stopBehind({ stop }: Pick<Task, 'stop'>, exit: ProcessExit | undefined): Stop | undefined {
  if (exit?.stop !== 'kill' || stop?.kind === 'kill') return stop;
  return { kind: 'kill', ...(stop?.killSwitch ?? { by: 'the kill switch', at: exit.endedAt }) };
}

/** What a limit that the shim acted on makes of the attempt. It is the cause, whatever was wanted or said later. */
function limitReached(task: Task, { harness, live }: Attempt, stop: ProcessExit['stop'], facts: Facts): Ending | undefined {
  const { limits } = task.spec;
  switch (stop) {
    case 'timeout':
      return { kind: 'failed', ...timedOut(task) };
    case 'attempt_timeout':
      return failed('attempt_timeout', `the attempt took longer than ${seconds(limits.attemptTimeoutMs)}`);
    case 'first_output':
      return failed('no_first_output', `${harness} wrote nothing within ${seconds(limits.firstOutputMs)}`);
    case 'output_limit':
      return flooded(task);
    case 'disk_full':
      return { kind: 'failed', ...diskFull(task, harness) };
    case 'turn_limit':
      return failed('turn_limit', `the task used up its ${limits.maxTurns} model calls`);
    case 'token_limit':
      return failed('token_limit', live?.concern ?? `the task used up its ${limits.maxTokens} tokens`);
    case 'cost_limit':
      return failed('cost_limit', live?.concern ?? `the task used up the money that it may cost`);
    case 'context_limit':
      return failed('context_exhausted', live?.concern ?? `the context was fuller than the task allows`);
    case 'no_progress':
      return failed('no_progress', live?.concern ?? `${harness} went in circles`);
    case 'unsupervised':
      return failed('unsupervised', `no daemon was there to hold ${harness} to its limits`);
    case 'stall':
    case 'never_ended':
      // An interruption is what the stop has brought about, and no result.
      if (stop === 'stall' && !isDone(facts) && facts.evidence?.result !== 'failed')
        return failed('stalled', `${harness} wrote nothing for ${seconds(limits.stallMs)}`);
      return afterItsResult(task, 'harness_never_ended', `${harness} gave its final result but did not end, and was stopped`, facts);
    default:
      return undefined;
  }
}

/**
 * Something went wrong once all was said. That a harness has done its work counts only if gates bear it out, since its end does not; that it
 * failed, and why, is believed.
 */
function afterItsResult({ spec }: Task, reason: FailureReason, message: string, facts: Facts): Ending {
  const { evidence, tree, failure: found } = facts;
  if (!isDone(facts) && evidence?.reason !== undefined) return failed(evidence.reason, evidence.message ?? message);
  const canBeJudged = !found && !('reason' in tree) && spec.gates.some((gate) => gate.required);
  return canBeJudged && isDone(facts) ? { kind: 'submit', failure: { reason, message } } : failed(reason, message);
}

/** Whether the harness has said that its work was done, whatever it said when nothing was left to do. */
function isDone({ evidence }: Facts): boolean {
  return evidence?.result === 'completed' || evidence?.afterCompleted === true;
}

function flooded({ spec }: Pick<Task, 'spec'>): Ending {
  return failed('output_limit', `the harness wrote more than ${spec.limits.maxOutputBytes} bytes`);
}

/** A harness may flood and be gone between two looks of its shim, which then had nothing left to stop. What lies beyond the limit was never read. */
function saidTooMuch({ spec }: Task, { lengths }: ProcessExit): boolean {
  return Math.max(lengths.stdout, lengths.stderr) > spec.limits.maxOutputBytes;
}

function harnessEnd(task: Task, { harness }: Attempt, { exit }: TaskProcess, facts: Facts): Ending {
  const { evidence } = facts;
  if (evidence && evidence.result !== 'completed') {
    const said = evidence.message ?? `${harness} reported that it ${evidence.result === 'failed' ? 'failed' : 'was interrupted'}`;
    if (isDone(facts))
      return afterItsResult(task, evidence.reason ?? 'harness_failed', `${harness} said that it was done, and then: ${said}`, facts);
    // Words without a reason explain no signal.
    const crash = exit && evidence.reason === undefined && (exit.signal || exit.outOfMemory) ? crashOf(harness, exit) : undefined;
    return crash ? failed(crash.reason, `${crash.message}: ${said}`) : failed(evidence.reason ?? 'harness_failed', said);
  }
  if (!exit) return evidence ? { kind: 'submit' } : failed('lost', 'the process and its shim died without an ending');
  const crash = crashOf(harness, exit);
  if (!crash) return evidence ? { kind: 'submit' } : failed('harness_failed', `${harness} exited with code 0 but without its final result`);
  if (!evidence) return failed(crash.reason, crash.message);
  return afterItsResult(task, crash.reason, `${crash.message} after its final result`, facts);
}

/** An end that no harness chooses, told by its exit alone: a signal is named and not guessed at. */
function crashOf(harness: string, { code, signal, outOfMemory }: ProcessExit): Failure | undefined {
  if (code === 0) return undefined;
  if (outOfMemory) return { reason: 'out_of_memory', message: `${harness} was ended by the kernel, which had no memory left for it` };
  if (signal) return { reason: 'harness_crashed', message: `${harness} was ended by ${signal}` };
  return { reason: 'harness_crashed', message: `${harness} exited with code ${code ?? 'unknown'}` };
}

export function timedOut({ spec }: Pick<Task, 'spec'>): Failure {
  return failure('timeout', `the task used up its ${seconds(spec.limits.timeoutMs)}`);
}

/** @param who what was stopped for it */
export function diskFull({ spec }: Pick<Task, 'spec'>, who: string): Failure {
  return failure('disk_full', `less than ${spec.limits.minFreeBytes} bytes were free on a disk that ${who} writes to`);
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'the time allowed' : `${ms / 1000} s`;
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

function failure(reason: FailureReason, message: string): Failure {
  return { reason, message: advised(reason, message) };
}

function failed(reason: FailureReason, message: string): Ending {
  return { kind: 'failed', ...failure(reason, message) };
}
