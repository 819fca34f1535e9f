import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Control } from './control.ts';
import { Engine } from './engine/engine.ts';
import { KillSwitches } from './engine/kill-switches.ts';
import { uuidv7 } from './ids.ts';
import type { Store } from './store/store.ts';
import { storeWith, temporaryStore } from './store/temporary.testsuite.ts';
import { aSpec, running } from './task/samples.testsuite.ts';

const { store } = temporaryStore();
const folder = mkdtempSync(join(tmpdir(), 'singletree-control-'));
const file = join(folder, 'kill-switch.json');
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const { scope } of await store.killSwitches()) await store.commitControl({ release: scope, at: 0 });
});

function controlOn(on: Store, sweepLimitMs = 5_000): { control: Control; engine: Engine } {
  const parts = { store: on, now: Date.now, newId: uuidv7(Date.now), destinations: [] };
  const engine = new Engine(parts);
  const processes = { root: folder, stateId: 'none', killSwitch: file };
  return { engine, control: new Control({ store: on, engine, killSwitches: new KillSwitches(parts), processes, sweepLimitMs }) };
}

const inFile = (): string[] => {
  const { switches } = JSON.parse(readFileSync(file, 'utf8')) as { switches: { scope: string }[] };
  return switches.map(({ scope }) => scope);
};
const inRows = async (): Promise<string[]> => (await store.killSwitches()).map(({ scope }) => scope);
const all = { scope: 'all', by: 'me' };
const codex = { scope: 'harness=codex', by: 'me', why: 'the bill' };

describe('the file', () => {
  test('tells of all switches that are thrown, after each was thrown or taken back', async () => {
    const { control } = controlOn(store);
    await control.engage(codex);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ switches: [{ ...codex, at: expect.any(Number) as number }] });
    await control.engage(all);
    expect(inFile().toSorted()).toEqual(['all', 'harness=codex']);
    expect(await control.release('all')).toBe(true);
    expect(inFile()).toEqual(['harness=codex']);
    expect(await control.release('all')).toBe(false);
    expect(inFile()).toEqual(['harness=codex']);
  });

  test('is written after the row, and loses a switch before the row does: no shim acts on what is no more', async () => {
    const seen: [string, string[]][] = [];
    const watched = storeWith(store, {
      async commitControl(change) {
        seen.push([change.engage ? 'engage' : 'release', inFile()]);
        return await store.commitControl(change);
      },
    });
    const { control } = controlOn(watched);
    await control.restore();
    await control.engage(all);
    await control.release('all');
    expect(seen).toEqual([
      ['engage', []],
      ['release', []],
    ]);
  });

  test('has the switch again where it could not be taken back', async () => {
    await controlOn(store).control.engage(all);
    const { control } = controlOn(storeWith(store, { commitControl: () => Promise.reject(new Error('no space left')) }));
    await expect(control.release('all')).rejects.toThrow('no space left');
    expect(inFile()).toEqual(['all']);
  });

  test('is what the rows say, however many are changed at once', async () => {
    const { control } = controlOn(store);
    await Promise.all(
      ['a', 'b', 'c', 'd'].flatMap((name) => [control.engage({ ...all, scope: `model=${name}` }), control.release('model=b')]),
    );
    expect(inFile().toSorted()).toEqual((await inRows()).toSorted());
    expect(inFile()).toEqual(expect.arrayContaining(['model=a', 'model=c', 'model=d']));
  });

  test.each(['{"switches":[', '', '{"switches":[{"scope":"all","by":"nobody","at":1}]}'])(
    'is written anew at the start, whatever it held: %s',
    async (content) => {
      await store.commitControl({ engage: { ...codex, at: 1 }, at: 1 });
      writeFileSync(file, content);
      await controlOn(store).control.restore();
      expect(inFile()).toEqual(['harness=codex']);
    },
  );
});

test('at the start a task that is driven in a thrown scope is told to stop', async () => {
  const { engine, control } = controlOn(store);
  const task = await engine.create(() => aSpec({ harness: 'codex' }));
  for (const command of running) await engine.execute(task.id, command);
  await store.commitControl({ engage: { ...codex, at: 1 }, hit: [task.id], at: 1 });
  await control.restore();
  expect(await store.task(task.id)).toMatchObject({ stop: { kind: 'kill', by: 'me', why: 'the bill', scope: 'harness=codex' } });
});

test('a switch whose processes are not gone in time says so, and is thrown all the same', async () => {
  const { engine, control } = controlOn(store, 100);
  const task = await engine.create(() => aSpec({ harness: 'slow' }));
  for (const command of running) await engine.execute(task.id, command);
  expect(await control.engage({ ...all, scope: 'harness=slow' })).toMatchObject({ taskIds: [task.id], complete: false, survivors: [] });
  expect(await inRows()).toEqual(['harness=slow']);
});
