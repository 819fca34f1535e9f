import { apply, stale, withAttempt, withProcess, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import { stopFailure } from './ending.ts';
import type { TaskEventBody } from './events.ts';
import { newestAttempt, openProcess, type Failure, type Instant, type Task, type TaskProcess } from './task.ts';

/** Runs of one setup command or gate whose shims may die before the daemon gives up. */
const mostRuns = 3;

/** A supervised process has ended and its shim wrote down how. For a harness the edge follows later, from the reconciliation. */
export function exited(task: Task, command: Extract<Command, { kind: 'exited' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory) return stale(`no process is open in ${command.directory}`);
  const { exit } = command;
  const usedMs = task.usedMs + exit.durationMs;
  const ended: Task = { ...task, usedMs, processes: withProcess(task, command.directory, { state: 'exited', exit }) };
  const set = { usedMs, processes: ended.processes };
  switch (process.role) {
    case 'harness':
      return apply(task, now, {
        set: { ...set, attempts: withAttempt(task, { state: 'ended', endedAt: exit.endedAt, exit, ...beganAt(task, exit.startedAt) }) },
        events: [
          {
            kind: 'attempt_ended',
            attempt: process.attempt,
            state: 'ended',
            ...(exit.code === null ? {} : { exitCode: exit.code }),
            ...(exit.signal === null ? {} : { signal: exit.signal }),
          },
        ],
      });
    case 'setup': {
      const passed = exit.code === 0 && exit.stop === undefined;
      const events: TaskEventBody[] = [
        {
          kind: 'setup_finished',
          attempt: process.attempt,
          ordinal: process.ordinal,
          passed,
          ...(exit.code === null ? {} : { exitCode: exit.code }),
          ...(command.message === undefined ? {} : { message: command.message }),
        },
      ];
      const failure = passed
        ? undefined
        : { reason: 'setup_failed' as const, message: command.message ?? `setup command ${process.ordinal + 1} failed` };
      return concluded(task, process, exit.stop === 'timeout', now, set, events, failure);
    }
    case 'gate': {
      const { gate } = command;
      if (!gate) return stale(`the gate in ${command.directory} has no verdict`);
      const events: TaskEventBody[] = [
        {
          kind: 'gate_finished',
          attempt: gate.attempt,
          ordinal: gate.ordinal,
          name: gate.name,
          verdict: gate.verdict,
          durationMs: exit.durationMs,
          ...(gate.exitCode === undefined ? {} : { exitCode: gate.exitCode }),
          ...(gate.message === undefined ? {} : { message: gate.message }),
          ...(gate.hint === undefined ? {} : { hint: gate.hint }),
        },
      ];
      const overall = exit.stop === 'timeout' && usedMs >= task.spec.limits.timeoutMs;
      return concluded(task, process, overall, now, { ...set, gateResults: [...task.gateResults, gate] }, events, undefined);
    }
  }
}

/** A setup command or gate is over: a stop or the task's time limit ends the task with it. */
function concluded(
  task: Task,
  process: TaskProcess,
  timedOut: boolean,
  now: Instant,
  set: Partial<Task>,
  events: readonly TaskEventBody[],
  failure: Failure | undefined,
): Decision {
  const closed = process.role === 'setup' ? { attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) } : {};
  if (timedOut) {
    const message = `the task used up its ${task.spec.limits.timeoutMs / 1000} s`;
    return apply(task, now, { edge: 'fail', failure: { reason: 'timeout', message }, set: { ...set, ...closed }, events });
  }
  if (task.stop) {
    const edge = task.stop.kind === 'kill' ? 'fail' : 'cancel';
    return apply(task, now, { edge, failure: stopFailure(task.stop), set: { ...set, ...closed }, events });
  }
  if (failure) return apply(task, now, { edge: 'fail', failure, set: { ...set, ...closed }, events });
  return apply(task, now, { set, events });
}

/** A shim died without an ending. A harness is lost with it; a setup command or a gate is simply run again, uncharged. */
export function died(task: Task, command: Extract<Command, { kind: 'died' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory) return stale(`no process is open in ${command.directory}`);
  const set = { usedMs: task.usedMs + command.usedMs, processes: withProcess(task, command.directory, { state: 'dead' }) };
  const lost: TaskEventBody = { kind: 'process_lost', attempt: process.attempt, role: process.role, ordinal: process.ordinal };
  if (process.role === 'harness') {
    return apply(task, now, {
      set: { ...set, attempts: withAttempt(task, { state: 'lost', endedAt: now, ...beganAt(task, process.openedAt) }) },
      events: [lost, { kind: 'attempt_ended', attempt: process.attempt, state: 'lost' }],
    });
  }
  const failure: Failure | undefined =
    process.run < mostRuns
      ? undefined
      : {
          reason: process.role === 'setup' ? 'setup_failed' : 'gate_could_not_run',
          message: `${process.role} ${process.ordinal + 1} was lost ${process.run} times: its shim died`,
        };
  return concluded(task, process, false, now, set, [lost], failure);
}

/** The daemon won the directory before any shim did: nothing ever ran there. */
export function revoked(task: Task, command: Extract<Command, { kind: 'revoked' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory || process.state !== 'open')
    return stale(`nothing waits for an owner in ${command.directory}`);
  const set = { processes: withProcess(task, command.directory, { state: 'revoked' }) };
  if (process.role !== 'harness') return concluded(task, process, false, now, set, [], undefined);
  const attempts = withAttempt(task, { state: 'revoked', endedAt: now, charged: false });
  const events: TaskEventBody[] = [{ kind: 'attempt_ended', attempt: process.attempt, state: 'revoked' }];
  if (task.stop) {
    const edge = task.stop.kind === 'kill' ? 'fail' : 'cancel';
    return apply(task, now, { edge, failure: stopFailure(task.stop), set: { ...set, attempts }, events });
  }
  return apply(task, now, { edge: 'retry', set: { ...set, attempts }, events });
}

/** An attempt whose `owned` was never committed did start all the same: the shim's own record says when. */
function beganAt(task: Task, startedAt: Instant): { startedAt?: Instant } {
  return newestAttempt(task)?.startedAt === undefined ? { startedAt } : {};
}
