import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { TaskState, WatchTaskResponseSchema, type WatchTaskResponse } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { isFinal, type Instant, type Task } from '../task/task.ts';
import type { WaitingFor } from '../task/waiting.ts';
import { eventToProto } from './to-proto/event.ts';
import { opt } from './to-proto/parts.ts';
import { waitingToProto } from './to-proto/task.ts';
import { enumOf } from './words.ts';

export interface WatchParts {
  readonly store: Store;
  readonly now: () => Instant;
  readonly traceIdOf: (task: Task) => string;
  /** The queue at this moment, as a function that says why a task waits. */
  readonly queue: () => Promise<(task: Task) => Promise<WaitingFor | undefined>>;
}

/** Events of one message: enough to be cheap under load, little enough to begin early. */
const batchSize = 256;

/**
 * A task's events in their order, each once: first the stored ones, then those to come. Between them a heartbeat whenever
 * nothing was sent for its interval. Ends after the event of the final state.
 */
export async function* watchTask(
  taskId: string,
  afterSequence: number,
  heartbeatMs: number,
  signal: AbortSignal,
  parts: WatchParts,
): AsyncGenerator<WatchTaskResponse> {
  const { store } = parts;
  let sequence = afterSequence;
  using hint = hintsOf(store, taskId, signal);
  for (;;) {
    hint.clear();
    const task = await store.task(taskId);
    if (!task || signal.aborted) return;
    if (sequence > task.sequence) {
      throw new DomainError('SEQUENCE_IN_FUTURE', `task ${taskId} has ${task.sequence} events; after_sequence is ${sequence}`);
    }
    // What was committed after the task was read is told with the task as it is then.
    const events = (await store.events(taskId, sequence, batchSize)).filter((event) => event.sequence <= task.sequence);
    if (events.length > 0) {
      const completion = isFinal(task.state) ? await store.completion(taskId) : undefined;
      const view = { task, traceId: parts.traceIdOf(task), completion };
      yield create(WatchTaskResponseSchema, { events: events.map((event) => eventToProto(event, view)) });
      sequence = events.at(-1)?.sequence ?? sequence;
      continue;
    }
    if (isFinal(task.state)) return;
    if (await hint.next(heartbeatMs)) continue;
    if (signal.aborted) return;
    const waiting = await (await parts.queue())(task);
    const heartbeat = {
      at: timestampFromMs(parts.now()),
      state: enumOf(TaskState, task.state),
      ...opt('waiting', waiting, (cause) => waitingToProto(cause, task.since)),
    };
    yield create(WatchTaskResponseSchema, { heartbeat });
  }
}

/** Tells that a task has changed. A hint that comes between two waits is not lost; an abort ends a wait without one. */
function hintsOf(store: Store, taskId: string, signal: AbortSignal): Disposable & { clear(): void; next(ms: number): Promise<boolean> } {
  let pending = false;
  let wake: () => void = () => undefined;
  const stopListening = store.onCommit((changed) => {
    if (changed !== taskId) return;
    pending = true;
    wake();
  });
  const aborted = (): void => wake();
  signal.addEventListener('abort', aborted);
  return {
    clear: () => (pending = false),
    async next(ms) {
      if (pending || signal.aborted) return pending;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
      return pending;
    },
    [Symbol.dispose]() {
      stopListening();
      signal.removeEventListener('abort', aborted);
    },
  };
}
