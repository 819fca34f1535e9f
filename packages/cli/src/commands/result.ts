import { TaskBlockedError, toJson, type Singletree, type Task } from '@singletree/sdk';
import { jsonLine, type Call } from '../call.ts';
import { codeOfBlocked, codeOfCompletion, type ExitCode } from '../exit-codes.ts';
import { failureFrom, failureJson } from '../failure.ts';
import { shortId } from '../task-argument.ts';
import { blockedUntil, blockedWhy } from '../terminal/blocked.ts';
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
  if (followed.kind === 'blocked') return showBlocked(call, followed.task);
  const { event } = followed;
  if (call.json) call.printJson(toJson(event));
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

/** Says why a task waits that is watched no longer, until when, and how to come back. Gives the exit code. */
export function showBlocked(call: Call, task: Task): ExitCode {
  if (call.json) call.world.stderr.write(`${jsonLine(failureJson(failureFrom(new TaskBlockedError(task))))}\n`);
  else {
    const name = shortId(task.id);
    const until = task.blocked && blockedUntil(task.blocked, Date.now());
    call.note(`\n  task ${name} is blocked: ${task.blocked ? blockedWhy(task.blocked) : ''}`);
    if (until) call.note(`  ${until}`);
    call.next([
      [`singletree unblock ${name}`, 'lets it go on now'],
      [`singletree watch ${name}`, 'follows it when it goes on by itself; with --wait, until then too'],
      [`singletree cancel ${name}`, 'gives it up'],
    ]);
  }
  return codeOfBlocked(task.blocked?.reason);
}
