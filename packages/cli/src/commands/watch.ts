import { TaskBlockedError, toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { codeOfCompletion, exitCodes, type ExitCode } from '../exit-codes.ts';
import { shortId, taskIdOf } from '../task-argument.ts';
import { facts } from '../terminal/figures.ts';
import { oneLine } from '../terminal/text.ts';
import { Detached, follow } from './follow.ts';
import { showBlocked, showResult } from './result.ts';

export const watch: CommandModule = {
  define(command) {
    command.option('--wait', 'go on watching while the task is blocked').addHelpText(
      'after',
      `
TASK is an id, the beginning of one, or - for the newest, which is the default. Ctrl-C leaves; the task goes on. So does a task that is
blocked: this says why, and ends with 77 (not logged in) or 5 (everything else).
With --json each event is an object on a line of its own; the last one of a task that has ended has the kind "completed".

Examples:
  singletree watch -
  singletree watch 0199c1d4 --json | jq -c '.text.text // empty'`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const { wait } = command.opts<{ wait?: true }>();
    const taskId = await taskIdOf(command.args[0] ?? '-', client);
    const leaving = new AbortController();
    const stopListening = call.world.onInterrupt(() => leaving.abort(new Detached('left by Ctrl-C')));
    try {
      if (call.json) {
        let code: ExitCode = exitCodes.failure;
        for await (const event of client.tasks.watch(taskId, { signal: leaving.signal, whenBlocked: wait ? 'wait' : 'throw' })) {
          call.printJson(toJson(event));
          if (event.kind === 'completed') code = codeOfCompletion(event.completed);
        }
        return code;
      }
      const { id, title, workspace, permissions } = await client.tasks.get(taskId);
      const screen = call.screen();
      screen.heading(oneLine(title), facts(`task ${shortId(id)}`, workspace.mode, `permissions: ${permissions}`));
      const followed = await follow(client, id, { screen, wait, signal: leaving.signal });
      return await showResult(call, followed, { client, taskId: id, name: shortId(id) });
    } catch (error) {
      if (error instanceof TaskBlockedError) return showBlocked(call, error.task);
      if (!(error instanceof Detached)) throw error;
      call.note('left; the task goes on');
      return error.exitCode;
    } finally {
      stopListening();
    }
  },
};
