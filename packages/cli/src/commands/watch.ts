import { toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { codeOfCompletion, exitCodes, type ExitCode } from '../exit-codes.ts';
import { shortId, taskIdOf } from '../task-argument.ts';
import { facts } from '../terminal/figures.ts';
import { oneLine } from '../terminal/text.ts';
import { Detached, follow } from './follow.ts';
import { showResult } from './result.ts';

export const watch: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
TASK is an id, the beginning of one, or - for the newest, which is the default. Ctrl-C leaves; the task goes on.
With --json each event is an object on a line of its own; the last one has the kind "completed".

Examples:
  singletree watch -
  singletree watch 0199c1d4 --json | jq -c '.text.text // empty'`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const taskId = await taskIdOf(command.args[0] ?? '-', client);
    const leaving = new AbortController();
    const stopListening = call.world.onInterrupt(() => leaving.abort(new Detached('left by Ctrl-C')));
    try {
      if (call.json) {
        let code: ExitCode = exitCodes.failure;
        for await (const event of client.tasks.watch(taskId, { signal: leaving.signal })) {
          call.printJson(toJson(event));
          if (event.kind === 'completed') code = codeOfCompletion(event.completed);
        }
        return code;
      }
      const { id, title, workspace, permissions } = await client.tasks.get(taskId);
      const screen = call.screen();
      screen.heading(oneLine(title), facts(`task ${shortId(id)}`, workspace.mode, `permissions: ${permissions}`));
      const followed = await follow(client, id, { screen, signal: leaving.signal });
      return await showResult(call, followed, { client, taskId: id, name: shortId(id) });
    } catch (error) {
      if (!(error instanceof Detached)) throw error;
      call.note('left; the task goes on');
      return error.exitCode;
    } finally {
      stopListening();
    }
  },
};
