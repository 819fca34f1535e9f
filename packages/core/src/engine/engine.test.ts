import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { uuidv7 } from '../ids.ts';
import type { OutboxStore } from '../store/outbox.ts';
import type { CommitResult, Store } from '../store/store.ts';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import type { Command } from '../task/commands.ts';
import { aSpec, claim, exited, openWorkspace, owned, reconciled, setBase, start, stop } from '../task/samples.testsuite.ts';
import type { Task, TaskSpec } from '../task/task.ts';
import { Engine } from './engine.ts';

const { store, outbox } = temporaryStore();
const newId = uuidv7(Date.now);
const engineOn = (on: Store, destinations: readonly string[] = []): Engine => new Engine({ store: on, now: Date.now, newId, destinations });
const engine = engineOn(store);

/** The store, but something happens right before its next commits: after the engine has read and decided. */
function disturbed(...disturbances: readonly (() => Promise<unknown>)[]): { readonly engine: Engine; readonly commits: CommitResult[] } {
  const left = [...disturbances];
  const commits: CommitResult[] = [];
  const commit: Store['commit'] = async (change) => {
    await left.shift()?.();
    const result = await store.commit(change);
    commits.push(result);
    return result;
  };
  return { engine: engineOn(storeWith(store, { commit })), commits };
}

async function drivenTo(task: Task, ...commands: readonly Command[]): Promise<Task> {
  let now = task;
  for (const command of commands) {
    const executed = await engine.execute(task.id, command, command.kind === 'claim' ? undefined : now.fence);
    if (executed.kind !== 'done') throw new Error(`${command.kind}: ${executed.kind}`);
    now = executed.task;
  }
  return now;
}

const toRunning = [claim, openWorkspace, setBase, start(), owned()];
const bodies = async (task: Task): Promise<string[]> => (await store.events(task.id, 0, 100)).map(({ body }) => body.kind);
const isGapless = async (task: Task): Promise<boolean> =>
  (await store.events(task.id, 0, 100)).every(({ sequence }, index) => sequence === index + 1);

describe('a creation', () => {
  test('stores the task with its first event', async () => {
    const task = await engine.create(() => aSpec({ title: 'one' }));
    expect(await store.task(task.id)).toStrictEqual(task);
    expect(await bodies(task)).toEqual(['created']);
  });

  test('makes a task a call without a request id', async () => {
    expect((await engine.create(aSpec)).id).not.toBe((await engine.create(aSpec)).id);
  });

  test.each<[string, object, object]>([
    ['the same', { instructions: 'do' }, { instructions: 'do' }],
    ['its labels in another order', { labels: { a: '1', b: '2' } }, { labels: { b: '2', a: '1' } }],
  ])('under a request id that comes again with %s is the first one, and the request is not looked at again', async (_, first, again) => {
    const id = randomUUID();
    const made = await engine.create(aSpec, { id, content: first });
    const refuse = () => {
      throw new Error('the repository is gone since');
    };
    expect(await engine.create(refuse, { id, content: again })).toStrictEqual(made);
  });

  test('under a request id that was refused before is made once nothing stands in its way', async () => {
    const asked = { id: randomUUID(), content: { instructions: 'do' } };
    await expect(engine.create(() => Promise.reject(new Error('no such repository')), asked)).rejects.toThrow('no such repository');
    expect((await engine.create(aSpec, asked)).state).toBe('created');
  });

  test.each<[string, object]>([
    ['instructions', { instructions: 'something else' }],
    ['the order of setup commands', { setup: ['b', 'a'] }],
    ['a label', { labels: { a: '2' } }],
    ['a field less', { labels: undefined }],
  ])('is refused where its request id came with other content: %s', async (_, again) => {
    const id = randomUUID();
    const content = { instructions: 'do', setup: ['a', 'b'], labels: { a: '1' } };
    const made = await engine.create(aSpec, { id, content });
    await expect(engine.create(aSpec, { id, content: { ...content, ...again } })).rejects.toMatchObject({
      reason: 'REQUEST_ID_REUSED',
      metadata: { request_id: id, task_id: made.id },
    });
  });

  test('that comes twice at once is made once', async () => {
    const asked = { id: randomUUID(), content: {} };
    const other = () => engine.create(aSpec, asked);
    const late = disturbed(other);
    const task = await late.engine.create(aSpec, asked);
    expect(late.commits).toEqual(['conflict']);
    expect(await other()).toStrictEqual(task);
  });

  test('gives up where every try meets a conflict', async () => {
    const stubborn = storeWith(store, { commit: async () => 'conflict' });
    await expect(engineOn(stubborn).create(aSpec)).rejects.toMatchObject({ reason: 'INTERNAL' });
  });
});

