import { pino } from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Rooms } from '../attempt/rooms.ts';
import { Engine } from '../engine/engine.ts';
import { uuidv7 } from '../ids.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { unknownPredictor, type Predictor } from '../prediction/predictor.ts';
import type { Store } from '../store/store.ts';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import { aSpec, claim, exited, openWorkspace, reconciled, setBase, start as begin } from '../task/samples.testsuite.ts';
import type { Task, TaskSpec, TaskState } from '../task/task.ts';
import { Dispatcher, type DispatcherParts } from './dispatcher.ts';

const { store } = temporaryStore();
const newId = uuidv7(Date.now);
const engineOn = (on: Store): Engine => new Engine({ store: on, now: Date.now, newId, destinations: [] });
const engine = engineOn(store);

let dispatcher: Dispatcher | undefined;
let letGo = Promise.withResolvers<void>();
const created: Task[] = [];
const closed: string[] = [];

afterEach(async () => {
  dispatcher?.drain();
  letGo.resolve();
  await dispatcher?.idle();
  await dispatcher?.stop();
  dispatcher = undefined;
  letGo = Promise.withResolvers<void>();
  for (const { id } of created.splice(0)) await engine.execute(id, { kind: 'stop', stop: 'cancel', by: 'test' });
  closed.splice(0);
});

/** Harnesses that nobody has installed. That of `slow` is only found out when the test lets go: until then a task holds its slot. */
function pluginOf(id: string): Plugin {
  const probe = async () => {
    if (id === 'slow') await letGo.promise;
    return { status: 'missing', message: 'it was not found', hint: 'install it' };
  };
  return { id, harness: { displayName: id }, probe } as unknown as Plugin;
}

async function start(
  set: { total?: number; perHarness?: Record<string, number>; store?: Store; predictor?: Predictor } = {},
): Promise<Dispatcher> {
  const on = set.store ?? store;
  const rooms = {
    store: on,
    engine: engineOn(on),
    now: Date.now,
    plugins: { get: pluginOf, all: () => [] },
    workspaces: { close: async ({ id }: Task) => void closed.push(id) },
  } as unknown as Rooms;
  const parts: DispatcherParts = {
    rooms,
    predictor: set.predictor ?? unknownPredictor,
    owner: 'this-daemon',
    concurrency: { total: set.total ?? 4, perHarness: set.perHarness ?? {} },
    monotonicMs: () => performance.now(),
    log: pino({ level: 'silent' }),
  };
  dispatcher = new Dispatcher(parts);
  await dispatcher.start();
  return dispatcher;
}

async function create(set: Partial<TaskSpec> = {}): Promise<Task> {
  const task = await engine.create(() => aSpec({ harness: 'slow', ...set }));
  created.push(task);
  return task;
}

const stateOf = async ({ id }: Task): Promise<TaskState | undefined> => (await store.task(id))?.state;
const states = async (tasks: readonly Task[]): Promise<(TaskState | undefined)[]> => await Promise.all(tasks.map(stateOf));
const until = (tasks: readonly Task[], expected: readonly TaskState[]): Promise<void> =>
  vi.waitFor(async () => expect(await states(tasks)).toEqual(expected), { timeout: 5_000, interval: 5 });

