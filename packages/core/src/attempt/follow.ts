import { join } from 'node:path';
import type { Command } from '../task/commands.ts';
import { newestAttempt, openProcess, type LimitStop, type LiveProgress, type Task } from '../task/task.ts';
import { Concerns } from './concerns.ts';
import { pricedSoFar } from './costs.ts';
import { toldCalls } from './ledger.ts';
import { Metering } from './metering.ts';
import type { Rooms } from './rooms.ts';
import { StepFailure, Superseded } from './step-failure.ts';
import { secretsOf } from './secrets.ts';
import { exitOf, supervise, withoutExit } from './supervise.ts';
import { DecoderFailure, lengthsOf, Transcript } from './transcript.ts';
import { isStop, type Concern } from './watchdogs/concern.ts';
import { needsDaemon } from './watchdogs/daemon-limits.ts';

/** Reads the harness's output while it lives, looks whether anything is wrong, and says how it ended. Each batch of events and its offset are one commit. */
export async function follow(task: Task, rooms: Rooms): Promise<Command> {
  const attempt = newestAttempt(task);
  const process = openProcess(task);
  if (!attempt || !process) throw new Error(`bug: task ${task.id} has nothing to follow`);
  const plugin = rooms.plugins.get(attempt.harness);
  const directory = join(rooms.processes.root, process.directory);
  const { maxOutputBytes } = task.spec.limits;
  const transcript = new Transcript(directory, plugin, attempt, attempt.recorded, maxOutputBytes, rooms.watchdogs);
  using metering = new Metering(task, directory, transcript, plugin, rooms, rooms.environment);
  const { hold, meter } = metering;
  const concerns = new Concerns(task, directory, transcript, metering, rooms);
  const told = new Set(attempt.warned);
  /** Why it is stopped: what an earlier daemon has found is in no event of the harness's. */
  let why = [...told].some(isStop) ? attempt.live?.concern : undefined;
  let stop: LimitStop | undefined;

  const isCounted = needsDaemon(task, plugin.harness.capabilities);
  const guarded = (look: () => void): void => {
    try {
      look();
    } catch {
      // The look that follows meets the same, and says so.
    }
  };
  const onHint = (): void => {
    if (!isCounted) return;
    guarded(() => {
      transcript.advance();
      metering.look();
    });
  };
  const onHeld = (): void => {
    onHint();
    guarded(() => hold.join());
  };
  using watching = isCounted ? rooms.lookout?.watch(directory, task, onHeld) : undefined;

  const live = (): LiveProgress => {
    // Stopped for what is counted, it is told with what has been counted since.
    const concern = metering.why(stop) ?? why;
    return { ...transcript.live(), ...meter?.live, ...(concern === undefined ? {} : { concern }) };
  };
  const execute = async (command: Command, what: string): Promise<void> => {
    const executed = await rooms.engine.execute(task.id, command, task.fence);
    if (executed.kind !== 'done') throw new Superseded(`${what} is not recorded: ${executed.kind}`);
  };
  const record = async (final?: { stdout: number; stderr: number }): Promise<void> => {
    if (stop === 'given_up') return;
    try {
      for await (const batch of transcript.read(final)) {
        metering.look();
        const calls = pricedSoFar(toldCalls(attempt.number, batch.events, rooms.now()), rooms.prices, plugin.harness.provider);
        const command = { kind: 'record' as const, attempt: attempt.number, ...batch, calls, live: live() };
        await execute(command, `${batch.source} from ${batch.from}`);
      }
    } catch (error) {
      if (!(error instanceof DecoderFailure)) throw error;
      stop = 'given_up'; // reconcile meets the same failure and names it
    }
  };
  const tell = async (concern: Concern): Promise<void> => {
    if (told.has(concern.about)) return;
    if (concern.stop) why ??= concern.message;
    const { about, message } = concern;
    await execute({ kind: 'warn', about, message: concern.stop ? `${message}: it is stopped` : message, live: live() }, about);
    told.add(about);
  };
  const ownStop = async (): Promise<LimitStop | undefined> => {
    metering.check();
    hold.begin();
    for (const concern of stop ? [] : await concerns.look()) {
      await tell(concern);
      stop ??= concern.stop;
    }
    // Whoever is asked to end must be awake: nobody else may hold it from now on.
    if (stop) watching?.[Symbol.dispose]();
    return stop;
  };

  // A key that has gone since the attempt was prepared revokes it: the next preparation says what is wrong.
  const secrets = () =>
    secretsOf(plugin, attempt.apiKeyVariable).catch((error: unknown) => {
      if (error instanceof StepFailure) return undefined;
      throw error;
    });
  // What is about to begin may be there in an instant; what has begun long since is looked at without waiting for anybody.
  if (process.state === 'open') await watching?.ready;
  const ended = await supervise(task, process, rooms, { secrets, onHint, onOutput: record, ownStop });
  if (ended.kind === 'dead') await record(lengthsOf(directory));
  if (ended.kind === 'exited') await record(ended.exit.lengths);
  for (const concern of concerns.drifts()) await tell(concern);
  if (ended.kind !== 'exited') return withoutExit(ended, process.directory);
  return { kind: 'exited', directory: process.directory, exit: exitOf(ended.exit) };
}
