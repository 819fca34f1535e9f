import type { Singletree, TaskCompletionEvent } from '@singletree/sdk';
import type { Call } from '../call.ts';
import { codeOfCompletion, exitCodes, type ExitCode } from '../exit-codes.ts';
import { completionLines, completionRow } from '../terminal/completion.ts';
import { linesOf } from '../terminal/row.ts';
import type { Followed } from './follow.ts';

export interface ShowOptions {
  readonly client: Singletree;
  readonly taskId: string;
  /** How the next commands name the task. */
  readonly name: string;
  /** Which of several tasks this is. */
  readonly of?: string | undefined;
}

/** Shows how a task came to rest, and what can be done with it. Gives the exit code. */
export async function showResult(call: Call, followed: Followed, { client, taskId, name, of }: ShowOptions): Promise<ExitCode> {
  if (followed.kind === 'needs_you') {
    call.note(`\n  the task waits for you: ${followed.message}`);
    call.next([
      [`singletree watch ${name}`, 'goes on watching'],
      [`singletree cancel ${name}`, 'gives it up'],
    ]);
    return exitCodes.needsYou;
  }
  const { event } = followed;
  if (call.json) await printJson(call, event);
  else {
    const task = await client.tasks.get(taskId);
    const row = completionRow(event);
    call.print([...linesOf(of === undefined ? row : { ...row, of }, call.look), ...completionLines(event, task, call.look)]);
    if ((event.filesChanged ?? 0) > 0 && task.workspace.mode !== 'in_place') {
      call.note('');
      call.next([
        [`singletree diff ${name}`, 'shows the change'],
        [`singletree apply ${name}`, `brings it into ${task.workspace.path}`],
      ]);
    }
  }
  return codeOfCompletion(event);
}

async function printJson(call: Call, event: TaskCompletionEvent): Promise<void> {
  const { toJson } = await import('@singletree/sdk');
  call.printJson(toJson(event));
}
