import { advised } from './advice.ts';
import { apply, illegal, stale, withAttempt, withProcess, type Change, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import { diskFull, stopBehind, stopped, timedOut } from './ending.ts';
import type { TaskEventBody } from './events.ts';
import { gateToRun } from './next.ts';
import { lotOf, nextTry, retryRule } from './retry.ts';
import {
  newestAttempt,
  openProcess,
  type Attempt,
  type Blocked,
  type Failure,
  type GateResult,
  type Instant,
  type ProcessExit,
  type Task,
  type TaskProcess,
} from './task.ts';

/** Shims of one setup command or gate that may die before the daemon gives up. */
const mostLost = 3;

/** A shim owns the directory, so it starts the process or has started it. */
export function owned(task: Task, command: Extract<Command, { kind: 'owned' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  const attempt = newestAttempt(task);
  if (!attempt || process?.directory !== command.directory || process.state !== 'open')
    return stale(`nothing waits for an owner in ${command.directory}`);
  const processes = withProcess(task, command.directory, { state: 'owned', pid: command.pid });
  const { sandbox } = command;
  if (process.role !== 'harness') return apply(task, now, { set: { processes } });
  return apply(task, now, {
    set: {
      processes,
      attempts: withAttempt(task, { state: 'started', startedAt: command.at, ...(sandbox === undefined ? {} : { sandbox }) }),
    },
    events: [
      {
        kind: 'attempt_started',
        attempt: attempt.number,
        harness: attempt.harness,
        resumed: attempt.session?.resumed === true,
        pid: command.pid,
        ...(sandbox === undefined ? {} : { sandbox }),
      },
    ],
  });
}

/** Output is recorded in gapless ranges: a batch that does not begin where the last one ended is somebody else's. */
export function record(task: Task, command: Extract<Command, { kind: 'record' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  if (!attempt || openProcess(task)?.role !== 'harness') return illegal(task, command);
  if (attempt.number !== command.attempt || attempt.recorded[command.source] !== command.from || command.to <= command.from) {
    return stale(
      `${command.source} of attempt ${command.attempt} is recorded up to ${attempt.recorded[command.source]}, not ${command.from}`,
    );
  }
  const decision = apply(task, now, {
    set: {
      attempts: withAttempt(task, {
        recorded: { ...attempt.recorded, [command.source]: command.to },
        ...(command.live ? { live: command.live } : {}),
      }),
    },
    events: [
      ...command.events.map((event) => ({ kind: 'harness' as const, attempt: attempt.number, event })),
      { kind: 'output_recorded', attempt: attempt.number, source: command.source, from: command.from, to: command.to },
    ],
  });
  const { calls: entries = [] } = command;
  return entries.length === 0 ? decision : { ...decision, ledger: { attempt: attempt.number, entries, whole: false } };
}

/** A supervised process has ended and its shim wrote down how. For a harness the edge follows later, from the reconciliation. */
export function exited(task: Task, command: Extract<Command, { kind: 'exited' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory) return stale(`no process is open in ${command.directory}`);
  const { exit, gate, message } = command;
  switch (process.role) {
    case 'harness':
      return harnessExited(task, process, exit, now);
    case 'setup':
      return setupExited(task, process, exit, message, now);
    case 'gate':
      return gate ? gateExited(task, process, exit, gate, now) : stale(`the gate in ${command.directory} has no verdict`);
  }
}

function harnessExited(task: Task, process: TaskProcess, exit: ProcessExit, now: Instant): Decision {
  const { startedAt, endedAt, code, signal, survivors } = exit;
  return apply(task, now, {
    set: {
      ...closed(task, process, { state: 'exited', exit }, exit.durationMs),
      attempts: withAttempt(task, { state: 'ended', endedAt, exit, ...beganAt(task, startedAt), ...surviving(task, survivors) }),
    },
    events: [
      {
        kind: 'attempt_ended',
        attempt: process.attempt,
        state: 'ended',
        ...(code === null ? {} : { exitCode: code }),
        ...(signal === null ? {} : { signal }),
      },
    ],
  });
}

function setupExited(task: Task, process: TaskProcess, exit: ProcessExit, message: string | undefined, now: Instant): Decision {
  const { attempt, ordinal } = process;
  const passed = exit.code === 0 && exit.stop === undefined;
  return concluded(task, process, now, {
    set: closed(task, process, { state: 'exited', exit }, exit.durationMs),
    exit,
    survivors: exit.survivors,
    events: [
      {
        kind: 'setup_finished',
        attempt,
        ordinal,
        passed,
        durationMs: exit.durationMs,
        ...(exit.code === null ? {} : { exitCode: exit.code }),
        ...(exit.signal === null ? {} : { signal: exit.signal }),
        ...(message === undefined ? {} : { message }),
      },
    ],
    ...(passed ? {} : setupEnd(task, process, exit, message)),
  });
}

/** One that the daemon gave up is run again, or failed with what stood in the daemon's way: the command is not at fault. */
function setupEnd(task: Task, { ordinal }: TaskProcess, exit: ProcessExit, message: string | undefined): Partial<Conclusion> {
  switch (exit.stop) {
    case 'timeout':
      return { limit: timedOut(task) };
    case 'disk_full':
      return { park: diskFull(task, `setup command ${ordinal + 1}`) };
    case 'given_up':
      return {};
    default:
      return { failure: { reason: 'setup_failed', message: message ?? `setup command ${ordinal + 1} failed` } };
  }
}

/**
 * A gate may have a time limit of its own; that one only decides its verdict. One that was stopped together with its task was not at fault and
 * found nothing: it has no result, as if it had not been run.
 */
function gateExited(task: Task, process: TaskProcess, exit: ProcessExit, gate: GateResult, now: Instant): Decision {
  const set = closed(task, process, { state: 'exited', exit }, exit.durationMs);
  const { survivors, stop } = exit;
  const ended = { set, exit, survivors, events: [] };
  if (stop === 'cancel' || stop === 'terminate' || stop === 'kill') return concluded(task, process, now, ended);
  if (stop === 'disk_full') return concluded(task, process, now, { ...ended, park: diskFull(task, `gate ${gate.name}`) });
  return concluded(task, process, now, {
    ...ended,
    set: { ...set, gateResults: [...task.gateResults, gate] },
    events: [gateFinished(gate, exit.durationMs)],
    ...(stop === 'timeout' && set.usedMs >= task.spec.limits.timeoutMs ? { limit: timedOut(task) } : {}),
  });
}

/** A shim died without an ending. A harness is lost with it; a setup command or a gate is simply run again, uncharged. */
export function died(task: Task, command: Extract<Command, { kind: 'died' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory) return stale(`no process is open in ${command.directory}`);
  const { attempt, role, ordinal } = process;
  const { survivors, usedMs } = command;
  const set = closed(task, process, { state: 'dead' }, usedMs);
  const lost: TaskEventBody = { kind: 'process_lost', attempt, role, ordinal };
  if (role === 'harness') {
    const attempts = withAttempt(task, {
      state: 'lost',
      endedAt: now,
      ...beganAt(task, process.openedAt),
      ...surviving(task, survivors),
    });
    return apply(task, now, { set: { ...set, attempts }, events: [lost, { kind: 'attempt_ended', attempt, state: 'lost' }] });
  }
  const times = set.processes.filter((each) => each.role === role && each.ordinal === ordinal && each.state === 'dead').length;
  if (times < mostLost) return concluded(task, process, now, { set, survivors, events: [lost] });
  const message = `its shim died ${times} times`;
  const gate = role === 'gate' && gateToRun(task)?.gate;
  if (!gate) {
    const failure: Failure = { reason: 'setup_failed', message: `setup command ${ordinal + 1} could not be run: ${message}` };
    return concluded(task, process, now, { set, survivors, events: [lost], failure });
  }
  const { name, kind, required } = gate;
  const place = { attempt, ordinal, startedAt: process.openedAt, endedAt: now };
  const result: GateResult = { ...place, name, kind, required, verdict: 'errored', message };
  return concluded(task, process, now, {
    set: { ...set, gateResults: [...task.gateResults, result] },
    survivors,
    events: [lost, gateFinished(result, usedMs)],
  });
}

/** Attempts that are prepared and never started are not charged, so they need an end of their own. */
const mostRevoked = 10;

/** The daemon won the directory before any shim did: nothing ever ran there. */
export function revoked(task: Task, command: Extract<Command, { kind: 'revoked' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  if (process?.directory !== command.directory || process.state !== 'open')
    return stale(`nothing waits for an owner in ${command.directory}`);
  const set = closed(task, process, { state: 'revoked' }, 0);
  if (process.role !== 'harness') return concluded(task, process, now, { set, survivors: [], events: [] });
  // One that was given back before it had a directory is not a start that did not succeed.
  const times = task.attempts.filter(({ state, directory }) => state === 'revoked' && directory !== undefined).length + 1;
  const failure: Failure = { reason: 'internal', message: advised('internal', `${times} attempts could not be started`) };
  return apply(task, now, {
    ...(task.stop ? stopped(task.stop) : times < mostRevoked ? { edge: 'retry' } : { edge: 'fail', failure }),
    set: { ...set, attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) },
    events: [{ kind: 'attempt_ended', attempt: process.attempt, state: 'revoked' }],
  });
}

interface Conclusion {
  readonly set: Partial<Task>;
  readonly exit?: ProcessExit;
  readonly survivors: readonly number[];
  readonly events: readonly TaskEventBody[];
  /** The task's own limit, which was the cause: no stop that came later changes that. */
  readonly limit?: Failure;
  readonly failure?: Failure;
  /** What stood in the way and may pass: the task comes back to where it is. */
  readonly park?: Failure;
}

/** A setup command or gate is over: the task's time limit, a stop or a failure ends the task with it, else the next step follows. */
function concluded(task: Task, process: TaskProcess, now: Instant, conclusion: Conclusion): Decision {
  const { exit, survivors, events, limit, park } = conclusion;
  const stop = limit ? undefined : stopBehind(task, exit);
  const parks = park !== undefined && retryRule(park.reason, task.spec.retry).action !== 'fail';
  const cause = limit ?? conclusion.failure ?? park;
  const end: Pick<Change, 'edge' | 'failure'> = stop ? stopped(stop) : cause ? { edge: parks ? 'block' : 'fail', failure: cause } : {};
  const set = { ...conclusion.set, ...(parks && !stop ? { blocked: parkedFor(task, park, now) } : {}) };
  const never = end.edge && process.role === 'setup' ? ({ state: 'revoked', endedAt: now, charged: false } as const) : {};
  return apply(task, now, { ...end, set: { ...set, attempts: withAttempt(task, { ...surviving(task, survivors), ...never }) }, events });
}

/** It waits as an attempt with this failure would wait before its first retry. */
function parkedFor(task: Task, failure: Failure, now: Instant): Blocked {
  const until = nextTry(retryRule(failure.reason, task.spec.retry), 0, lotOf(task.id, task.version), now, undefined);
  return { ...failure, from: task.state === 'in_review' ? 'in_review' : 'created', until };
}

function gateFinished({ attempt, ordinal, name, verdict, exitCode, message, hint }: GateResult, durationMs: number): TaskEventBody {
  return {
    kind: 'gate_finished',
    attempt,
    ordinal,
    name,
    verdict,
    durationMs,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(message === undefined ? {} : { message }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** A process that is over has used up some of the task's time. */
function closed(task: Task, { directory }: TaskProcess, end: Partial<TaskProcess>, usedMs: number): Pick<Task, 'usedMs' | 'processes'> {
  return { usedMs: task.usedMs + usedMs, processes: withProcess(task, directory, end) };
}

/** An attempt whose `owned` was never committed did start all the same: the shim's own record says when. */
function beganAt(task: Task, startedAt: Instant): Pick<Attempt, 'startedAt'> {
  return newestAttempt(task)?.startedAt === undefined ? { startedAt } : {};
}

/** What outlived its sweep is named on the attempt, whichever of its processes left it. */
function surviving(task: Task, pids: readonly number[]): Pick<Attempt, 'survivors'> {
  return pids.length === 0 ? {} : { survivors: [...(newestAttempt(task)?.survivors ?? []), ...pids] };
}
