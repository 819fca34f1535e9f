import { join } from 'node:path';
import type { Command } from '../task/commands.ts';
import { newestAttempt, openProcess, type Task } from '../task/task.ts';
import type { Rooms } from './rooms.ts';
import { StepFailure, Superseded } from './step-failure.ts';
import { secretsOf } from './secrets.ts';
import { exitOf, supervise, withoutExit } from './supervise.ts';
import { DecoderFailure, lengthsOf, Transcript } from './transcript.ts';

/** Reads the harness's output while it lives and says how it ended. Each batch of events and its offset are one commit. */
export async function follow(task: Task, rooms: Rooms): Promise<Command> {
  const attempt = newestAttempt(task);
  const process = openProcess(task);
  if (!attempt || !process) throw new Error(`bug: task ${task.id} has nothing to follow`);
  const plugin = rooms.plugins.get(attempt.harness);
  const directory = join(rooms.processes.root, process.directory);
  const transcript = new Transcript(directory, plugin.harness, attempt.baseline, attempt.recorded, task.spec.limits.maxOutputBytes);
  let broken = false;

  const record = async (final?: { stdout: number; stderr: number }): Promise<'terminate' | undefined> => {
    if (broken) return undefined;
    try {
      for await (const batch of transcript.read(final)) {
        const executed = await rooms.engine.execute(
          task.id,
          { kind: 'record', attempt: attempt.number, ...batch, live: transcript.live() },
          task.fence,
        );
        if (executed.kind !== 'done') throw new Superseded(`${batch.source} from ${batch.from} is not recorded: ${executed.kind}`);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof DecoderFailure)) throw error;
      broken = true; // reconcile meets the same failure and names it
      return 'terminate';
    }
  };

  // A key that has gone since the attempt was prepared revokes it: the next preparation says what is wrong.
  const secrets = () =>
    secretsOf(plugin, attempt.apiKeyVariable).catch((error: unknown) => {
      if (error instanceof StepFailure) return undefined;
      throw error;
    });
  const ended = await supervise(task, process, rooms, { secrets, onOutput: record });
  if (ended.kind === 'dead') await record(await lengthsOf(directory));
  if (ended.kind !== 'exited') return withoutExit(ended, process.directory);
  await record(ended.exit.lengths);
  return { kind: 'exited', directory: process.directory, exit: exitOf(ended.exit) };
}
