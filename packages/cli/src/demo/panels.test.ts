import { expect, test } from 'vitest';
import { layOut } from './panels.ts';

const look = { color: false, unicode: true, live: false, width: 60 };
const panels = [
  { title: 'one', lines: ['a', 'b'] },
  { title: 'second', lines: ['c'] },
  { title: 'third', lines: ['d'.repeat(40)] },
];

test('as many panels stand side by side as the terminal has room for', () => {
  expect(layOut(panels, look)).toEqual(['  one     second', '  a       c', '  b', '', '  third', `  ${'d'.repeat(40)}`]);
});

test('with room for all they share one row', () => {
  expect(layOut(panels, { ...look, width: 100 })).toHaveLength(3);
});

test('without a terminal they stand below one another', () => {
  expect(layOut(panels, { ...look, width: Infinity }).filter((line) => line === '')).toHaveLength(2);
});

test('a panel that is wider than the terminal is cut', () => {
  expect(layOut(panels.slice(2), { ...look, width: 20 }).at(1)).toBe(`  ${'d'.repeat(17)}…`);
});
