import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { handedTelemetry, waysToTelemetry } from './task-path.ts';

const root = dirname(import.meta.dirname);
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
const paths = globSync('packages/core/src/**/*.ts', { cwd: root }).filter((path) => !/\.(test|testsuite)\.ts$/.test(path));
const sources = new Map(paths.map((path) => [path, read(path)]));
const daemon = read('packages/core/src/daemon.ts');

test('nothing on the path of a task imports telemetry, however many files lie between', () => {
  expect(waysToTelemetry(sources)).toEqual([]);
});

test('nothing that drives tasks is given telemetry', () => {
  expect(handedTelemetry(daemon)).toEqual([]);
});

describe('the rules themselves', () => {
  const engine = 'packages/core/src/engine/engine.ts';
  const between = 'packages/core/src/utf8.ts';
  const withLines = (...lines: readonly (readonly [path: string, line: string])[]): ReadonlyMap<string, string> =>
    lines.reduce((all, [path, line]) => new Map(all).set(path, `${line}\n${all.get(path) ?? ''}`), sources);

  test.each([
    ['packages/core/src/task/next.ts', "import { Relay } from '../outbox/relay.ts';"],
    ['packages/core/src/store/sqlite/commit.ts', "import type { Relay } from '../../outbox/relay.ts';"],
    ['packages/core/src/store/sqlite/write-queue.ts', "export { openOutbox } from '../../outbox/outbox.ts';"],
    ['packages/core/src/dispatcher/dispatcher.ts', "const late = await import('../outbox/outbox.ts');"],
    ['packages/core/src/attempt/drive.ts', "import { startDaemon } from '../daemon.ts';"],
    ['packages/core/src/supervision/host.ts', "import { version } from '../index.ts';"],
    ['packages/core/src/workspace/freeze.ts', "import { trace } from '@opentelemetry/api';"],
    ['packages/core/src/gates/verdict.ts', "const thread = new Worker(new URL('../outbox/outbox.ts', import.meta.url));"],
  ])('%s: %s is found', (path, line) => {
    expect(waysToTelemetry(withLines([path, line])).some((way) => way.startsWith(path.replace('packages/core/src/', '')))).toBe(true);
  });

  test('so is an import in a file between', () => {
    const found = waysToTelemetry(withLines([engine, "import '../utf8.ts';"], [between, "import './outbox/relay.ts';"]));
    expect(found).toContain('engine/engine.ts → utf8.ts → outbox/relay.ts');
  });

  test.each([
    ['the rooms get it', /( {4}const rooms: Rooms = \{\n)/, '$1      outbox,\n'],
    ['the dispatcher gets a function of it', /(new Dispatcher\(\{\n)/, '$1      told: () => outbox.status(),\n'],
    ['the engine gets more than names', /destinations: outbox\.destinations \}/, 'destinations: (await outbox.status()).names }'],
    ['by way of another name', /( {4}const rooms: Rooms = \{\n)/, '    const told = () => outbox.stop(1);\n$1      told,\n'],
    ['by way of two', /( {4}const rooms: Rooms = \{\n)/, '    const one = { outbox };\n    const { outbox: two } = one;\n$1      two,\n'],
    [
      'a store that waits',
      /const engineParts = \{ store,/,
      'const waiting = { ...store, commit: () => outbox.stop(1) };\n    const engineParts = { store: waiting,',
    ],
    ['what leftovers are closed by', /closeLeftovers\(store,/, 'closeLeftovers(Object.assign(store, { outbox }),'],
  ])('%s: found', (_, place, change) => {
    const changed = daemon.replace(place, change);
    expect(changed).not.toBe(daemon);
    expect(handedTelemetry(changed)).toEqual(['const outbox = await openOutbox({']);
  });
});
