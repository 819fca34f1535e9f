import type { Capabilities } from '@singletree/harness';
import type { Task } from '../../task/task.ts';
import { stopFor, type Concern } from './concern.ts';
import { near, warnedAt } from './limits.ts';
import type { Turns } from './turns.ts';

/**
 * The limits that only a daemon can compare, since they count what a decoder reads. A process that has one of them is vouched for, and its shim ends
 * it where nobody does so.
 */
export function needsDaemon({ spec: { limits } }: Pick<Task, 'spec'>, capabilities: Capabilities): boolean {
  return limits.maxTurns !== undefined && tellsTurns(capabilities);
}

/** Whether a CLI tells each of its model calls while it works. */
export function tellsTurns({ usage }: Capabilities): boolean {
  return usage !== 'none' && usage.scope === 'model_call';
}

/** Whether a limit over all attempts is used up before another one begins, and which. */
export function usedUp(task: Task): Concern | undefined {
  return daemonLimits(task, 'none').find(({ stop }) => stop !== undefined);
}

/**
 * How a task stands with these limits.
 *
 * @param turns the calls of the attempt that runs; `none` before it has begun: beginning it would be going on
 */
export function daemonLimits(task: Task, turns: Pick<Turns, 'count' | 'goesOn'> | 'untold' | 'none'): Concern[] {
  const { maxTurns } = task.spec.limits;
  if (maxTurns === undefined) return [];
  if (turns === 'untold') {
    return [{ about: 'turns', message: `${task.spec.harness} does not tell its model calls: max_turns cannot hold it` }];
  }
  const { count, goesOn } = turns === 'none' ? { count: 0, goesOn: true } : turns;
  const used = turnsBefore(task, turns !== 'none') + count;
  // The call that would be one too many cannot be seen as it begins: it shows when its answer comes, or when the last one's tools have theirs.
  const isOver = used > maxTurns || (used === maxTurns && goesOn);
  return [
    near('turns', used, maxTurns, `${warnedAt * 100} % of the task's ${maxTurns} model calls are used up`),
    isOver
      ? { about: stopFor('turns'), message: `all ${maxTurns} model calls of the task are used up`, stop: 'turn_limit' as const }
      : undefined,
  ].filter((concern) => concern !== undefined);
}

/** Calls of the attempts that have ended. One whose calls nobody counted adds none: the limit may then be reached late, never early. */
function turnsBefore({ attempts }: Task, runs: boolean): number {
  const ended = runs ? attempts.slice(0, -1) : attempts;
  return ended.reduce((sum, { account }) => sum + (account?.turns ?? 0), 0);
}
