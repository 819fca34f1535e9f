import { openProcess, type GateSpec, type Instant, type Task } from './task.ts';

/** What must be done now for a task. `wait` without a time ends only by a command. */
export type Step =
  | { readonly kind: 'prepare' | 'follow' | 'reconcile' | 'judge' | 'none' }
  | { readonly kind: 'wait'; readonly until?: Instant };

/** Asked after every commit, when a wait is over and when the daemon starts: there is no other way to go on. */
export function next(task: Task): Step {
  switch (task.state) {
    case 'created':
      return { kind: 'wait', until: task.notBefore ?? task.createdAt };
    case 'assigned':
      return { kind: 'prepare' };
    case 'in_progress':
      return { kind: openProcess(task) ? 'follow' : 'reconcile' };
    case 'in_review':
      return { kind: 'judge' };
    case 'blocked':
      return task.blocked?.until === undefined ? { kind: 'wait' } : { kind: 'wait', until: task.blocked.until };
    case 'completed':
    case 'failed':
    case 'cancelled':
      return { kind: 'none' };
  }
}

/** The first setup command that has not passed in the newest attempt's preparation. */
export function setupToRun(task: Task): { readonly command: string; readonly ordinal: number } | undefined {
  const passed = task.processes.filter(({ role, state, exit }) => role === 'setup' && state === 'exited' && exit?.code === 0);
  const ordinal = task.spec.setup.findIndex((_, index) => !passed.some((process) => process.ordinal === index));
  const command = task.spec.setup[ordinal];
  return command === undefined ? undefined : { command, ordinal };
}

/** The first gate of the newest attempt that has no result yet. */
export function gateToRun(task: Task): { readonly gate: GateSpec; readonly ordinal: number } | undefined {
  const attempt = task.attempts.at(-1)?.number;
  const ordinal = task.spec.gates.findIndex(
    (_, index) => !task.gateResults.some((result) => result.attempt === attempt && result.ordinal === index),
  );
  const gate = task.spec.gates[ordinal];
  return gate ? { gate, ordinal } : undefined;
}
