import type { WatchTaskResponse } from '@singletree/protocol';
import { TaskState, WaitingFor } from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { Engine } from '../engine/engine.ts';
import { uuidv7 } from '../ids.ts';
import type { Store } from '../store/store.ts';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import { aSpec, claim, exited, openWorkspace, owned, reconciled, setBase, start, stop } from '../task/samples.testsuite.ts';
import type { Command } from '../task/commands.ts';
import type { Task } from '../task/task.ts';
import { watchTask, type WatchParts } from './watch.ts';

const { store } = temporaryStore();
const engine = new Engine({ store, now: Date.now, newId: uuidv7(Date.now), destinations: [] });
const create = (): Promise<Task> => engine.create(aSpec);
const execute = async (task: Task, ...commands: readonly Command[]): Promise<void> => {
  for (const command of commands) expect(await engine.execute(task.id, command)).toMatchObject({ kind: 'done' });
};
const records = (from: number, to: number): Command[] =>
  Array.from({ length: to - from }, (_, index) => ({
    kind: 'record',
    attempt: 1,
    source: 'stdout',
    from: from + index,
    to: from + index + 1,
    events: [],
  }));
const toRunning = [claim, openWorkspace, setBase, start(), owned()];
const toCompleted = [exited(), reconciled(), { kind: 'judged' } as const];

const never = 60_000;
const parts: WatchParts = { store, now: () => 7_000, traceIdOf: () => 't', queue: async () => async () => undefined };

/** One watcher, and what it got. */
function watch(
  task: Task,
  { after = 0, heartbeatMs = never, set = {} }: { after?: number; heartbeatMs?: number; set?: Partial<WatchParts> } = {},
) {
  const controller = new AbortController();
  const messages = watchTask(task.id, after, heartbeatMs, controller.signal, { ...parts, ...set });
  const next = async (): Promise<WatchTaskResponse | undefined> => {
    const { value, done } = await messages.next();
    return done === true ? undefined : value;
  };
  const all = async (): Promise<WatchTaskResponse[]> => {
    const got: WatchTaskResponse[] = [];
    for await (const message of messages) got.push(message);
    return got;
  };
  return { next, all, abort: () => controller.abort(), messages };
}

const sequences = (messages: readonly (WatchTaskResponse | undefined)[]): number[] =>
  messages.flatMap((message) => message?.events.map(({ sequence }) => Number(sequence)) ?? []);
const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('a watch', () => {
  test('of a final task gives all of it, and ends', async () => {
    const task = await create();
    await execute(task, ...toRunning, ...records(0, 600), ...toCompleted);
    const messages = await watch(task).all();
    const { sequence } = (await store.task(task.id))!;
    expect(sequences(messages)).toEqual(upTo(sequence));
    expect(messages.map(({ events }) => events.length)).toEqual([256, 256, sequence - 512]);
    expect(messages.at(-1)?.events.at(-1)?.kind).toMatchObject({ case: 'completed', value: { taskId: task.id, traceId: 't' } });
  });

  test.each([1, 3, 4])('goes on after what is known: %i', async (after) => {
    const task = await create();
    await execute(task, ...toRunning, stop('cancel'), ...toCompleted.slice(0, 2));
    const { sequence } = (await store.task(task.id))!;
    expect(sequences(await watch(task, { after }).all())).toEqual(upTo(sequence, after + 1));
  });

  test('of a final task of which all is known ends at once', async () => {
    const task = await create();
    await execute(task, stop('cancel'));
    expect(await watch(task, { after: (await store.task(task.id))!.sequence }).all()).toEqual([]);
  });

  test('of what has not happened yet is refused', async () => {
    const task = await create();
    await expect(watch(task, { after: 2 }).next()).rejects.toMatchObject({
      reason: 'SEQUENCE_IN_FUTURE',
      message: `task ${task.id} has 1 events; after_sequence is 2`,
    });
  });

  test('waits for what comes, and ends with the final event', async () => {
    const task = await create();
    const watcher = watch(task);
    expect(sequences([await watcher.next()])).toEqual([1]);
    const coming = watcher.next();
    await execute(task, claim);
    expect(sequences([await coming])).toEqual([2]);
    const rest = watcher.all();
    await execute(task, openWorkspace, stop('cancel'));
    expect(sequences(await rest)).toEqual([3, 4, 5, 6]);
  });

  test('misses nothing that is committed between two of its looks', async () => {
    const task = await create();
    let late: (() => Promise<void>) | undefined = () => execute(task, claim);
    const events: Store['events'] = async (...asked) => {
      const found = await store.events(...asked);
      const now = late;
      if (found.length === 0) late = undefined;
      if (found.length === 0) await now?.();
      return found;
    };
    const watcher = watch(task, { set: { store: storeWith(store, { events }) } });
    expect(sequences([await watcher.next(), await watcher.next()])).toEqual([1, 2]);
    watcher.abort();
  });

  test('tells each event with the task as it is once it has happened', async () => {
    const task = await create();
    await execute(task, ...toRunning, ...toCompleted.slice(0, 2));
    let late: (() => Promise<void>) | undefined = () => execute(task, { kind: 'judged' });
    const read: Store['task'] = async (id) => {
      const found = await store.task(id);
      const now = late;
      late = undefined;
      await now?.(); // the end is committed after the task was read and before its events are
      return found;
    };
    const messages = await watch(task, { set: { store: storeWith(store, { task: read }) } }).all();
    expect(sequences(messages)).toEqual(upTo((await store.task(task.id))!.sequence));
    expect(messages.flatMap(({ events }) => events.filter(({ kind }) => kind.case === undefined))).toEqual([]);
    expect(messages.at(-1)?.events.at(-1)?.kind.case).toBe('completed');
  });

  test('of a task that has gone ends', async () => {
    const task = await create();
    expect(await watch(task, { set: { store: storeWith(store, { task: async () => undefined }) } }).all()).toEqual([]);
  });
});

