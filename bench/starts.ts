import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestDaemon } from '../test/support/daemon.ts';
import { commandProgram } from '../test/support/programs.ts';
import { compare, timed } from './rounds.ts';

const against = 'node -e 0';

/** How long a person waits for a daemon, and for a command that asks nobody. With compiled code kept, as the command does. */
export async function starts(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-bench-'));
  const daemon = new TestDaemon({ folder });
  const bare = (): Promise<number> => timed(() => ended(['-e', '0']));
  try {
    const subject = async (): Promise<number> => {
      const ms = await timed(() => daemon.start());
      await daemon.stop();
      return ms;
    };
    await compare({ name: 'start of a daemon', unit: 'ms', subject, baseline: bare, against }, rounds);
    for (const argv of [['version'], ['--help'], ['ls', '--state', daemon.state]]) {
      const typed = (): Promise<number> => timed(() => ended([commandProgram, ...argv]));
      await compare({ name: `singletree ${argv[0]}`, unit: 'ms', subject: typed, baseline: bare, against }, rounds);
    }
  } finally {
    await daemon[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

async function ended(args: readonly string[]): Promise<void> {
  await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'exit');
}
