import { apply, illegal, stale, withAttempt, withProcess, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import { exited, died, revoked } from './decide-process.ts';
import { judged, reconciled } from './decide-result.ts';
import { gateToRun, isQuiet, stopFailure } from './ending.ts';
import {
  isFinal,
  newestAttempt,
  openProcess,
  type Attempt,
  type Instant,
  type Stop,
  type StopKind,
  type Task,
  type TaskProcess,
} from './task.ts';

const softToHard: readonly StopKind[] = ['cancel', 'terminate', 'kill'];

/** What a command does to a task: the task after it and the events to append, or why it is refused. Never touches the world. */
export function decide(task: Task, command: Command, now: Instant): Decision | Refusal {
  if (isFinal(task.state)) return illegal(task, command);
  switch (command.kind) {
    case 'stop':
      return stop(task, command, now);
    case 'unblock':
      if (!task.blocked) return illegal(task, command);
      return apply(task, now, { edge: task.blocked.from === 'in_review' ? 'unblock_review' : 'unblock', unset: ['blocked'] });
    case 'claim':
      return claim(task, command, now);
    case 'take_over':
      return takeOver(task, command, now);
    case 'open_workspace':
      if (task.state !== 'assigned') return illegal(task, command);
      const { head } = command.workspace;
      return apply(task, now, {
        set: { workspace: command.workspace },
        events: [{ kind: 'workspace_opened', root: command.workspace.root, ...(head === undefined ? {} : { head }) }],
      });
    case 'open_process':
      return openSetupOrGate(task, command, now);
    case 'set_base':
      return task.state === 'assigned' && task.workspace && isQuiet(task)
        ? apply(task, now, { set: { base: command.base } })
        : illegal(task, command);
    case 'start':
      return start(task, command, now);
    case 'owned':
      return owned(task, command, now);
    case 'record':
      return record(task, command, now);
    case 'exited':
      return exited(task, command, now);
    case 'died':
      return died(task, command, now);
    case 'revoked':
      return revoked(task, command, now);
    case 'reconciled':
      return reconciled(task, command, now);
    case 'judged':
      return judged(task, command, now);
    case 'release':
      if (task.state !== 'assigned' || !isQuiet(task)) return illegal(task, command);
      return apply(task, now, {
        edge: 'release',
        set: { notBefore: command.notBefore, attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) },
        events: [{ kind: 'warning', message: command.message }],
      });
    case 'fail':
      if (task.state === 'created' || task.state === 'blocked' || !isQuiet(task)) return illegal(task, command);
      return apply(task, now, { edge: 'fail', failure: { reason: command.reason, message: command.message }, ...closeAttempt(task, now) });
    case 'block':
      if (task.state === 'blocked' || !isQuiet(task)) return illegal(task, command);
      return apply(task, now, {
        edge: 'block',
        failure: { reason: command.reason, message: command.message },
        set: {
          blocked: {
            reason: command.reason,
            message: command.message,
            from: task.state === 'in_review' ? 'in_review' : 'created',
            ...(command.until === undefined ? {} : { until: command.until }),
          },
          ...closeAttempt(task, now).set,
        },
      });
  }
}

/** Without a process a stop is carried out at once; else it is recorded, and the step that watches the process hands it on. */
function stop(task: Task, command: Extract<Command, { kind: 'stop' }>, now: Instant): Decision {
  const wish = {
    kind: command.stop,
    by: command.by,
    at: now,
    ...(command.why === undefined ? {} : { why: command.why }),
    ...(command.scope === undefined ? {} : { scope: command.scope }),
  };
  const event = {
    kind: 'stop_requested' as const,
    stop: wish.kind,
    by: wish.by,
    ...(command.why === undefined ? {} : { why: command.why }),
  };
  const runs = !isQuiet(task) || task.state === 'in_progress';
  if (runs) return apply(task, now, { set: { stop: task.stop ? harden(task.stop, wish.kind) : wish }, events: [event] });
  return apply(task, now, {
    edge: wish.kind === 'kill' ? 'fail' : 'cancel',
    failure: stopFailure(wish),
    set: { stop: wish, ...closeAttempt(task, now).set },
    events: [event],
  });
}

/** The first stop stays the cause; a later one only makes it harder. */
function harden(first: Stop, later: StopKind): Stop {
  const hardest = first.harder ?? first.kind;
  return softToHard.indexOf(later) > softToHard.indexOf(hardest) ? { ...first, harder: later } : first;
}

