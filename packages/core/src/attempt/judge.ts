import { join } from 'node:path';
import { shellCommand } from '../gates/result.ts';
import type { Command } from '../task/commands.ts';
import { gateToRun } from '../task/next.ts';
import { newestAttempt, openProcess, type GateResult, type Task, type TaskProcess } from '../task/task.ts';
import { gateResult } from './gate-result.ts';
import { prepareProcess } from './processes.ts';
import type { Rooms } from './rooms.ts';
import { exitOf, supervise, withoutExit } from './supervise.ts';

/** Runs the next gate on the frozen tree, outside the agent; when each has spoken, the life cycle decides. */
export async function judge(task: Task, rooms: Rooms): Promise<Command> {
  const process = openProcess(task);
  if (process) return await finishGate(task, process, rooms);
  const tree = newestAttempt(task)?.tree;
  if (!tree) throw new Error(`bug: task ${task.id} is in review without a frozen tree`);
  // Before the first gate and after each: what a gate changed must not be judged by the next one, nor be kept.
  await rooms.workspaces.restore(task, tree);
  const due = gateToRun(task);
  if (!due) return { kind: 'judged' };
  const { gate, ordinal } = due;
  const cwd = await rooms.workspaces.enter(task);
  const run = { role: 'gate' as const, ordinal, ...shellCommand(gate.command), cwd, timeoutMs: gate.timeoutMs };
  return { kind: 'open_process', role: 'gate', ordinal, directory: await prepareProcess(task, run, rooms) };
}

async function finishGate(task: Task, process: TaskProcess, rooms: Rooms): Promise<Command> {
  const gate = task.spec.gates[process.ordinal];
  if (!gate) throw new Error(`bug: task ${task.id} has no gate ${process.ordinal}`);
  const ended = await supervise(task, process, rooms, {});
  if (ended.kind !== 'exited') return withoutExit(ended, process.directory);
  const exit = exitOf(ended.exit);
  const place = { attempt: process.attempt, ordinal: process.ordinal };
  const where = { directory: join(rooms.processes.root, process.directory), cwd: task.workspace?.cwd ?? '/' };
  const result = { ...(await gateResult(gate, place, exit, where)), ...(exit.stop === undefined ? await changedBy(task, rooms) : {}) };
  return { kind: 'exited', directory: process.directory, exit, gate: result };
}

/** Whether the gate that has just ended changed the tree that it judged. In place nothing is put back, so of later ones nobody can tell. */
async function changedBy(task: Task, rooms: Rooms): Promise<Pick<GateResult, 'changedTree'>> {
  const attempt = newestAttempt(task);
  if (!attempt?.tree) return {};
  const isMixed =
    task.spec.workspace.mode === 'in_place' && task.gateResults.some((gate) => gate.attempt === attempt.number && gate.changedTree);
  return isMixed ? {} : { changedTree: (await rooms.workspaces.restore(task, attempt.tree)).length > 0 };
}
