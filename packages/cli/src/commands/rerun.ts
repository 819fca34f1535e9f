import type { CommandModule } from '../call.ts';
import { ensureDaemon } from '../daemon/ensure.ts';
import { taskIdOf } from '../task-argument.ts';
import { leave, watchAll } from './watching.ts';

export const rerun: CommandModule = {
  define(command) {
    command
      .option('--detach', 'print the id of the new task and leave it to the daemon')
      .option('--wait', 'go on watching while the task is blocked')
      .option('--config <FILE>', 'configuration of the daemon that is started where none runs')
      .addHelpText(
        'after',
        `
Creates a new task with the content of a finished one, and watches it as run does. The old one stays as it is. The work begins anew, from
the HEAD of now, in a workspace of its own.

Examples:
  singletree rerun -
  singletree rerun 0199c1d4 --detach`,
      );
  },

  async run(call, command) {
    const { detach, wait, config } = command.opts<{ detach?: true; wait?: true; config?: string }>();
    await ensureDaemon(call, config);
    const client = await call.client();
    const task = await client.tasks.rerun(await taskIdOf(command.args[0] ?? '-', client));
    return detach ? leave(call, [task]) : await watchAll(call, client, [task], { wait });
  },
};