describe('a heartbeat', () => {
  test('comes where nothing else does, with the state and what the task waits for', async () => {
    const task = await create();
    const queue = async () => async () => ({ kind: 'slot', ahead: 2, limit: 4, scope: 'total' }) as const;
    const watcher = watch(task, { heartbeatMs: 5, set: { queue } });
    expect(sequences([await watcher.next()])).toEqual([1]);
    for (let beat = 0; beat < 3; beat++) {
      expect(await watcher.next()).toMatchObject({
        events: [],
        heartbeat: {
          at: { seconds: 7n },
          state: TaskState.CREATED,
          waiting: { waitingFor: WaitingFor.LIMIT, tasksAhead: 2, message: 'limit 4/4' },
        },
      });
    }
    await execute(task, claim);
    expect(sequences([await watcher.next()])).toEqual([2]);
    expect((await watcher.next())?.heartbeat).toMatchObject({ state: TaskState.ASSIGNED });
    watcher.abort();
    expect(await watcher.next()).toBeUndefined();
  });

  test('says nothing of a wait that there is not', async () => {
    const watcher = watch(await create(), { heartbeatMs: 5 });
    await watcher.next();
    expect((await watcher.next())?.heartbeat).not.toHaveProperty('waiting');
    watcher.abort();
  });

  test('does not come for what happens to another task', async () => {
    const [task, other] = [await create(), await create()];
    const watcher = watch(task);
    await watcher.next();
    const coming = watcher.next();
    await execute(other, claim);
    await execute(task, claim);
    expect(sequences([await coming])).toEqual([2]);
    watcher.abort();
  });
});

describe('a watcher that leaves', () => {
  test.each([
    [
      'while it waits',
      async (watcher: ReturnType<typeof watch>) => {
        const coming = watcher.next();
        watcher.abort();
        return await coming;
      },
    ],
    [
      'before it waits',
      async (watcher: ReturnType<typeof watch>) => {
        watcher.abort();
        return await watcher.next();
      },
    ],
  ])('%s is let go at once, and nothing listens for it any more', async (_, leave) => {
    const task = await create();
    let listeners = 0;
    const onCommit: Store['onCommit'] = (listener) => {
      const stopListening = store.onCommit(listener);
      listeners += 1;
      return () => {
        listeners -= 1;
        stopListening();
      };
    };
    const watcher = watch(task, { set: { store: storeWith(store, { onCommit }) } });
    await watcher.next();
    expect(listeners).toBe(1);
    expect(await leave(watcher)).toBeUndefined();
    expect(listeners).toBe(0);
  });

  test('leaves nothing behind on its signal, however long it has waited', async () => {
    const task = await create();
    const controller = new AbortController();
    let listening = 0;
    const { signal } = controller;
    const counted = Object.assign(Object.create(signal) as AbortSignal, {
      addEventListener: (...args: Parameters<AbortSignal['addEventListener']>) => {
        listening += 1;
        signal.addEventListener(...args);
      },
      removeEventListener: (...args: Parameters<AbortSignal['removeEventListener']>) => {
        listening -= 1;
        signal.removeEventListener(...args);
      },
    });
    Object.defineProperty(counted, 'aborted', { get: () => signal.aborted });
    const messages = watchTask(task.id, 1, 1, counted, parts);
    for (let beat = 0; beat < 20; beat++) await messages.next();
    expect(listening).toBe(1);
    await messages.return(undefined);
    expect(listening).toBe(0);
  });
});
