import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { TaskEventSchema, TaskSchema, TaskService, WatchHeartbeatSchema, type WatchTaskResponse } from '@singletree/protocol';
import { Bounds, type CallSettings } from './deadline.ts';
import { ConnectionLostError, TaskBlockedError } from './errors.ts';
import type { Link } from './link.ts';
import { Retry } from './retry.ts';
import type { Heartbeat, Task, TaskEvent } from './types.ts';
import { toPlain } from './write.ts';

/** The signal and the time end the watch, not the task. */
export interface WatchOptions extends CallSettings {
  /** Sequence of the last event that is already known; 0, the default, for all. */
  readonly afterSequence?: number;
  /** Called when nothing happened for a while, with what the task waits for. */
  readonly onHeartbeat?: (heartbeat: Heartbeat) => void;
  /** Called each time the stream was cut, before it is taken up again. */
  readonly onReconnect?: (error: unknown) => void;
  /**
   * What to do while the task is blocked, which may take a day: `wait`, the default, until it goes on or fails; or `throw` a
   * `TaskBlockedError`, after all events up to then. The task goes on waiting either way.
   */
  readonly whenBlocked?: 'wait' | 'throw' | undefined;
  /** How long to wait for a daemon that is gone. Milliseconds; one minute if absent. */
  readonly reconnectForMs?: number;
  /** Longest silence of a daemon that is well. Milliseconds; 5 s if absent. Three of them in a row count as a cut stream. */
  readonly heartbeatMs?: number;
}

/**
 * The events of a task, first those of the past, each exactly once and in order; ends after the final one. A stream that is cut is taken
 * up again after the last event that was seen.
 */
export async function* watch(link: Link, taskId: string, options: WatchOptions = {}): AsyncGenerator<TaskEvent, void, undefined> {
  const { onHeartbeat, onReconnect, whenBlocked = 'wait', reconnectForMs = 60_000 } = options;
  const bounds = new Bounds(options);
  const retry = new Retry(reconnectForMs);
  let last = options.afterSequence ?? 0;
  for (;;) {
    let cut: unknown = new ConnectionLostError(`the stream of task ${taskId} ended before the task did`);
    try {
      for await (const { events, heartbeat } of open(link, taskId, last, options.heartbeatMs, bounds)) {
        if (heartbeat) {
          retry.succeeded();
          const sign = toPlain(WatchHeartbeatSchema, heartbeat);
          onHeartbeat?.(sign);
          if (whenBlocked === 'throw' && sign.state === 'blocked') await refuseBlocked(link, taskId, bounds);
        }
        for (const event of events) {
          const sequence = Number(event.sequence);
          if (sequence <= last) continue;
          if (sequence > last + 1) throw new ConnectionLostError(`event ${sequence} of task ${taskId} came after event ${last}`);
          last = sequence;
          retry.succeeded();
          const plain = toPlain(TaskEventSchema, event);
          yield plain;
          if (plain.kind === 'completed') return;
          if (whenBlocked === 'throw' && plain.kind === 'state_changed' && plain.stateChanged.toState === 'blocked')
            await refuseBlocked(link, taskId, bounds, last);
        }
      }
    } catch (error) {
      if (!link.mayComeBack(error)) throw error;
      cut = error;
    }
    onReconnect?.(cut);
    if (!(await retry.wait(bounds))) throw cut;
  }
}

/** Throws if the task is blocked now. `last`: and nothing has happened since that event, which may be one of the past. */
async function refuseBlocked(link: Link, taskId: string, bounds: Bounds, last?: number): Promise<void> {
  const answer = await link.call(TaskService, (client, call) => client.getTask({ taskId }, call), bounds);
  const task: Task | undefined = answer.task && toPlain(TaskSchema, answer.task);
  if (task?.blocked && (last === undefined || task.lastSequence === last)) throw new TaskBlockedError(task);
}

function open(link: Link, taskId: string, last: number, heartbeatMs: number = 5_000, bounds: Bounds): AsyncIterable<WatchTaskResponse> {
  const request = { taskId, afterSequence: BigInt(last), heartbeatInterval: durationFromMs(heartbeatMs) };
  return link.stream(TaskService, (client, call) => client.watchTask(request, call), { silenceMs: 3 * heartbeatMs, bounds });
}
