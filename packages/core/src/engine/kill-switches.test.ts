import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { uuidv7 } from '../ids.ts';
import type { Store } from '../store/store.ts';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import type { Command } from '../task/commands.ts';
import {
  aGate,
  aSpec,
  claim,
  exited,
  openWorkspace,
  reconciled,
  running as toRunning,
  setBase,
  start,
  stop,
} from '../task/samples.testsuite.ts';
import type { Task, TaskSpec } from '../task/task.ts';
import { Engine } from './engine.ts';
import { KillSwitches } from './kill-switches.ts';

const { store } = temporaryStore();
const partsOn = (on: Store) => ({ store: on, now: Date.now, newId: uuidv7(Date.now), destinations: [] });
const engine = new Engine(partsOn(store));
const killSwitches = new KillSwitches(partsOn(store));

/** The scope of this test's own tasks: the file has one store. */
let scope = `label=${randomUUID()}`;
const wish = () => ({ scope, by: 'anna', why: 'the bill' });
afterEach(async () => {
  for (const { scope: thrown } of await store.killSwitches()) await killSwitches.release(thrown);
  scope = `label=${randomUUID()}`;
});

async function created(set: Partial<TaskSpec> = {}): Promise<Task> {
  return await engine.create(() => aSpec({ labels: { [scope.slice('label='.length)]: '' }, ...set }));
}

async function driven(task: Task, ...commands: readonly Command[]): Promise<Task> {
  let now = task;
  for (const command of commands) {
    const executed = await engine.execute(task.id, command);
    if (executed.kind !== 'done') throw new Error(`${command.kind}: ${JSON.stringify(executed)}`);
    now = executed.task;
  }
  return now;
}

const read = async ({ id }: Task): Promise<Task | undefined> => await store.task(id);
const bodies = async ({ id }: Task): Promise<string[]> => (await store.events(id, 0, 100)).map(({ body }) => body.kind);
const stopped = { kind: 'kill', by: 'anna', why: 'the bill' };
const killed = { state: 'failed', failure: { reason: 'killed', by: 'anna', why: 'the bill' } };

describe('throwing a switch', () => {
  test('stops what has been dispatched, each at its place, and touches nothing else', async () => {
    const gates = [aGate('test')];
    const setup: Command = { kind: 'open_process', role: 'setup', ordinal: 0, directory: randomUUID() };
    const tasks = {
      waiting: await created(),
      blocked: await driven(await created(), claim, { kind: 'block', reason: 'quota_exhausted', message: 'no quota' }),
      claimed: await driven(await created(), claim, openWorkspace),
      inSetup: await driven(await created({ setup: ['npm ci'] }), claim, openWorkspace, setup),
      running: await driven(await created(), ...toRunning),
      between: await driven(await created({ gates }), ...toRunning, exited(), reconciled()),
      elsewhere: await driven(await created({ labels: {} }), ...toRunning),
    };
    const { killSwitch, taskIds } = await killSwitches.engage(wish());
    expect(killSwitch).toEqual({ ...wish(), at: expect.any(Number) as number });
    expect(taskIds.toSorted()).toEqual([tasks.inSetup.id, tasks.running.id, tasks.between.id].toSorted());

    for (const task of [tasks.waiting, tasks.blocked, tasks.elsewhere]) expect(await read(task)).toStrictEqual(task);
    const claimed = await read(tasks.claimed);
    expect(claimed).toMatchObject({ state: 'created', attempts: [{ state: 'revoked', charged: false }] });
    expect(claimed).not.toHaveProperty('lease');
    for (const task of [tasks.inSetup, tasks.running]) expect(await read(task)).toMatchObject({ stop: { ...stopped, scope } });
    expect(await read(tasks.between)).toMatchObject(killed);
    expect(await store.completion(tasks.between.id)).toMatchObject({ outcome: 'failure', failure: { reason: 'killed', scope } });
  });

  test('again carries it out again, and keeps who threw it first, why and when', async () => {
    const first = await driven(await created(), ...toRunning);
    const { killSwitch } = await killSwitches.engage(wish());
    const told = await bodies(first);
    await killSwitches.release(scope);
    const second = await driven(await created(), ...toRunning);
    await killSwitches.engage(wish());
    const again = await killSwitches.engage({ scope, by: 'bert' });
    expect(again.killSwitch).toMatchObject({ by: 'anna', why: 'the bill' });
    expect(again.killSwitch.at).toBeGreaterThanOrEqual(killSwitch.at);
    expect(again.taskIds.toSorted()).toEqual([first.id, second.id].toSorted());
    expect(await bodies(first), 'who hears it already is not told again').toEqual(told);
    expect((await read(second))?.stop).toMatchObject(stopped);
  });

  test('makes a stop harder that somebody asked for before, and leaves it the cause', async () => {
    const task = await driven(await created(), ...toRunning, stop('cancel', 'bert'));
    expect((await killSwitches.engage(wish())).taskIds).toEqual([task.id]);
    expect((await read(task))?.stop).toMatchObject({ kind: 'cancel', by: 'bert', harder: 'kill' });
    expect(await driven(task, exited(), reconciled())).toMatchObject({ state: 'cancelled', failure: { by: 'bert' } });
  });

  test('sees a task that is claimed, and one that goes on, between its reading and its writing', async () => {
    const [late, going] = [await created(), await driven(await created(), ...toRunning)];
    const record: Command = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 1, events: [] };
    const between = [() => engine.execute(late.id, claim), () => engine.execute(going.id, record)];
    const results: string[] = [];
    const disturbed = storeWith(store, {
      async commitControl(change) {
        await between.shift()?.();
        const result = await store.commitControl(change);
        results.push(result);
        return result;
      },
    });
    const { taskIds } = await new KillSwitches(partsOn(disturbed)).engage(wish());
    expect(results).toEqual(['conflict', 'conflict', 'committed']);
    expect(taskIds).toEqual([going.id]);
    expect(await read(late)).toMatchObject({ state: 'created', attempts: [{ state: 'revoked' }] });
    expect(await read(going)).toMatchObject({ stop: stopped, attempts: [{ recorded: { stdout: 1 } }] });
  });

  test('gives up where every try meets a conflict', async () => {
    const stubborn = new KillSwitches(partsOn(storeWith(store, { commitControl: async () => 'conflict' })));
    await expect(stubborn.engage(wish())).rejects.toMatchObject({ reason: 'INTERNAL' });
    await expect(stubborn.release(scope)).rejects.toMatchObject({ reason: 'INTERNAL' });
  });
});

