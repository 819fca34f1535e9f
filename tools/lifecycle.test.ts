import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { failureReasons } from '../packages/core/src/task/reasons.ts';
import { transitions } from '../packages/core/src/task/transitions.ts';
import { withTables } from './lifecycle.ts';

/** docs/lifecycle.md is what the code does: its tables come from the code's data, and each row names a test that is there. */

const docs = join(dirname(import.meta.dirname), 'docs');
const page = readFileSync(join(docs, 'lifecycle.md'), 'utf8');

test('its generated tables are fresh: else run `pnpm generate`', () => expect(page).toBe(withTables(page)));

/** The rows of the tables, each with its head. */
const rows = page.split(/\n(?!\|)/).flatMap((part) => {
  const [head, , ...body] = part
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
  return head ? body.map((cells) => ({ head, cells })) : [];
});

test('every table has a column for its tests', () => {
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.filter(({ head, cells }) => head.at(-1) !== 'test' || cells.length !== head.length)).toEqual([]);
});

test.each(rows.map(({ cells }) => [cells[0] ?? '', cells.at(-1) ?? ''] as const))('%s: its tests are there', (_, cell) => {
  const references = cell.split(/(?<=[")]); /).map((each) => /^\[[\w -]+\]\((\S+)\)(?: "(.+)")?$/.exec(each));
  expect(references).not.toContain(null);
  for (const reference of references) {
    const file = join(docs, reference?.[1] ?? '');
    expect(file).toMatch(/\.test(suite)?\.ts$/);
    expect(existsSync(file), file).toBe(true);
    if (reference?.[2] !== undefined) expect(readFileSync(file, 'utf8')).toContain(reference[2]);
  }
});

test('has every edge, as the life cycle has it', () => {
  const words = (cell: string): string[] => cell.toLowerCase().split(', ');
  const told = [...page.matchAll(/^\| `(\w+)` \| ([A-Z_, ]+) \| ([A-Z_]+) \|/gm)].map(([, edge = '', from = '', to = '']) => [
    edge,
    { from: words(from), to: to.toLowerCase() },
  ]);
  expect(Object.fromEntries(told)).toEqual(transitions);
});

test('has every reason', () => {
  expect(failureReasons.filter((reason) => !page.includes(`| \`${reason}\` |`))).toEqual([]);
});
