import { setTimeout as sleep } from 'node:timers/promises';
import { NoDaemonError, type DaemonStatus, type Singletree, type StopMode } from '@singletree/sdk';
import { Option } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import { isAlive } from '../daemon/alive.ts';
import { answering } from '../daemon/answering.ts';
import { CommandFailure } from '../failure.ts';
import { plural } from '../terminal/figures.ts';

interface DownFlags {
  readonly leave?: true;
  readonly drain?: true;
  readonly kill?: true;
}

/** How long a daemon may take to stop: one that waits for nobody, one that ends what runs, by graces and a sweep, one that waits for that. */
const stopLimitsMs: Readonly<Record<StopMode, number>> = { leave: 30_000, kill: 90_000, drain: Number.POSITIVE_INFINITY };

export const down: CommandModule = {
  define(command) {
    command
      .addOption(new Option('--leave', 'agents live on, and the next daemon takes them over (default)').conflicts(['drain', 'kill']))
      .addOption(new Option('--drain', 'wait until what runs has finished').conflicts(['leave', 'kill']))
      .addOption(new Option('--kill', 'end what runs first; its tasks are cancelled').conflicts(['leave', 'drain']))
      .addHelpText(
        'after',
        `
Returns when the daemon has ended. With --kill what runs is told to end, and killed after a grace: its tasks are CANCELLED, what they have made
is kept. Tasks in the queue wait for the next daemon.

Examples:
  singletree down --drain
  singletree down --kill`,
      );
  },

  async run(call, command) {
    const { drain, kill } = command.opts<DownFlags>();
    const mode: StopMode = drain ? 'drain' : kill ? 'kill' : 'leave';
    const client = await call.client();
    const status = await statusOf(call, client);
    if (!status) {
      if (call.json) return call.printJson({ stopped: false });
      return call.note('no daemon runs');
    }
    const { pid, tasks } = status;
    const isOverTcp = await call.isOverTcp();
    const running = (tasks['in_progress'] ?? 0) + (tasks['in_review'] ?? 0);
    await client.daemon.stop({ mode });
    if (mode !== 'leave' && running > 0) call.note(`${mode === 'drain' ? 'waits for' : 'ends'} ${plural(running, 'task')}`);
    // Over TCP its number may be somebody else's here.
    const isThere = async (): Promise<boolean> => (isOverTcp ? (await answering(call.target)) !== undefined : isAlive(pid));
    await untilGone(isThere, status, stopLimitsMs[mode]);
    if (call.json) return call.printJson({ stopped: true, pid, mode });
    const rest =
      mode === 'leave' && running > 0 ? `; ${plural(running, 'task lives', 'tasks live')} on until the next daemon takes over` : '';
    if (!call.quiet) call.print([`daemon ${pid} has stopped${rest}`]);
  },
};

async function statusOf(call: Call, client: Singletree): Promise<DaemonStatus | undefined> {
  try {
    return await client.daemon.status();
  } catch (error) {
    // Of one that was named by its address nobody knows whether it runs.
    if (error instanceof NoDaemonError && !call.isRemote) return undefined;
    throw error;
  }
}

async function untilGone(isThere: () => Promise<boolean>, { pid }: DaemonStatus, limitMs: number): Promise<void> {
  const limit = performance.now() + limitMs;
  while (await isThere()) {
    if (performance.now() > limit) {
      throw new CommandFailure(`daemon ${pid} was asked to stop, but still runs after ${limitMs / 1_000} s`, {
        code: 'deadline_exceeded',
        reason: 'STILL_RUNNING',
        hint: `it may be ended without loss, on its machine: kill ${pid}`,
      });
    }
    await sleep(20);
  }
}
