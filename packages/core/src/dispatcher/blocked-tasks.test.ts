import type { Probe } from '@singletree/harness';
import { pino } from 'pino';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Engine } from '../engine/engine.ts';
import { uuidv7 } from '../ids.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import type { Store } from '../store/store.ts';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import type { Command } from '../task/commands.ts';
import { aSpec, noon } from '../task/samples.testsuite.ts';
import type { Task } from '../task/task.ts';
import { BlockedTasks } from './blocked-tasks.ts';

const { store } = temporaryStore();
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let now = noon;
let monotonic = 0;
const engine = new Engine({ store, now: () => now, newId: uuidv7(() => now), destinations: [] });
const pass = (ms: number): void => {
  now += ms;
  monotonic += ms;
};

let answer: () => Promise<Pick<Probe, 'status'>>;
const asked: number[] = [];
const plugin = {
  id: 'claude_code',
  probe: async (maxAgeMs: number) => {
    asked.push(maxAgeMs);
    return await answer();
  },
} as unknown as Plugin;
const says = (status: Probe['status']) => async () => ({ status });

const watching = (on: Store = store): BlockedTasks =>
  new BlockedTasks({
    rooms: { store: on, engine, plugins: { get: () => plugin, all: () => [plugin] }, now: () => now },
    monotonicMs: () => monotonic,
    log: pino({ level: 'silent' }),
  });

beforeEach(async () => {
  for (const { id } of await store.tasks({ limit: 100, states: ['blocked', 'created'] }))
    await engine.execute(id, { kind: 'stop', stop: 'cancel', by: 'test' });
  asked.splice(0);
  answer = says('unauthenticated');
});

const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000, maxAttempts: 3, blockedLimitMs: day };
async function blocked(set: Partial<Extract<Command, { kind: 'block' }>> = {}, harness = 'claude_code'): Promise<Task> {
  const { id } = await engine.create(() => aSpec({ harness, limits }));
  const executed = await engine.execute(id, { kind: 'block', reason: 'quota_exhausted', message: 'none left', ...set });
  if (executed.kind !== 'done') throw new Error(executed.kind);
  return executed.task;
}
const login = { reason: 'unauthenticated', probe: true } as const;
const stateOf = async ({ id }: Task) => (await store.task(id))?.state;
const becomes = (task: Task, state: Task['state']) => vi.waitFor(async () => expect(await stateOf(task)).toBe(state), { interval: 2 });

describe('a task that waits for a time', () => {
  test('goes on at it, and is not looked at before', async () => {
    const task = await blocked({ until: now + 10_000 });
    const tasks = watching();
    expect(await tasks.look()).toBe(10_000);
    pass(9_999);
    expect(await tasks.look()).toBe(1);
    expect(await stateOf(task)).toBe('blocked');
    pass(1);
    await tasks.look();
    expect(await stateOf(task)).toBe('created');
    expect(await tasks.look()).toBe(Number.POSITIVE_INFINITY);
  });

  test('is looked at again at least every half minute, since clocks are set', async () => {
    const task = await blocked({ until: now + hour });
    const tasks = watching();
    expect(await tasks.look()).toBe(30_000);
    now -= 2 * hour;
    monotonic += 30_000;
    await tasks.look();
    expect(await stateOf(task)).toBe('created');
    now += 2 * hour + 30_000;
  });

  test('is looked at when it comes', async () => {
    const tasks = watching();
    expect(await tasks.look()).toBe(Number.POSITIVE_INFINITY);
    const task = await blocked({ until: now });
    expect(await tasks.look()).toBe(Number.POSITIVE_INFINITY);
    tasks.hint();
    await tasks.look();
    expect(await stateOf(task)).toBe('created');
  });

  test('goes on although it waited longer than it may: nobody was there to see that its time had come', async () => {
    const task = await blocked({ until: now + hour });
    pass(3 * day);
    await watching().look();
    expect(await stateOf(task)).toBe('created');
  });

  test('is looked at again after a look that failed', async () => {
    const task = await blocked({ until: now });
    let failures = 1;
    const tasks: Store['tasks'] = async (query) => {
      if (failures-- > 0) throw new Error('database is locked');
      return await store.tasks(query);
    };
    const watch = watching(storeWith(store, { tasks }));
    await expect(watch.look()).rejects.toThrow('database is locked');
    await watch.look();
    expect(await stateOf(task)).toBe('created');
  });

  test('that is blocked during a look is looked at in the next one, at once', async () => {
    const tasks: Store['tasks'] = async (query) => {
      const found = await store.tasks(query);
      watch.hint();
      return found;
    };
    const watch = watching(storeWith(store, { tasks }));
    expect(await watch.look()).toBe(0);
  });

  test('of more than a page of them, each is seen to', async () => {
    const all = await Promise.all(Array.from({ length: 130 }, () => blocked({ until: now })));
    await watching().look();
    expect(new Set(await Promise.all(all.map(stateOf)))).toEqual(new Set(['created']));
  });
});

