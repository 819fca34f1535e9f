import { setTimeout as sleep } from 'node:timers/promises';
import { NoDaemonError, type DaemonStatus, type Singletree, type StopMode } from '@singletree/sdk';
import { Option } from 'commander';
import type { CommandModule } from '../call.ts';
import { isAlive } from '../daemon/alive.ts';
import { CommandFailure } from '../failure.ts';
import { plural } from '../terminal/figures.ts';

interface DownFlags {
  readonly leave?: true;
  readonly drain?: true;
  readonly kill?: true;
}

/** How long a daemon may take to stop that waits for nobody. */
const stopLimitMs = 30_000;

export const down: CommandModule = {
  define(command) {
    command
      .addOption(new Option('--leave', 'agents live on, and the next daemon takes them over (default)').conflicts(['drain', 'kill']))
      .addOption(new Option('--drain', 'wait until what runs has finished').conflicts(['leave', 'kill']))
      .addOption(new Option('--kill', 'end the agents too (not built yet)').conflicts(['leave', 'drain']))
      .addHelpText('after', '\nReturns when the daemon has ended.\n\nExample:\n  singletree down --drain');
  },

  async run(call, command) {
    const { drain, kill } = command.opts<DownFlags>();
    const mode: StopMode = drain ? 'drain' : kill ? 'kill' : 'leave';
    const client = await call.client();
    const status = await statusOf(client);
    if (!status) {
      if (call.json) return call.printJson({ stopped: false });
      return call.note('no daemon runs');
    }
    const { pid, tasks } = status;
    const running = (tasks['in_progress'] ?? 0) + (tasks['in_review'] ?? 0);
    await client.daemon.stop({ mode });
    if (mode === 'drain' && running > 0) call.note(`waits for ${plural(running, 'task')}`);
    await ended(pid, mode === 'drain' ? Number.POSITIVE_INFINITY : stopLimitMs);
    if (call.json) return call.printJson({ stopped: true, pid, mode });
    const rest =
      mode === 'leave' && running > 0 ? `; ${plural(running, 'task lives', 'tasks live')} on until the next daemon takes over` : '';
    if (!call.quiet) call.print([`daemon ${pid} has stopped${rest}`]);
  },
};

async function statusOf(client: Singletree): Promise<DaemonStatus | undefined> {
  try {
    return await client.daemon.status();
  } catch (error) {
    if (error instanceof NoDaemonError) return undefined;
    throw error;
  }
}

async function ended(pid: number, limitMs: number): Promise<void> {
  const limit = performance.now() + limitMs;
  while (isAlive(pid)) {
    if (performance.now() > limit) {
      throw new CommandFailure(`daemon ${pid} was asked to stop, but still runs after ${limitMs / 1_000} s`, {
        code: 'deadline_exceeded',
        reason: 'STILL_RUNNING',
        hint: `it may be ended without loss: kill ${pid}`,
      });
    }
    await sleep(20);
  }
}
