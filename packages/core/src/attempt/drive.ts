import { DomainError } from '../errors.ts';
import type { Command } from '../task/commands.ts';
import { next, type Step } from '../task/next.ts';
import { isFinal, openProcess, type Task } from '../task/task.ts';
import { endProcess } from './end-process.ts';
import { follow } from './follow.ts';
import { judge } from './judge.ts';
import { prepare } from './prepare.ts';
import { reconcile } from './reconcile.ts';
import type { Rooms } from './rooms.ts';
import { StepFailure, Superseded } from './step-failure.ts';

type Work = Exclude<Step['kind'], 'wait' | 'none'>;

const steps: Readonly<Record<Work, (task: Task, rooms: Rooms) => Promise<Command>>> = { prepare, follow, reconcile, judge };

/** Refusals in a row after which the driver gives the task back: the facts that it states no longer fit, and asking again does not help. */
const mostRefusals = 20;

/**
 * Takes a claimed task as far as it goes. Safe to begin again after a crash: every step first looks at what its earlier try
 * left. Returns when the task waits or has ended, or when somebody else holds it.
 *
 * @param givingUp no step is tried any more: what runs is ended, and the task fails with this, or as a recorded stop wants it
 */
export async function drive(taskId: string, fence: number, rooms: Rooms, givingUp?: StepFailure): Promise<void> {
  for (let refusals = 0; ;) {
    const task = await rooms.store.task(taskId);
    if (!task) return;
    if (isFinal(task.state)) return await rooms.workspaces.close(task);
    const step = next(task);
    if (step.kind === 'none' || step.kind === 'wait' || !task.lease || task.fence !== fence) return;
    const command = givingUp ? await failing(task, givingUp, rooms) : await perform(step.kind, task, rooms);
    const executed = command && (await rooms.engine.execute(taskId, command, fence));
    if (executed?.kind === 'fenced') return;
    refusals = executed?.kind === 'done' ? 0 : refusals + 1;
    if (refusals >= mostRefusals) throw new Error(`task ${taskId}: step "${step.kind}" is refused again and again`);
  }
}

/** The step's one command; none if the task moved on meanwhile. */
async function perform(kind: Work, task: Task, rooms: Rooms): Promise<Command | undefined> {
  try {
    return await steps[kind](task, rooms);
  } catch (error) {
    if (error instanceof Superseded) return undefined;
    const failure = asFailure(error);
    if (failure) return await failing(task, failure, rooms);
    throw error;
  }
}

/** A task fails only once nothing of it runs any more. What its attempt has used and made is kept as far as that can be told all the same. */
async function failing(task: Task, failure: StepFailure, rooms: Rooms): Promise<Command> {
  const process = openProcess(task);
  if (process) return await endProcess(task, process, rooms, failure.message);
  const { reason, message } = failure;
  const kept = task.state === 'in_progress' ? await reconcile(task, rooms).catch(() => undefined) : undefined;
  return kept?.kind === 'reconciled' ? { ...kept, failure: { reason, message } } : { kind: 'fail', reason, message };
}

/** What the machine or the configuration has lost since the task was made: trying again would change nothing. */
const lostSince = ['UNKNOWN_HARNESS', 'GIT_MISSING', 'GIT_TOO_OLD'];

function asFailure(error: unknown): StepFailure | undefined {
  if (error instanceof StepFailure) return error;
  if (error instanceof DomainError && lostSince.includes(error.reason)) {
    return new StepFailure('invalid_configuration', error.message, { cause: error });
  }
  return undefined;
}
