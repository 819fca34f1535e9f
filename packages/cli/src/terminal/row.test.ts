import { expect, test } from 'vitest';
import { headingLines, linesOf } from './row.ts';
import { plain, wide } from './terminal.testsuite.ts';
import { widthOf } from './text.ts';

const row = {
  mark: 'failure',
  label: 'gate test',
  text: 'exit 1 in 0.4 s · expected 12.50',
  note: '0.4 s',
  details: ['price.test.js'],
} as const;

test('columns on a terminal, the note at its edge', () => {
  const [first = '', detail] = linesOf(row, wide);
  expect(first).toMatch(/^ {2}✗ gate test {3}exit 1 in 0\.4 s · expected 12\.50 +0\.4 s$/);
  expect(widthOf(first)).toBe(100);
  expect(detail).toBe('                price.test.js');
});

test('elsewhere the same without an edge, and nothing is cut', () => {
  const text = 'x'.repeat(300);
  expect(linesOf({ ...row, text }, plain)[0]).toBe(`  ✗ gate test   ${text}  0.4 s`);
});

test('nothing is wider than the terminal', () => {
  const text = 'a long line '.repeat(20);
  for (const width of [30, 60, 100, 200]) {
    for (const line of linesOf({ ...row, text, details: [text] }, { ...wide, width })) expect(widthOf(line)).toBeLessThanOrEqual(width);
  }
});

test('ASCII stands in for our marks, and the words stay', () => {
  expect(linesOf({ mark: 'success', label: 'gate a', text: 'passed · cost – · context ▁ 9 %' }, { ...plain, unicode: false })).toEqual([
    '  + gate a      passed - cost - - context 9 %',
  ]);
});

test('a long label pushes the text', () => {
  expect(linesOf({ label: 'gate integration', text: 'runs' }, plain)).toEqual(['    gate integration runs']);
});

test('a row of several tasks says of which', () => {
  expect(linesOf({ mark: 'in_progress', label: 'setup', text: 'npm ci', of: '#2', details: ['x'] }, plain)).toEqual([
    '  #2 ● setup       npm ci',
    '                   x',
  ]);
});

test('the heading is one line where it fits, else the facts go below', () => {
  const facts = 'task 0199c1d4-7f3a · worktree · permissions: all';
  expect(headingLines('mend it', facts, plain)).toEqual([`  mend it  ${facts}`]);
  expect(headingLines('mend it', facts, { ...wide, width: 120 })).toEqual([`  mend it${' '.repeat(51)}${facts}`]);
  expect(headingLines('mend it', facts, { ...wide, width: 40 })).toEqual([
    '  mend it',
    '    task 0199c1d4-7f3a · worktree ·',
    '    permissions: all',
  ]);
});
