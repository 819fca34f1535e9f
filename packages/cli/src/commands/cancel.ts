import { toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { shortId, taskIdOf } from '../task-argument.ts';

export const cancel: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
Returns when the wish is on disk; the task is cancelled when its processes are gone. What it has made until then is kept.

Example:
  singletree cancel -`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const taskId = await taskIdOf(command.args[0] ?? '-', client);
    const task = await client.tasks.cancel(taskId, { by: call.world.env['USER'] ?? 'singletree cancel' });
    if (call.json) return call.printJson(toJson(task));
    const ended = task.completion !== undefined;
    call.print([
      call.quiet ? task.id : `task ${shortId(task.id)} ${ended ? 'is cancelled' : 'will be cancelled as soon as its processes are gone'}`,
    ]);
  },
};
