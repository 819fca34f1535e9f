import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Call, CommandModule } from '../call.ts';
import { changeOf, patchBetween, readableBetween, type Change } from '../git/change.ts';
import { git, mustGit } from '../git/git.ts';
import { taskIdOf } from '../task-argument.ts';
import type { Look } from '../terminal/look.ts';
import { paint } from '../terminal/marks.ts';
import { clean } from '../terminal/text.ts';

export const diff: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
Exactly what was judged and kept: from the commit that the task began with to the one that holds its last frozen tree. Elsewhere than on
a terminal it is a patch for git apply.

Examples:
  singletree diff -
  singletree diff 0199c1d4 > change.patch`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const task = await client.tasks.get(await taskIdOf(command.args[0] ?? '-', client));
    const change = await changeOf(task, call.world.env, await call.otherMachine());
    const { base, frozen, repository } = change;
    const patch = await patchBetween(base, frozen, repository);
    if (call.json) return call.printJson(await asJson(change, patch));
    if (patch.length === 0) return call.note('the task changed nothing');
    if (!call.world.stdout.isTTY) call.world.stdout.write(patch);
    else await page(call, change, await readableBetween(base, frozen, repository));
  },
};

async function asJson({ task, base, frozen, repository }: Change, patch: Buffer): Promise<object> {
  const stat = await mustGit(['diff-tree', '-r', '-z', '--numstat', '--no-renames', base, frozen], repository);
  const files = stat
    .toString()
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const [added = '', removed = '', path = ''] = line.split('\t');
      // Binary files have no lines.
      return added === '-' ? { path } : { path, lines_added: Number(added), lines_removed: Number(removed) };
    });
  return { task_id: task.id, base_commit: base, frozen_commit: frozen, frozen_ref: task.frozenRef, files, patch: patch.toString() };
}

/** Through the pager that git would take. What the agent wrote into its files must not reach the terminal as it is. */
async function page(call: Call, { repository }: Change, patch: string): Promise<void> {
  const text = patch
    .split('\n')
    .map((line) => colored(call.look, clean(line)))
    .join('\n');
  const pager = (await git(['var', 'GIT_PAGER'], repository)).stdout.toString().trim();
  if (!call.look.live || pager === '' || pager === 'cat') return void call.world.stdout.write(text);
  const child = spawn('/bin/sh', ['-c', pager], {
    env: { LESS: 'FRX', LV: '-c', ...call.world.env },
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(child, 'close');
  // A pager may be left before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(text);
  await ended;
}

function colored(look: Look, line: string): string {
  if (/^(diff |index |--- |\+\+\+ |new file|deleted file|old mode|new mode|similarity|rename|GIT binary)/.test(line))
    return paint(look, 'bold', line);
  if (line.startsWith('+')) return paint(look, 'green', line);
  if (line.startsWith('-')) return paint(look, 'red', line);
  return line.startsWith('@@') ? paint(look, 'cyan', line) : line;
}