describe('the time that a task may be blocked', () => {
  test('ends it with what blocked it', async () => {
    const task = await blocked({ until: now + 2 * day });
    const tasks = watching();
    await tasks.look();
    pass(day - 1);
    await tasks.look();
    expect(await stateOf(task)).toBe('blocked');
    pass(1);
    await tasks.look();
    expect(await store.task(task.id)).toMatchObject({ state: 'failed', failure: { reason: 'quota_exhausted', message: 'none left' } });
  });

  test.each([day, -day])('is not changed by a clock that jumps by %i ms', async (jump) => {
    const task = await blocked({ until: now + 3 * day });
    const tasks = watching();
    await tasks.look();
    now += jump;
    monotonic += 30_000;
    // Set back, the wait of its own is over; forward, its limit is not.
    await tasks.look();
    expect(await stateOf(task)).toBe(jump < 0 ? 'created' : 'blocked');
    now -= jump;
  });

  test('counts while no daemon was there', async () => {
    const task = await blocked({ until: now + 2 * day });
    await watching().look();
    pass(day / 2);
    const next = watching();
    await next.look();
    pass(day / 2 - 1);
    await next.look();
    expect(await stateOf(task)).toBe('blocked');
    pass(1);
    await next.look();
    expect(await stateOf(task)).toBe('failed');
  });
});

describe('a task that waits for a login', () => {
  test('goes on once its harness is ready, which is asked for when the answer is older than five minutes', async () => {
    const task = await blocked(login);
    const tasks = watching();
    await tasks.look();
    await vi.waitFor(() => expect(asked).toEqual([5 * minute]));
    expect(await stateOf(task)).toBe('blocked');
    answer = says('ready');
    pass(30_000);
    await tasks.look();
    await becomes(task, 'created');
  });

  test.each(['missing', 'unsupported_version'] as const)('goes on when its harness is %s: the next step says so', async (status) => {
    const task = await blocked(login);
    answer = says(status);
    await watching().look();
    await becomes(task, 'created');
  });

  test('goes on when its harness is configured no more: the next step says so', async () => {
    const task = await blocked(login, 'gone');
    await watching().look();
    await becomes(task, 'created');
  });

  test('is not asked for while the answer is still to come, and holds up nobody', async () => {
    const waits = Promise.withResolvers<{ status: 'ready' }>();
    answer = () => waits.promise;
    const [slow, other] = [await blocked(login), await blocked({ until: now + 40_000 })];
    const tasks = watching();
    for (let looks = 0; looks < 3; looks++) {
      await tasks.look();
      pass(30_000);
    }
    expect(asked).toHaveLength(1);
    expect(await stateOf(other)).toBe('created');
    waits.resolve({ status: 'ready' });
    await becomes(slow, 'created');
  });

  test('waits on when the machine cannot ask', async () => {
    answer = async () => await Promise.reject(new Error('EMFILE'));
    const task = await blocked(login);
    const tasks = watching();
    await tasks.look();
    answer = says('ready');
    await vi.waitFor(async () => {
      pass(30_000);
      await tasks.look();
      expect(await stateOf(task)).toBe('created');
    });
  });

  test('is looked at again when its limit ends, and no sooner than it may', async () => {
    await blocked(login);
    const tasks = watching();
    expect(await tasks.look()).toBe(30_000);
    pass(day - 5_000);
    expect(await tasks.look()).toBe(5_000);
  });

  test('is asked for a last time before it is given up', async () => {
    const [in_vain, just_so] = [await blocked(login), await blocked(login, 'gone')];
    pass(day);
    await watching().look();
    await becomes(in_vain, 'failed');
    await becomes(just_so, 'created');
    expect(await store.task(in_vain.id)).toMatchObject({ failure: { reason: 'unauthenticated' } });
  });
});
