import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { constantsOf, readRegistry, withTables } from './telemetry.ts';

/** The registry of telemetry, what is made of it, and what the code does agree. */

const root = dirname(import.meta.dirname);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('the constants and the tables of docs/telemetry.md are fresh: else run `pnpm generate`', () => {
  const registry = readRegistry();
  expect(read('packages/core/src/outbox/registry.ts')).toBe(constantsOf(registry));
  expect(read('docs/telemetry.md')).toBe(withTables(read('docs/telemetry.md'), registry));
});

/** The functions of the file, by name. */
const functions = new Map(
  read('packages/core/src/outbox/spans/span-attributes.ts')
    .split(/^(?:export )?function /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf('(')), part.slice(part.indexOf('('))]),
);

/** The names of attributes that one of them sets, and those that it calls. */
function namesIn(name: string): string[] {
  const text = functions.get(name) ?? '';
  const called = [...functions.keys()].filter((other) => new RegExp(`\\b${other}\\(`).test(text));
  return [...[...text.matchAll(/'([a-z_]+\.[\w.]+)':/g)].map(([, found]) => found!), ...called.flatMap(namesIn)];
}

test.each([
  ['singletree.workflow', 'workflowAttributes'],
  ['singletree.agent', 'attemptAttributes'],
  ['singletree.gate', 'gateAttributes'],
  ['singletree.wait', 'waitAttributes'],
  ['singletree.tool', 'toolAttributes'],
  ['singletree.model_call', 'modelCallAttributes'],
])('%s has the attributes that %s sets', (type, name) => {
  const { attributes } = readRegistry().spans.find((span) => span.type === type)!;
  const refs = attributes.map(({ ref }) => ref);
  const elsewhere = ['error.type', 'singletree.link'];
  expect(new Set([...namesIn(name), ...refs.filter((ref) => elsewhere.includes(ref))])).toEqual(new Set(refs));
});
