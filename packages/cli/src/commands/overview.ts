import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { statePaths } from '@singletree/core/local';
import { NoDaemonError, stateFolder, toJson, type DaemonStatus, type Singletree, type Task } from '@singletree/sdk';
import type { Call, CommandModule } from '../call.ts';
import { exitCodes } from '../exit-codes.ts';
import { listLines } from './ls.ts';
import { statusLines } from './status.ts';

/** What `singletree` alone says: status and what needs you; on a machine where it is new, what to type first. */
export const overview: CommandModule = {
  define() {},

  async run(call) {
    const client = await call.client();
    const status = await statusOf(call, client);
    if (!status) return call.json ? call.printJson({}) : withoutDaemon(call);
    if (call.json) return call.printJson(toJson(status));
    call.print(statusLines(status, call.look, Date.now()));
    const tasks: Task[] = [];
    for await (const task of client.tasks.list({ states: ['blocked'] })) tasks.push(task);
    if (tasks.length > 0) call.print(['', ...listLines(tasks, call.look, Date.now())]);
    return exitCodes.success;
  },
};

async function statusOf(call: Call, client: Singletree): Promise<DaemonStatus | undefined> {
  try {
    return await client.daemon.status();
  } catch (error) {
    // One that was named by its address is none that would be started here.
    if (error instanceof NoDaemonError && !call.isRemote) return undefined;
    throw error;
  }
}

function withoutDaemon(call: Call): void {
  const { env } = call.world;
  const configuration =
    env['SINGLETREE_CONFIG'] || join(env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? '', '.config'), 'singletree', 'config.yaml');
  const isNew = !existsSync(configuration) && !existsSync(statePaths(stateFolder(call.target)).database);
  call.print([isNew ? '  Runs coding-agent tasks and judges what they made. Type first:' : '  no daemon runs', '']);
  call.print(
    (isNew
      ? [
          ['singletree demo', 'see it work in a minute, without a key'],
          ['singletree harnesses', 'which coding agents are installed and logged in'],
          ['singletree run --gate test="npm test" "…"', 'give one of them a task in this repository'],
        ]
      : [
          ['singletree up --detach', 'starts the daemon'],
          ['singletree run "…"', 'starts it too, for a task'],
        ]
    ).map(([command = '', does = '']) => `  ${command.padEnd(41)}   ${does}`),
  );
}