describe('a dispatcher', () => {
  test('drives what comes to its end, and closes its workspace', async () => {
    await start();
    const task = await create({ harness: 'missing' });
    await until([task], ['failed']);
    expect(await store.task(task.id)).toMatchObject({
      failure: { reason: 'harness_missing' },
      fence: 1,
      dispatchedAt: expect.any(Number) as number,
    });
    await vi.waitFor(() => expect(closed).toEqual([task.id]));
  });

  test('claims the highest priority first, then the oldest, and no more than it may', async () => {
    const tasks = [await create(), await create(), await create({ priority: 1 })];
    await start({ total: 2 });
    await until(tasks, ['assigned', 'created', 'assigned']);
    letGo.resolve();
    await until(tasks, ['failed', 'failed', 'failed']);
  });

  test('passes over a harness that is full, without a pause only where there is something to do', async () => {
    const due = vi.fn<Store['due']>(store.due.bind(store));
    const tasks = [await create(), await create(), await create({ harness: 'missing' })];
    // The second one waits for nothing but its harness: its time has come.
    const [, second] = tasks;
    const { task: claimed } = (await engine.execute(second!.id, claim)) as { task: Task };
    await engine.execute(second!.id, { kind: 'release', message: 'later', notBefore: Date.now() - 1 }, claimed.fence);
    await start({ perHarness: { slow: 1 }, store: storeWith(store, { due }) });
    await until(tasks, ['assigned', 'created', 'failed']);
    const looked = due.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(due.mock.calls.length - looked).toBeLessThan(5);
  });

  test('waits for the time of a task, and no longer', async () => {
    const task = await create({ harness: 'missing' });
    const { task: claimed } = (await engine.execute(task.id, claim)) as { task: Task };
    const notBefore = Date.now() + 150;
    await engine.execute(task.id, { kind: 'release', message: 'later', notBefore }, claimed.fence);
    const running = await start();
    expect(await (await running.queue())((await store.task(task.id))!)).toEqual({ kind: 'time', until: notBefore });
    await until([task], ['failed']);
    const [, second] = (await store.task(task.id))?.attempts ?? [];
    expect(second?.preparedAt).toBeGreaterThanOrEqual(notBefore);
    expect(second?.preparedAt).toBeLessThan(notBefore + 1_000);
  });

  test('takes over first what an earlier daemon was driving, whatever the limits say', async () => {
    const tasks = [await create(), await create(), await create()];
    for (const { id } of tasks.slice(0, 2)) await engine.execute(id, { kind: 'claim', owner: 'dead-daemon' });
    await start({ total: 1 });
    const leases = await Promise.all(tasks.map(async ({ id }) => await store.task(id)));
    expect(leases).toMatchObject([
      { lease: { owner: 'this-daemon' }, fence: 2 },
      { lease: { owner: 'this-daemon' }, fence: 2 },
      { state: 'created' },
    ]);
    letGo.resolve();
    await until(tasks, ['failed', 'failed', 'failed']);
  });

  test('asks for an estimate before the first attempt', async () => {
    await start({ predictor: { estimate: async () => ({ inputTokens: 7 }) } });
    const task = await create({ harness: 'missing' });
    await until([task], ['failed']);
    expect(await store.completion(task.id)).toMatchObject({ estimatedInputTokens: 7 });
  });

  test('that is drained claims nothing more, says so, and is idle once what runs has ended', async () => {
    const running = await start();
    const first = await create();
    await until([first], ['assigned']);
    running.drain();
    const second = await create();
    const idle = running.idle();
    expect(await (await running.queue())(second)).toEqual({ kind: 'drain' });
    letGo.resolve();
    await idle;
    expect(await states([first, second])).toEqual(['failed', 'created']);
  });

  test('that has stopped claims nothing, and leaves what runs as it is', async () => {
    const running = await start();
    const first = await create();
    await until([first], ['assigned']);
    await running.stop();
    const second = await create({ harness: 'missing' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await states([first, second])).toEqual(['assigned', 'created']);
  });

  test('tells why a task waits: its place, its harness, its workspace', async () => {
    const running = await start({ total: 2, perHarness: { slow: 1 } });
    const inPlace = { workspace: { path: '/p', mode: 'in_place', reserves: '/p' } } as const;
    const [first, second] = [await create(inPlace), await create()];
    await until([first], ['assigned']);
    const [third, held] = [await create(), await create(inPlace)];
    const queue = await running.queue();
    expect(await Promise.all([first, second, third, held].map(async ({ id }) => await queue((await store.task(id))!)))).toEqual([
      undefined,
      { kind: 'slot', ahead: 0, limit: 1, scope: 'harness' },
      { kind: 'slot', ahead: 1, limit: 1, scope: 'harness' },
      { kind: 'workspace', heldBy: first.id },
    ]);
  });

  test('goes on after a round that failed', async () => {
    let failures = 1;
    const due: Store['due'] = async (...asked) => {
      if (failures-- > 0) throw new Error('database is locked');
      return await store.due(...asked);
    };
    const task = await create({ harness: 'missing' });
    await start({ store: storeWith(store, { due }) });
    await until([task], ['failed']);
  });

  test('goes on with a task when the store could not be read for a moment', async () => {
    let failures = 2; // the read of the drive, and the one after it
    const task: Store['task'] = async (id) => {
      const found = await store.task(id);
      if (found?.lease && failures-- > 0) throw new Error('database is locked');
      return found;
    };
    await start({ store: storeWith(store, { task }) });
    const one = await create({ harness: 'missing' });
    await until([one], ['failed']);
  });

  test('closes the workspace of a task that a client ended before anybody drove it', async () => {
    await start({ total: 1 });
    const [first, second] = [await create(), await create()];
    await until([first], ['assigned']);
    await engine.execute(second.id, { kind: 'stop', stop: 'cancel', by: 'anna' });
    await vi.waitFor(() => expect(closed).toEqual([second.id]));
  });

  test('leaves out what a kill switch holds, says so, and goes on at once when that is taken back', async () => {
    const thrown = { scope: 'label=held', by: 'me', why: 'the bill', at: 1 };
    await store.commitControl({ engage: thrown, at: 1 });
    const due = vi.fn<Store['due']>(store.due.bind(store));
    const running = await start({ total: 1, store: storeWith(store, { due }) });
    const held = await create({ harness: 'missing', labels: { held: '' }, priority: 9 });
    const free = await create({ harness: 'missing' });
    await until([held, free], ['created', 'failed']);
    expect(await (await running.queue())(held)).toEqual({ kind: 'kill_switch', by: 'me', scope: 'label=held', why: 'the bill' });
    const looked = due.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(due.mock.calls.length - looked, 'nothing is looked at again and again').toBeLessThan(5);
    await store.commitControl({ release: 'label=held', at: 2 });
    await until([held], ['failed']);
  });

  test('that is ended gives back what it has only claimed, terminates what has begun, and claims nothing more', async () => {
    const running = await start({ total: 2 });
    const [claimed, begun] = [await create(), await create()];
    await until([claimed, begun], ['assigned', 'assigned']);
    for (const command of [openWorkspace, setBase, begin()]) await engine.execute(begun.id, command);
    const waiting = await create();
    await running.end('me');
    expect(await states([claimed, begun, waiting])).toEqual(['created', 'in_progress', 'created']);
    expect(await store.task(claimed.id)).toMatchObject({ attempts: [{ state: 'revoked', charged: false }] });
    expect(await store.task(begun.id)).toMatchObject({ stop: { kind: 'terminate', by: 'me' } });
    for (const command of [exited(), reconciled()]) await engine.execute(begun.id, command);
    letGo.resolve();
    await running.idle();
    expect(await states([claimed, begun, waiting])).toEqual(['created', 'cancelled', 'created']);
  });

  test('that is ended sees the claim that is under way', async () => {
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<undefined>();
    const estimate = async (): Promise<undefined> => {
      asked.resolve();
      return await answered.promise;
    };
    const task = await create();
    const running = await start({ predictor: { estimate } });
    await asked.promise;
    const ended = running.end('me');
    answered.resolve(undefined);
    await ended;
    letGo.resolve();
    await running.idle();
    expect(await store.task(task.id)).toMatchObject({ state: 'created', attempts: [{ state: 'revoked' }] });
  });
});
