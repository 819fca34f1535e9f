import { TaskBlockedError, type Singletree, type Task, type TaskCompletionEvent } from '@singletree/sdk';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { Progress } from '../terminal/progress.ts';
import type { Screen } from '../terminal/screen.ts';

/** How a task that was watched came to rest. */
export type Followed =
  | { readonly kind: 'completed'; readonly event: TaskCompletionEvent }
  /** It waits for somebody or something outside, and goes on waiting. */
  | { readonly kind: 'blocked'; readonly task: Task };

export interface FollowOptions {
  readonly screen: Screen;
  /** Which of several tasks this is. */
  readonly of?: string | undefined;
  /** Goes on while the task is blocked. */
  readonly wait?: true | undefined;
  /** Sequence of the last event that has been told; all are told if absent. */
  readonly after?: number | undefined;
  /** Ends the watch: the promise rejects with its reason. */
  readonly signal: AbortSignal;
}

/** Tells how a task goes on until it is final or blocked. */
export async function follow(
  { tasks }: Singletree,
  taskId: string,
  { screen, of, wait, after = 0, signal }: FollowOptions,
): Promise<Followed> {
  const progress = new Progress(screen, { of });
  let away = false;
  const watch = tasks.watch(taskId, {
    signal,
    afterSequence: after,
    whenBlocked: wait ? 'wait' : 'throw',
    onHeartbeat: (heartbeat) => progress.waiting(heartbeat),
    onReconnect: () => {
      if (!away) progress.row({ mark: 'warning', label: 'daemon', text: 'gone; the task lives on, and this waits for the next one' });
      away = true;
    },
  });
  try {
    for await (const event of watch) {
      away = false;
      progress.apply(event);
      if (event.kind === 'completed') return { kind: 'completed', event: event.completed };
    }
  } catch (error) {
    if (!(error instanceof TaskBlockedError)) throw error;
    return { kind: 'blocked', task: error.task };
  } finally {
    progress.close();
  }
  throw new Error(`bug: the events of task ${taskId} ended without a completion`);
}

/** Where a watch is left by Ctrl-C. */
export class Detached extends Error {
  readonly exitCode: ExitCode = exitCodes.cancelled;
}
