import { toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { shortId, taskIdOf } from '../task-argument.ts';

export const unblock: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
A blocked task goes on by itself when what it waits for is over: a quota is reset, the agent is logged in. This does not wait for it. A
task that was blocked in review is judged again, without a new attempt.

Example:
  singletree unblock -`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const task = await client.tasks.unblock(await taskIdOf(command.args[0] ?? '-', client));
    if (call.json) return call.printJson(toJson(task));
    call.print([call.quiet ? task.id : `task ${shortId(task.id)} ${task.state === 'in_review' ? 'is judged again' : 'goes on'}`]);
    call.next([[`singletree watch ${shortId(task.id)}`, 'follows it']]);
  },
};
