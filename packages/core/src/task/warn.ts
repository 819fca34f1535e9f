import { apply, stale, withAttempt, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import type { TaskEventBody } from './events.ts';
import { newestAttempt, type Instant, type Task } from './task.ts';

/** Told once about each thing, whoever looks again: a daemon that adopts an attempt finds what it was warned of. */
export function warn(task: Task, { message, about, live }: Extract<Command, { kind: 'warn' }>, now: Instant): Decision | Refusal {
  const warning: TaskEventBody = { kind: 'warning', message };
  if (about === undefined) return apply(task, now, { events: [warning] });
  const warned = newestAttempt(task)?.warned ?? [];
  if (warned.includes(about)) return stale(`of ${about} it was warned before`);
  return apply(task, now, {
    set: { attempts: withAttempt(task, { warned: [...warned, about], ...(live ? { live } : {}) }) },
    events: [warning],
  });
}
