import { SingletreeError, type Singletree, type Task } from '@singletree/sdk';
import type { Call } from '../call.ts';
import { codeOfAll, exitCodes, type ExitCode } from '../exit-codes.ts';
import { failureFrom } from '../failure.ts';
import { shortId, shortIds } from '../task-argument.ts';
import { facts } from '../terminal/figures.ts';
import type { Screen } from '../terminal/screen.ts';
import { oneLine } from '../terminal/text.ts';
import { Detached, follow, type Followed, type FollowOptions } from './follow.ts';
import { showResult } from './result.ts';

/** Prints the ids, and how to come back to them. */
export function leave(call: Call, tasks: readonly Task[]): ExitCode {
  const names = shortIds(tasks.map(({ id }) => id));
  for (const { id, rerunOf } of tasks) {
    if (call.json) call.printJson({ task_id: id, ...(rerunOf === undefined ? {} : { rerun_of: rerunOf }) });
    else call.print([id]);
    const name = names.get(id) ?? id;
    if (rerunOf !== undefined) call.note(`does task ${shortId(rerunOf)} again`);
    call.next([
      [`singletree watch ${name}`, 'follows it'],
      [`singletree cancel ${name}`, 'ends it'],
    ]);
  }
  return exitCodes.success;
}

/** Watches all of them at once, and shows how each came to rest in the order of the file. */
export async function watchAll(
  call: Call,
  client: Singletree,
  tasks: readonly Task[],
  { wait }: { readonly wait?: true | undefined },
): Promise<ExitCode> {
  const screen = call.screen();
  const names = shortIds(tasks.map(({ id }) => id));
  const many = tasks.length > 1;
  const of = (at: number): string | undefined => (many ? `#${at + 1}` : undefined);
  for (const [at, task] of tasks.entries()) introduce(call, screen, task, of(at));
  const leaving = new AbortController();
  const stopListening = onInterrupts(call, screen, client, tasks, leaving);
  try {
    const followed = tasks.map((task, at) => follow(client, task.id, { screen, of: of(at), wait, signal: leaving.signal }));
    await Promise.all(followed);
    const codes: ExitCode[] = [];
    for (const [at, { id }] of tasks.entries()) {
      const name = many ? (names.get(id) ?? id) : '-';
      const found = (await followed[at]) ?? missing();
      const now = many ? await asItIsNow(client, id, found, { screen, of: of(at), signal: leaving.signal }) : found;
      codes.push(await showResult(call, now, { client, taskId: id, name, of: of(at) }));
    }
    return codeOfAll(codes);
  } catch (error) {
    screen.close();
    if (!(error instanceof Detached)) throw error;
    call.note('\nleft; the daemon goes on. To come back:');
    call.next(tasks.map(({ id }) => [`singletree watch ${shortId(id)}`, 'follows it to its end']));
    return error.exitCode;
  } finally {
    stopListening();
  }
}

/** A task that was blocked may have gone on while others were watched: then it is watched on. */
async function asItIsNow(client: Singletree, id: string, found: Followed, options: FollowOptions): Promise<Followed> {
  for (let now = found; ;) {
    if (now.kind === 'completed') return now;
    const task = await client.tasks.get(id);
    if (task.blocked) return { kind: 'blocked', task };
    now = await follow(client, id, { ...options, after: now.task.lastSequence });
  }
}

function missing(): never {
  throw new Error('bug: a task was not followed');
}

function introduce(call: Call, screen: Screen, task: Task, of: string | undefined): void {
  const { id, title, workspace, permissions, harness, rerunOf } = task;
  const again = rerunOf === undefined ? undefined : `does ${shortId(rerunOf)} again`;
  screen.heading(oneLine(title), facts(`task ${shortId(id)}`, again, workspace.mode, `permissions: ${permissions}`), of);
  if (permissions === 'all' && harness === 'claude_code' && process.getuid?.() === 0)
    call.warn('this is root: Claude Code is told that it is sandboxed, because it would refuse permissions all otherwise');
}

/** The first Ctrl-C asks to cancel, the second leaves. */
function onInterrupts(call: Call, screen: Screen, client: Singletree, tasks: readonly Task[], leaving: AbortController): () => void {
  let asked = false;
  return call.world.onInterrupt(() => {
    if (asked) return leaving.abort(new Detached('left by the second Ctrl-C'));
    asked = true;
    screen.row({ mark: 'cancelled', label: 'Ctrl-C', text: 'asks to cancel; once more leaves without waiting' });
    const failed = (error: unknown): void => screen.row({ mark: 'warning', label: 'cancel', text: oneLine(failureFrom(error).message) });
    for (const { id } of tasks) void cancelUnfinished(client, id).catch(failed);
  });
}

async function cancelUnfinished({ tasks }: Singletree, id: string): Promise<void> {
  try {
    await tasks.cancel(id, { by: process.env['USER'] ?? 'singletree run', why: 'Ctrl-C' });
  } catch (error) {
    // It was faster.
    if (!(error instanceof SingletreeError && error.reason === 'ILLEGAL_TRANSITION')) throw error;
  }
}
