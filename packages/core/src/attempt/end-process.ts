import type { Command } from '../task/commands.ts';
import type { GateResult, Task, TaskProcess } from '../task/task.ts';
import type { Rooms } from './rooms.ts';
import { exitOf, supervise, withoutExit } from './supervise.ts';

/** Ends the open process of a task that cannot go on: by the file protocol alone, so that what stands in the way is not asked again. */
export async function endProcess(task: Task, process: TaskProcess, rooms: Rooms, why: string): Promise<Command> {
  const { directory } = process;
  const ended = await supervise(task, process, rooms, { secrets: async () => undefined, ownStop: async () => 'given_up' });
  if (ended.kind !== 'exited') return withoutExit(ended, directory);
  const exit = exitOf(ended.exit);
  const gate = process.role === 'gate' ? { gate: errored(task, process, exit, why) } : {};
  return { kind: 'exited', directory, exit, message: why, ...gate };
}

/** A gate that was ended from outside has judged nothing. */
function errored(
  task: Task,
  process: TaskProcess,
  { startedAt, endedAt }: Pick<GateResult, 'startedAt' | 'endedAt'>,
  why: string,
): GateResult {
  const gate = task.spec.gates[process.ordinal];
  if (!gate) throw new Error(`bug: task ${task.id} has no gate ${process.ordinal}`);
  const { name, kind, required } = gate;
  return { attempt: process.attempt, ordinal: process.ordinal, name, kind, required, verdict: 'errored', startedAt, endedAt, message: why };
}
