import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { TaskEventSchema, TaskService, WatchHeartbeatSchema, type WatchTaskResponse } from '@singletree/protocol';
import { ConnectionLostError, isPassing, NoDaemonError } from './errors.ts';
import type { Link } from './link.ts';
import { Retry } from './retry.ts';
import type { Heartbeat, TaskEvent } from './types.ts';
import { toPlain } from './write.ts';

export interface WatchOptions {
  /** Sequence of the last event that is already known; 0, the default, for all. */
  readonly afterSequence?: number;
  /** Called when nothing happened for a while, with what the task waits for. */
  readonly onHeartbeat?: (heartbeat: Heartbeat) => void;
  /** Called each time the stream was cut, before it is taken up again. */
  readonly onReconnect?: (error: unknown) => void;
  /** Ends the watch, not the task: the loop throws the signal's reason. */
  readonly signal?: AbortSignal;
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
  const { signal, onHeartbeat, onReconnect, reconnectForMs = 60_000 } = options;
  const retry = new Retry(reconnectForMs);
  let last = options.afterSequence ?? 0;
  for (;;) {
    let cut: unknown = new ConnectionLostError(`the stream of task ${taskId} ended before the task did`);
    try {
      for await (const { events, heartbeat } of open(link, taskId, last, options)) {
        if (heartbeat) {
          retry.succeeded();
          onHeartbeat?.(toPlain(WatchHeartbeatSchema, heartbeat));
        }
        for (const event of events) {
          const sequence = Number(event.sequence);
          if (sequence <= last) continue;
          if (sequence > last + 1) throw new ConnectionLostError(`event ${sequence} of task ${taskId} came after event ${last}`);
          last = sequence;
          retry.succeeded();
          yield toPlain(TaskEventSchema, event);
          if (event.kind.case === 'completed') return;
        }
      }
    } catch (error) {
      // A daemon that never answered is not waited for.
      if (!isPassing(error) && !(error instanceof NoDaemonError && link.reached)) throw error;
      cut = error;
    }
    onReconnect?.(cut);
    if (!(await retry.wait(signal))) throw cut;
  }
}

function open(link: Link, taskId: string, last: number, options: WatchOptions): AsyncIterable<WatchTaskResponse> {
  const { heartbeatMs = 5_000, signal } = options;
  const request = { taskId, afterSequence: BigInt(last), heartbeatInterval: durationFromMs(heartbeatMs) };
  return link.stream(TaskService, (client, call) => client.watchTask(request, call), { silenceMs: 3 * heartbeatMs, signal });
}
