import type { TaskEvent } from '../../task/events.ts';
import type { FailureReason } from '../../task/reasons.ts';
import type { Instant, Task } from '../../task/task.ts';

/** A time in which nothing of a task ran. */
export interface Wait {
  /** `queue`: before the first dispatch; `backoff`: in the queue again; `blocked`: for something that only others can change. */
  readonly kind: 'queue' | 'backoff' | 'blocked';
  readonly reason?: FailureReason;
  readonly from: Instant;
  readonly to: Instant;
}

/** The waits of a finished task, oldest first, from its changes of state. One that took no time is none. */
export function waitsOf({ createdAt, since }: Pick<Task, 'createdAt' | 'since'>, events: readonly TaskEvent[]): Wait[] {
  const waits: Wait[] = [];
  let open: Omit<Wait, 'to'> | undefined = { kind: 'queue', from: createdAt };
  const close = (to: Instant): void => {
    if (open && to > open.from) waits.push({ ...open, to });
    open = undefined;
  };
  let wasDispatched = false;
  for (const { at, body } of events) {
    if (body.kind !== 'state_changed') continue;
    close(at);
    const reason = body.reason === undefined ? {} : { reason: body.reason };
    if (body.to === 'assigned') wasDispatched = true;
    if (body.to === 'created') open = { kind: wasDispatched ? 'backoff' : 'queue', ...reason, from: at };
    if (body.to === 'blocked') open = { kind: 'blocked', ...reason, from: at };
  }
  close(since);
  return waits;
}
