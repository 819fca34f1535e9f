import { apply, illegal, stale, withAttempt, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import type { TaskEventBody } from './events.ts';
import { gateToRun, setupToRun } from './next.ts';
import { isQuiet, newestAttempt, startedAttempts, type Instant, type Task, type TaskProcess } from './task.ts';

/** Whether the workspace is there, its base is not settled yet, and nothing runs in it: the time for the next setup command. */
export function isBeingMade(task: Task): boolean {
  return task.state === 'assigned' && task.workspace !== undefined && task.base === undefined && isQuiet(task);
}

/** Names the directory of the setup command or gate that is due, and only of that one. */
export function openSetupOrGate(task: Task, command: Extract<Command, { kind: 'open_process' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  const { role, ordinal, directory } = command;
  const possible = role === 'setup' ? isBeingMade(task) : task.state === 'in_review' && isQuiet(task);
  if (!attempt || !possible) return illegal(task, command);
  if (isUsed(task, directory)) return stale(`${directory} was used before`);
  const opened: TaskProcess = { attempt: attempt.number, role, ordinal, directory, state: 'open', openedAt: now };
  const event = started(task, attempt.number, role, ordinal);
  if (!event) return stale(`task ${task.id} has no ${role} ${ordinal} to run now`);
  return apply(task, now, { set: { processes: [...task.processes, opened] }, events: [event] });
}

function started(task: Task, attempt: number, role: 'setup' | 'gate', ordinal: number): TaskEventBody | undefined {
  if (role === 'setup') {
    const due = setupToRun(task);
    return due?.ordinal === ordinal ? { kind: 'setup_started', attempt, ordinal, command: due.command } : undefined;
  }
  const due = gateToRun(task);
  return due?.ordinal === ordinal ? { kind: 'gate_started', attempt, ordinal, name: due.gate.name, command: due.gate.command } : undefined;
}

/** A directory tells of one process only: named again, it would give the ending of the one before. */
function isUsed(task: Task, directory: string): boolean {
  return task.processes.some((process) => process.directory === directory);
}

/** Names the harness's directory. The process is started after this is committed. */
export function start(task: Task, command: Extract<Command, { kind: 'start' }>, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  if (task.state !== 'assigned' || !attempt || !task.base || !isQuiet(task)) return illegal(task, command);
  const { kind: _, baseline, warning, ...begun } = command;
  const { directory } = begun;
  if (isUsed(task, directory)) return stale(`${directory} was used before`);
  const process: TaskProcess = { attempt: attempt.number, role: 'harness', ordinal: 0, directory, state: 'open', openedAt: now };
  return apply(task, now, {
    edge: 'start',
    set: {
      processes: [...task.processes, process],
      attempts: withAttempt(task, { ...begun, ...(baseline ? { baseline } : {}) }),
    },
    events: warning !== undefined && startedAttempts(task).length === 0 ? [{ kind: 'warning', message: warning }] : [],
  });
}
