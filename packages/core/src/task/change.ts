import { completionOf, type CompletionEvent } from './completion.ts';
import type { Command } from './commands.ts';
import type { TaskEvent, TaskEventBody } from './events.ts';
import type { LedgerChange } from './ledger.ts';
import { isFinal, type Attempt, type Failure, type Instant, type PhaseTimes, type Task, type TaskProcess, type TaskState } from './task.ts';
import { mayTake, transitions, type Edge } from './transitions.ts';

/** A task after a command, with the events to append and, in a final state, the one completion event. */
export interface Decision {
  readonly task: Task;
  readonly events: readonly TaskEvent[];
  readonly completion?: CompletionEvent;
  readonly ledger?: LedgerChange;
}

/** Why a command does nothing. `stale` means that its facts are about a task that has moved on: ask `next` again. */
export interface Refusal {
  readonly refused: 'illegal_transition' | 'stale';
  readonly message: string;
}

export interface Change {
  readonly edge?: Edge;
  readonly set?: Partial<Task>;
  readonly events?: readonly TaskEventBody[];
  readonly failure?: Failure;
}

export function illegal(task: Task, command: Command): Refusal {
  return { refused: 'illegal_transition', message: `task ${task.id} is ${task.state}; "${command.kind}" is not possible now` };
}

export function stale(message: string): Refusal {
  return { refused: 'stale', message };
}

export function isRefusal(result: Decision | Refusal): result is Refusal {
  return 'refused' in result;
}

/** Applies a change as one new version of the task. Taking an edge moves the clock of phases, and drops the lease where a task waits or ends. */
export function apply(task: Task, now: Instant, change: Change): Decision {
  const bodies: TaskEventBody[] = [...(change.events ?? [])];
  let after: Task = { ...task, ...change.set, version: task.version + 1, updatedAt: now };
  if (change.edge) {
    const to = transitions[change.edge].to;
    if (!mayTake(change.edge, task.state)) throw new Error(`bug: edge ${change.edge} does not leave ${task.state}`);
    const { notBefore } = change.set ?? {};
    const wait = notBefore !== undefined && notBefore > now ? { notBefore } : {};
    bodies.push({ kind: 'state_changed', from: task.state, to, edge: change.edge, ...reasonOf(change.failure), ...wait });
    after = { ...after, state: to, since: now, phases: addPhase(task, now) };
    if (!holdsLease(to)) after = without(after, ['lease']);
    if (to !== 'created') after = without(after, ['notBefore']);
    if (to !== 'blocked') after = without(after, ['blocked']);
    if (isFinal(to)) {
      if (change.failure) after = { ...after, failure: change.failure, attempts: endedBy(change.failure, after) };
      bodies.push({ kind: 'completed', state: to });
    }
  }
  const events = bodies.map((body, index) => ({ sequence: task.sequence + 1 + index, at: now, body }));
  after = { ...after, sequence: task.sequence + events.length };
  return isFinal(after.state) ? { task: after, events, completion: completionOf(after) } : { task: after, events };
}

/** The attempt with which the task has ended says why, in review too. One that never started, or had its own end before, does not. */
function endedBy(failure: Failure, task: Task): readonly Attempt[] {
  const newest = task.attempts.at(-1);
  const isOpen = newest && newest.state !== 'revoked' && newest.failure === undefined;
  return isOpen ? withAttempt(task, { failure }) : task.attempts;
}

/** The newest attempt, changed. */
export function withAttempt(task: Task, set: Partial<Attempt>, unset: readonly (keyof Attempt)[] = []): readonly Attempt[] {
  const newest = task.attempts.at(-1);
  if (!newest) throw new Error(`bug: task ${task.id} has no attempt to change`);
  const changed: Attempt = { ...newest, ...set };
  return [...task.attempts.slice(0, -1), without(changed, unset)];
}

export function withProcess(task: Task, directory: string, set: Partial<TaskProcess>): readonly TaskProcess[] {
  return task.processes.map((process) => (process.directory === directory ? { ...process, ...set } : process));
}

/** A lease exists exactly where somebody drives the task, never while it waits or has ended. */
function holdsLease(state: TaskState): boolean {
  return state === 'assigned' || state === 'in_progress' || state === 'in_review';
}

const phaseOf: Partial<Record<TaskState, keyof PhaseTimes>> = {
  assigned: 'activeMs',
  in_progress: 'activeMs',
  in_review: 'gateMs',
  created: 'backoffMs',
  blocked: 'blockedMs',
};

/** Every instant after the first dispatch belongs to exactly one phase. A clock that was set back adds nothing. */
function addPhase(task: Task, now: Instant): PhaseTimes {
  const phase = phaseOf[task.state];
  if (!phase || task.dispatchedAt === undefined) return task.phases;
  return { ...task.phases, [phase]: task.phases[phase] + Math.max(0, now - task.since) };
}

function reasonOf(failure: Failure | undefined): { reason?: Failure['reason']; message?: string } {
  return failure ? { reason: failure.reason, message: failure.message } : {};
}

function without<T extends object>(value: T, keys: readonly (keyof T)[]): T {
  const copy = { ...value };
  for (const key of keys) delete copy[key];
  return copy;
}
