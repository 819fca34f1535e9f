import { toJson, type StopSettings, type Task, type Tasks } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { shortId, taskIdOf } from '../task-argument.ts';

export const cancel: CommandModule = stopping({
  name: 'cancel',
  help: `
Asks the agent to end, and ends it after a grace. Returns when the wish is on disk; the task is cancelled when its processes are gone. What
it has made until then is kept.

Examples:
  singletree cancel -
  singletree cancel 0199c1d4 --reason "the wrong branch"`,
  stop: (tasks, taskId, settings) => tasks.cancel(taskId, settings),
});

export const terminate: CommandModule = stopping({
  name: 'terminate',
  help: `
Ends the agent at once, without asking it first: for one that does not listen, or must not write another byte. Returns when that is on disk;
the task is cancelled when its processes are gone. What is in its workspace by then is kept.

Examples:
  singletree terminate -
  singletree terminate 0199c1d4 --reason "writes into the wrong folder"`,
  stop: (tasks, taskId, settings) => tasks.terminate(taskId, settings),
});

interface Stopping {
  readonly name: string;
  readonly help: string;
  readonly stop: (tasks: Tasks, taskId: string, settings: StopSettings) => Promise<Task>;
}

function stopping({ name, help, stop }: Stopping): CommandModule {
  return {
    define(command) {
      command.option('--reason <TEXT>', 'why, kept with the task').addHelpText('after', help);
    },

    async run(call, command) {
      const client = await call.client();
      const taskId = await taskIdOf(command.args[0] ?? '-', client);
      const { reason } = command.opts<{ reason?: string }>();
      const task = await stop(client.tasks, taskId, { by: call.world.env['USER'] ?? `singletree ${name}`, why: reason });
      if (call.json) return call.printJson(toJson(task));
      const ended = task.completion !== undefined;
      call.print([
        call.quiet ? task.id : `task ${shortId(task.id)} ${ended ? 'is cancelled' : 'will be cancelled as soon as its processes are gone'}`,
      ]);
    },
  };
}