describe('a command', () => {
  let task: Task;
  beforeEach(async () => {
    task = await engine.create(aSpec);
  });

  test('is decided and stored', async () => {
    const claimed = await drivenTo(task, claim);
    expect(claimed).toMatchObject({ state: 'assigned', version: 2, fence: 1 });
    expect(await store.task(task.id)).toStrictEqual(claimed);
    expect(await bodies(task)).toEqual(['created', 'state_changed']);
  });

  test('that is refused changes nothing', async () => {
    const quiet = disturbed();
    expect(await quiet.engine.execute(task.id, { kind: 'judged' })).toMatchObject({
      kind: 'refused',
      refusal: { refused: 'illegal_transition' },
    });
    expect(quiet.commits).toEqual([]);
    expect(await store.task(task.id)).toStrictEqual(task);
  });

  test('of a task that does not exist is told so', async () => {
    await expect(engine.execute('nowhere', claim)).rejects.toMatchObject({ reason: 'TASK_NOT_FOUND', metadata: { task_id: 'nowhere' } });
  });

  test('that meets a change by somebody else is decided again: both happen', async () => {
    const running = await drivenTo(task, ...toRunning);
    const late = disturbed(() => engine.execute(task.id, stop('cancel')));
    const record: Command = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 9, events: [] };
    const executed = await late.engine.execute(task.id, record, running.fence);
    expect(late.commits).toEqual(['conflict', 'committed']);
    expect(executed).toMatchObject({ kind: 'done', task: { stop: { kind: 'cancel' }, attempts: [{ recorded: { stdout: 9 } }] } });
    expect((await bodies(task)).slice(-2)).toEqual(['stop_requested', 'output_recorded']);
    expect(await isGapless(task)).toBe(true);
  });

  test('is refused where the change by somebody else made it impossible', async () => {
    const late = disturbed(() => engine.execute(task.id, stop('cancel')));
    expect(await late.engine.execute(task.id, { kind: 'block', reason: 'unauthenticated', message: 'log in' })).toMatchObject({
      kind: 'refused',
    });
    expect(late.commits).toEqual(['conflict']);
  });

  test('gives up where every try meets a conflict', async () => {
    const running = await drivenTo(task, ...toRunning);
    const record = async (from: number): Promise<unknown> =>
      await engine.execute(task.id, { kind: 'record', attempt: 1, source: 'stderr', from, to: from + 1, events: [] }, running.fence);
    const late = disturbed(...Array.from({ length: 60 }, (_, from) => () => record(from)));
    await expect(late.engine.execute(task.id, stop('cancel'))).rejects.toMatchObject({ reason: 'INTERNAL' });
    expect(new Set(late.commits)).toEqual(new Set(['conflict']));
    expect(late.commits.length).toBeLessThan(60);
  });

  test.each([
    ['read', async () => undefined, 'take over first'],
    ['decided', async () => await engine.execute(task.id, { kind: 'take_over', owner: 'daemon-2' }), ''],
  ])('of a driver with an old fence does nothing: found out when it %s', async (_, between, first) => {
    const claimed = await drivenTo(task, claim);
    if (first) await engine.execute(task.id, { kind: 'take_over', owner: 'daemon-2' });
    const late = disturbed(between);
    expect(await late.engine.execute(task.id, openWorkspace, claimed.fence)).toEqual({ kind: 'fenced' });
    const after = await store.task(task.id);
    expect(after).toMatchObject({ fence: 2, lease: { owner: 'daemon-2' } });
    expect(after).not.toHaveProperty('workspace');
  });
});

describe('a claim', () => {
  test('of one task by two is won by one; the other looks elsewhere', async () => {
    const task = await engine.create(aSpec);
    const late = disturbed(() => engine.execute(task.id, { kind: 'claim', owner: 'first' }));
    expect(await late.engine.execute(task.id, { kind: 'claim', owner: 'second' })).toMatchObject({ refusal: { refused: 'stale' } });
    expect(late.commits).toEqual(['conflict']);
    expect(await store.task(task.id)).toMatchObject({ lease: { owner: 'first' }, attempts: { length: 1 } });
  });

  test('of a workspace in place keeps others out of the whole checkout until the task is final', async () => {
    const reserves = `/in-place/${randomUUID()}`;
    const inPlace = (path: string) => (): TaskSpec => aSpec({ workspace: { path, mode: 'in_place', reserves } });
    const [holder, waiting] = [await engine.create(inPlace(reserves)), await engine.create(inPlace(`${reserves}/sub`))];
    await drivenTo(holder, claim);
    expect(await engine.execute(waiting.id, claim)).toMatchObject({ kind: 'refused', refusal: { refused: 'stale' } });
    expect(await store.task(waiting.id)).toStrictEqual(waiting);
    await engine.execute(holder.id, stop('cancel'));
    expect(await engine.execute(waiting.id, claim)).toMatchObject({ kind: 'done' });
  });
});