describe('a switch that is thrown', () => {
  test('refuses a claim, until it is taken back', async () => {
    const task = await created();
    await killSwitches.engage(wish());
    expect(await engine.execute(task.id, claim)).toMatchObject({ kind: 'refused', refusal: { refused: 'stale' } });
    expect(await read(task)).toStrictEqual(task);
    expect(await killSwitches.release(scope)).toBe(true);
    expect(await killSwitches.release(scope)).toBe(false);
    expect(await driven(task, claim)).toMatchObject({ state: 'assigned' });
  });

  /** As if the row had come without the stop: what is asked for next must not start anything all the same. */
  const behindItsBack = () => store.commitControl({ engage: { ...wish(), at: 1 }, hit: everybody, at: 1 });
  const everybody: string[] = [];

  test.each<[string, readonly Command[], Command, object]>([
    ['a setup command', [claim, openWorkspace], { kind: 'open_process', role: 'setup', ordinal: 0, directory: 's' }, { state: 'created' }],
    ['a harness', [claim, openWorkspace, setBase], start(), { state: 'created' }],
    [
      'a gate',
      [...toRunning, exited(), reconciled()],
      { kind: 'open_process', role: 'gate', ordinal: 0, directory: 'g' },
      { state: 'failed', failure: { reason: 'killed' } },
    ],
  ])('lets %s not start, and has the task stopped instead', async (what, before, command, after) => {
    const task = await driven(await created({ gates: [aGate('test')], setup: what === 'a setup command' ? ['npm ci'] : [] }), ...before);
    everybody.push(task.id);
    expect(await behindItsBack()).toBe('committed');
    expect(await engine.execute(task.id, command, task.fence)).toMatchObject({ kind: 'refused', refusal: { refused: 'stale' } });
    expect(await read(task)).toMatchObject(after);
  });

  test('stops a task that comes into its scope while it runs, by the name of the model that really answers', async () => {
    const task = await driven(await created({ model: 'opus' }), ...toRunning);
    const model = randomUUID();
    await killSwitches.engage({ ...wish(), scope: `model=${model}` });
    const record: Command = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 1, events: [], live: { turns: 1, model } };
    expect(await engine.execute(task.id, record, task.fence)).toMatchObject({ kind: 'done' });
    expect(await read(task)).toMatchObject({ stop: { ...stopped, scope: `model=${model}` }, attempts: [{ recorded: { stdout: 1 } }] });
  });

  test('is obeyed at once by a task that is driven, once, and by no other', async () => {
    const running = await driven(await created(), ...toRunning);
    const waiting = await created();
    const elsewhere = await driven(await created({ labels: {} }), ...toRunning);
    everybody.push(running.id);
    await behindItsBack();
    for (const task of [running, waiting, elsewhere]) await engine.obeyKillSwitches(task);
    const after = await read(running);
    expect(after).toMatchObject({ stop: { ...stopped, scope } });
    if (after) await engine.obeyKillSwitches(after);
    expect(await read(running)).toStrictEqual(after);
    for (const task of [waiting, elsewhere]) expect(await read(task)).toStrictEqual(task);
  });
});

describe('under a request id', () => {
  test('a switch is thrown once, also after it was taken back, and each call is answered the same', async () => {
    const task = await driven(await created(), ...toRunning);
    const asked = { id: randomUUID(), content: { scope } };
    const engaged = await killSwitches.engage(wish(), asked);
    expect(engaged.taskIds).toEqual([task.id]);
    await driven(task, exited(), reconciled());
    expect(await killSwitches.release(scope)).toBe(true);
    expect(await killSwitches.engage(wish(), asked)).toEqual(engaged);
    expect(await store.killSwitches()).toEqual([]);
  });

  test('a switch is taken back once', async () => {
    const asked = { id: randomUUID(), content: { release: scope } };
    await killSwitches.engage(wish());
    expect(await killSwitches.release(scope, asked)).toBe(true);
    await killSwitches.engage(wish());
    expect(await killSwitches.release(scope, asked)).toBe(true);
    expect(await store.killSwitches()).toHaveLength(1);
  });

  test('other content is refused, and so is an id that a task has used', async () => {
    const id = randomUUID();
    await killSwitches.engage(wish(), { id, content: { scope } });
    const reused = { reason: 'REQUEST_ID_REUSED', metadata: { request_id: id } };
    await expect(killSwitches.engage(wish(), { id, content: { scope: 'all' } })).rejects.toMatchObject(reused);
    await expect(killSwitches.release(scope, { id, content: { release: scope } })).rejects.toMatchObject(reused);
    await expect(engine.create(aSpec, { id, content: {} })).rejects.toMatchObject(reused);
  });
});