function claim(task: Task, command: Extract<Command, { kind: 'claim' }>, now: Instant): Decision | Refusal {
  if (task.state === 'in_review' && !task.lease) {
    return apply(task, now, { set: { lease: { owner: command.owner }, fence: task.fence + 1 } });
  }
  if (task.state !== 'created') return illegal(task, command);
  if (task.notBefore !== undefined && task.notBefore > now)
    return stale(`task ${task.id} waits until ${new Date(task.notBefore).toISOString()}`);
  const attempt: Attempt = {
    number: task.attempts.length + 1,
    state: 'prepared',
    harness: task.spec.harness,
    preparedAt: now,
    recorded: { stdout: 0, stderr: 0 },
    ...(task.spec.model === undefined ? {} : { requestedModel: task.spec.model }),
  };
  return apply(task, now, {
    edge: 'assign',
    set: {
      lease: { owner: command.owner },
      fence: task.fence + 1,
      attempts: [...task.attempts, attempt],
      processes: [],
      dispatchedAt: task.dispatchedAt ?? now,
      ...(command.estimate && !task.estimate ? { estimate: command.estimate } : {}),
    },
  });
}

function takeOver(task: Task, command: Extract<Command, { kind: 'take_over' }>, now: Instant): Decision | Refusal {
  if (!task.lease) return illegal(task, command);
  const attempt = newestAttempt(task);
  const running = openProcess(task)?.role === 'harness' && attempt;
  return apply(task, now, {
    set: { lease: { owner: command.owner }, fence: task.fence + 1 },
    events: running ? [{ kind: 'adopted', attempt: running.number, ...running.recorded }] : [],
  });
}

function openSetupOrGate(task: Task, command: Extract<Command, { kind: 'open_process' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  const place = command.role === 'setup' ? 'assigned' : 'in_review';
  if (!attempt || task.state !== place || !isQuiet(task)) return illegal(task, command);
  const run = task.processes.filter((process) => process.role === command.role && process.ordinal === command.ordinal).length + 1;
  const opened: TaskProcess = {
    attempt: attempt.number,
    role: command.role,
    ordinal: command.ordinal,
    run,
    directory: command.directory,
    state: 'open',
    openedAt: now,
  };
  const setup = task.spec.setup[command.ordinal];
  const gate = gateToRun(task);
  if (command.role === 'setup' && setup !== undefined) {
    return apply(task, now, {
      set: { processes: [...task.processes, opened] },
      events: [{ kind: 'setup_started', attempt: attempt.number, ordinal: command.ordinal, command: setup }],
    });
  }
  if (command.role === 'gate' && gate?.ordinal === command.ordinal) {
    const { name, command: line } = gate.gate;
    return apply(task, now, {
      set: { processes: [...task.processes, opened] },
      events: [{ kind: 'gate_started', attempt: attempt.number, ordinal: command.ordinal, name, command: line }],
    });
  }
  return stale(`task ${task.id} has no ${command.role} ${command.ordinal} to run now`);
}

function start(task: Task, command: Extract<Command, { kind: 'start' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  if (task.state !== 'assigned' || !attempt || !task.base || !isQuiet(task)) return illegal(task, command);
  const { kind: _, baseline, ...begun } = command;
  const { directory } = begun;
  const process: TaskProcess = { attempt: attempt.number, role: 'harness', ordinal: 0, run: 1, directory, state: 'open', openedAt: now };
  return apply(task, now, {
    edge: 'start',
    set: {
      processes: [...task.processes, process],
      attempts: withAttempt(task, { ...begun, ...(baseline ? { baseline } : {}) }),
    },
  });
}

function owned(task: Task, command: Extract<Command, { kind: 'owned' }>, now: Instant): Decision | Refusal {
  const process = openProcess(task);
  const attempt = newestAttempt(task);
  if (!attempt || process?.directory !== command.directory || process.state !== 'open')
    return stale(`nothing waits for an owner in ${command.directory}`);
  const processes = withProcess(task, command.directory, { state: 'owned', pid: command.pid });
  if (process.role !== 'harness') return apply(task, now, { set: { processes } });
  return apply(task, now, {
    set: { processes, attempts: withAttempt(task, { state: 'started', startedAt: command.at }) },
    events: [
      {
        kind: 'attempt_started',
        attempt: attempt.number,
        harness: attempt.harness,
        resumed: attempt.session?.resumed ?? false,
        pid: command.pid,
        ...(attempt.session ? { sessionId: attempt.session.id } : {}),
      },
    ],
  });
}

/** Output is recorded in gapless ranges: a batch that does not begin where the last one ended is somebody else's. */
function record(task: Task, command: Extract<Command, { kind: 'record' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  if (task.state !== 'in_progress' || !attempt) return illegal(task, command);
  if (attempt.number !== command.attempt || attempt.recorded[command.source] !== command.from || command.to <= command.from) {
    return stale(
      `${command.source} of attempt ${command.attempt} is recorded up to ${attempt.recorded[command.source]}, not ${command.from}`,
    );
  }
  return apply(task, now, {
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
}

/** A task that ends or waits leaves no attempt half open behind it. */
function closeAttempt(task: Task, now: Instant): { set: Partial<Task> } {
  const attempt = newestAttempt(task);
  if (attempt?.state !== 'prepared') return { set: {} };
  return { set: { attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) } };
}