describe('a final state', () => {
  const ended = async (outboxOf: readonly string[]): Promise<Task> => {
    const running = await drivenTo(await engine.create(aSpec), ...toRunning, exited(), reconciled());
    await engineOn(store, outboxOf).execute(running.id, { kind: 'judged' }, running.fence);
    return running;
  };
  const rowsOf = async (on: OutboxStore, { id }: Task, destination: string): Promise<number> =>
    (await on.pending(destination, Number.MAX_SAFE_INTEGER, 1_000)).filter(({ taskId }) => taskId === id).length;

  test('has its completion event, and a row for each destination', async () => {
    const task = await ended(['here', 'there']);
    expect(await store.completion(task.id)).toMatchObject({ eventId: task.id, outcome: 'success' });
    expect([await rowsOf(outbox, task, 'here'), await rowsOf(outbox, task, 'there')]).toEqual([1, 1]);
  });

  test('has its completion event also where nothing is exported', async () => {
    const task = await ended([]);
    expect(await store.completion(task.id)).toMatchObject({ outcome: 'success' });
    expect(await rowsOf(outbox, task, 'here')).toBe(0);
  });
});

describe("a client's command under a request id", () => {
  let task: Task;
  beforeEach(async () => {
    task = await drivenTo(await engine.create(aSpec), ...toRunning);
  });
  const stops = async (): Promise<number> => (await bodies(task)).filter((kind) => kind === 'stop_requested').length;

  test('does its work once, and is answered each time', async () => {
    const requestId = randomUUID();
    for (let call = 0; call < 3; call++) {
      expect(await engine.executeOnce(task.id, stop('cancel'), requestId)).toMatchObject({ kind: 'done', task: { stop: { by: 'anna' } } });
    }
    expect(await stops()).toBe(1);
  });

  test('is answered also when the task has ended since', async () => {
    const requestId = randomUUID();
    await engine.executeOnce(task.id, stop('cancel'), requestId);
    await drivenTo(task, exited(), reconciled());
    expect(await engine.executeOnce(task.id, stop('cancel'), requestId)).toMatchObject({ kind: 'done', task: { state: 'cancelled' } });
    expect(await engine.executeOnce(task.id, stop('cancel'), randomUUID())).toMatchObject({ kind: 'refused' });
  });

  test.each([
    ['a task that runs', false, 'in_progress'],
    ['a task that it ends at once', true, 'cancelled'],
  ])('that comes twice at once is answered twice: %s', async (_, waiting, state) => {
    const target = waiting ? await engine.create(aSpec) : task;
    const requestId = randomUUID();
    const late = disturbed(() => engine.executeOnce(target.id, stop('cancel'), requestId));
    expect(await late.engine.executeOnce(target.id, stop('cancel'), requestId)).toMatchObject({ kind: 'done', task: { state } });
    expect(late.commits).toEqual(['conflict']);
  });

  test('without one works each time', async () => {
    await engine.executeOnce(task.id, stop('cancel'), undefined);
    await engine.executeOnce(task.id, stop('cancel'), undefined);
    expect(await stops()).toBe(2);
  });

  test('is refused where the id came with another command, another task or a creation', async () => {
    const requestId = randomUUID();
    await engine.executeOnce(task.id, stop('cancel'), requestId);
    const refused = { reason: 'REQUEST_ID_REUSED', metadata: { task_id: task.id } };
    await expect(engine.executeOnce(task.id, stop('terminate'), requestId)).rejects.toMatchObject(refused);
    const other = await engine.create(aSpec);
    await expect(engine.executeOnce(other.id, stop('cancel'), requestId)).rejects.toMatchObject(refused);
    await expect(engine.create(aSpec, { id: requestId, content: {} })).rejects.toMatchObject(refused);
    expect(await store.task(other.id)).toStrictEqual(other);
  });
});
