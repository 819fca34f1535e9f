import { apply, illegal, stale, withAttempt, type Decision, type Refusal } from './change.ts';
import type { Command, CommandKind } from './commands.ts';
import { isBeingMade, openSetupOrGate, start } from './decide-open.ts';
import { died, exited, owned, record, revoked } from './decide-process.ts';
import { judged, reconciled } from './decide-result.ts';
import { stopped } from './ending.ts';
import type { TaskEventBody } from './events.ts';
import { setupToRun } from './next.ts';
import { retryRule } from './retry.ts';
import {
  isDue,
  isFinal,
  isQuiet,
  newestAttempt,
  openProcess,
  type Attempt,
  type Failure,
  type Instant,
  type Stop,
  type StopKind,
  type Task,
} from './task.ts';
import { warn } from './warn.ts';

/** What may come to a task that nobody drives. Everything else is a driver's, and a driver has the lease. */
const withoutLease: readonly CommandKind[] = ['stop', 'unblock', 'expire', 'claim', 'block'];
const softToHard: readonly StopKind[] = ['cancel', 'terminate', 'kill'];

/** What a command does to a task: the task after it and the events to append, or why it is refused. Never touches the world. */
export function decide(task: Task, command: Command, now: Instant): Decision | Refusal {
  if (isFinal(task.state) || (!task.lease && !withoutLease.includes(command.kind))) return illegal(task, command);
  switch (command.kind) {
    case 'stop':
      return stop(task, command, now);
    case 'unblock':
      return unblock(task, command, now);
    case 'expire':
      return expire(task, command, now);
    case 'claim':
      return claim(task, command, now);
    case 'take_over':
      return takeOver(task, command, now);
    case 'open_workspace':
      if (task.state !== 'assigned' || task.workspace) return illegal(task, command);
      const { head } = command.workspace;
      return apply(task, now, {
        set: { workspace: command.workspace },
        events: [{ kind: 'workspace_opened', root: command.workspace.root, ...(head === undefined ? {} : { head }) }],
      });
    case 'open_process':
      return openSetupOrGate(task, command, now);
    case 'set_base':
      if (!isBeingMade(task) || setupToRun(task)) return illegal(task, command);
      return apply(task, now, { set: { base: command.base } });
    case 'start':
      return start(task, command, now);
    case 'owned':
      return owned(task, command, now);
    case 'warn':
      return warn(task, command, now);
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
    case 'block':
      return giveUp(task, command, now);
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
  if (runs) return apply(task, now, { set: { stop: task.stop ? harden(task.stop, wish) : wish }, events: [event] });
  // The kill switch ends what runs. What only was about to start goes back into the queue, where the switch holds it.
  if (command.stop === 'kill' && task.state === 'assigned' && task.processes.length === 0) return giveBack(task, event, now);
  const end = stopped(wish);
  return apply(task, now, { ...end, set: { stop: wish, ...closeAttempt(task, now, end.failure, true) }, events: [event] });
}

function giveBack(task: Task, event: TaskEventBody, now: Instant): Decision {
  return apply(task, now, {
    edge: 'release',
    set: { attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) },
    events: [event],
  });
}

/** The first stop stays the cause; a later one only makes it harder. */
function harden(first: Stop, { kind, ...later }: Stop): Stop {
  const hardest = first.harder ?? first.kind;
  if (softToHard.indexOf(kind) <= softToHard.indexOf(hardest)) return first;
  return { ...first, harder: kind, ...(kind === 'kill' ? { killSwitch: later } : {}) };
}

function claim(task: Task, command: Extract<Command, { kind: 'claim' }>, now: Instant): Decision | Refusal {
  if (task.state === 'in_review' && !task.lease) {
    return apply(task, now, { set: { lease: { owner: command.owner }, fence: task.fence + 1 } });
  }
  if (task.state !== 'created') return illegal(task, command);
  if (task.notBefore !== undefined && !isDue(task, now))
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

function takeOver(task: Task, command: Extract<Command, { kind: 'take_over' }>, now: Instant): Decision {
  const attempt = newestAttempt(task);
  const running = openProcess(task)?.role === 'harness' && attempt;
  return apply(task, now, {
    set: { lease: { owner: command.owner }, fence: task.fence + 1 },
    events: running ? [{ kind: 'adopted', attempt: running.number, ...running.recorded }] : [],
  });
}

/**
 * A step cannot be done: the task fails, or is parked uncharged where its rules let it wait for that. A stop that was recorded before decides all
 * the same.
 */
function giveUp(task: Task, command: Extract<Command, { kind: 'fail' | 'block' }>, now: Instant): Decision | Refusal {
  if (task.state === 'blocked' || !isQuiet(task)) return illegal(task, command);
  const { kind, ...why } = command;
  const edge = retryRule(why.reason, task.spec.retry).action === 'fail' ? 'fail' : kind;
  const end = task.stop ? stopped(task.stop) : { edge, failure: { reason: why.reason, message: why.message } };
  const from: 'in_review' | 'created' = task.state === 'in_review' ? 'in_review' : 'created';
  return apply(task, now, {
    ...end,
    set: { ...closeAttempt(task, now, end.failure, end.edge !== 'block'), ...(end.edge === 'block' ? { blocked: { ...why, from } } : {}) },
  });
}

/** Back to where it came from. In review the gates run again: what blocked the task may have changed what they find. */
function unblock(task: Task, command: Extract<Command, { kind: 'unblock' }>, now: Instant): Decision | Refusal {
  if (!task.blocked) return illegal(task, command);
  if (task.blocked.from === 'created') return apply(task, now, { edge: 'unblock' });
  const judged = newestAttempt(task)?.number;
  return apply(task, now, { edge: 'unblock_review', set: { gateResults: task.gateResults.filter(({ attempt }) => attempt !== judged) } });
}

/** It is not worth waiting any longer. Whoever says so has measured the time that it was blocked since then. */
function expire(task: Task, command: Extract<Command, { kind: 'expire' }>, now: Instant): Decision | Refusal {
  if (!task.blocked) return illegal(task, command);
  if (task.since !== command.since) return stale(`task ${task.id} has gone on meanwhile`);
  const { reason, message } = task.blocked;
  return apply(task, now, { edge: 'fail', failure: { reason, message } });
}

/** A task that ends or waits leaves no attempt half open behind it: one that never started is revoked, one that ended says why. */
function closeAttempt(task: Task, now: Instant, failure: Failure, charged: boolean): Partial<Task> {
  if (newestAttempt(task)?.state === 'prepared') {
    return { attempts: withAttempt(task, { state: 'revoked', endedAt: now, charged: false }) };
  }
  return task.state === 'in_progress' ? { attempts: withAttempt(task, { failure, charged }, ['live']) } : {};
}
