import { describe, expect, test } from 'vitest';
import { clean, cut, oneLine, padEnd, widthOf, wrap } from './text.ts';

describe('what an agent wrote cannot steer the terminal', () => {
  test.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['a cleared screen', 'a\u001b[2J\u001b[Hb', 'ab'],
    ['a title', '\u001b]0;owned\u0007text', 'text'],
    ['a hyperlink', '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['a sequence in one byte of the second range', 'a\u009b31mb', 'ab'],
    ['a lone escape', 'a\u001bb', 'ab'],
    ['bell, backspace, carriage return', 'a\u0007b\u0008c\rd', 'abcd'],
    ['DEL and C1', 'a\u007fb\u0085c', 'abc'],
    ['reversed text', 'a\u202egnp.exe\u202c', 'agnp.exe'],
  ])('%s', (_, text, expected) => expect(clean(text)).toBe(expected));

  test('lines and tabs stay, CRLF becomes LF; on one line they become a space', () => {
    expect(clean('a\r\n\tb\n')).toBe('a\n\tb\n');
    expect(oneLine(' a\r\n\tb\u001b[1m c\n')).toBe('a b c');
  });
});

test.each([
  ['plain', 5],
  ['✓ · … –', 7],
  ['日本', 4],
  ['👩‍👩‍👧', 2],
  ['e\u0301', 1],
  ['\u001b[32mok\u001b[39m', 2],
  ['', 0],
])('%s takes %d columns', (text, width) => {
  expect(widthOf(text)).toBe(width);
  expect(widthOf(padEnd(text, 9))).toBe(9);
});

test.each([
  ['short', 10, 'short'],
  ['exactly ten', 11, 'exactly ten'],
  ['a longer text', 8, 'a longe…'],
  ['日本語日本語', 7, '日本語…'],
  ['\u001b[32mgreen text\u001b[39m', 6, '\u001b[32mgreen…\u001b[39m'],
])('%s within %d columns is %s', (text, width, expected) => {
  expect(cut(text, width)).toBe(expected);
  expect(widthOf(cut(text, width))).toBeLessThanOrEqual(width);
});

test('words are wrapped, and none is lost', () => {
  expect(wrap('a bb ccc\ndddddd e', 4)).toEqual(['a bb', 'ccc', 'dddddd', 'e']);
});
