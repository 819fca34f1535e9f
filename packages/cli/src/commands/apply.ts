import type { CommandModule } from '../call.ts';
import { applyChange, type Applied } from '../git/apply.ts';
import { changeOf } from '../git/change.ts';
import { taskIdOf } from '../task-argument.ts';
import { plural } from '../terminal/figures.ts';

export const apply: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
All or nothing: where the change does not fit onto what is there now, nothing is changed. Nothing is staged or committed.

Example:
  singletree apply -`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const task = await client.tasks.get(await taskIdOf(command.args[0] ?? '-', client));
    const { path, mode } = task.workspace;
    const change = await changeOf(task, call.world.env, await call.otherMachine());
    const result: Applied = mode === 'in_place' ? 'already_there' : await applyChange(change);
    if (call.json) return call.printJson({ task_id: task.id, path, result, files_changed: task.completion?.filesChanged });
    if (call.quiet) return;
    const files = task.completion?.filesChanged;
    const what = files === undefined ? 'the change' : `the change of ${plural(files, 'file')}`;
    call.print([sentences(what, path, mode === 'in_place')[result]]);
  },
};

function sentences(what: string, path: string, inPlace: boolean): Readonly<Record<Applied, string>> {
  return {
    applied: `${what} is in ${path} now, not staged`,
    merged: `${what} is in ${path} now, merged with what was changed there meanwhile, not staged`,
    already_there: inPlace ? `the task worked in place: ${what} is in ${path} already` : `${what} is in ${path} already`,
    nothing: 'the task changed nothing',
  };
}
