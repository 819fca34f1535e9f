import type { Command } from '../task/commands.ts';
import type { KillSwitch } from '../task/scopes.ts';
import type { Task } from '../task/task.ts';

/** What a kill switch asks of a task that it hits. */
export function killing({ scope, by, why }: KillSwitch): Extract<Command, { kind: 'stop' }> {
  return { kind: 'stop', stop: 'kill', by, scope, ...(why === undefined ? {} : { why }) };
}

/** Whether nothing could stop it harder than it is being stopped already. */
export function isKilled({ stop }: Task): boolean {
  return stop !== undefined && (stop.harder ?? stop.kind) === 'kill';
}
