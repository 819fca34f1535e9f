import { describe, expect, test } from 'vitest';
import { amountOf, countOf, countsIn, entryOf, httpStatusOf, instantOf, parseJsonObject } from './json.ts';

describe('a line is read as an object', () => {
  test.each([
    ['{"a":1}', { a: 1 }],
    ['[1]', undefined],
    ['{"a":', undefined],
    // What no JSON could hold again.
    ['{"a":1e999,"b":[-1e999],"c":1e300}', { a: null, b: [null], c: 1e300 }],
    [`{"a":${'['.repeat(400)}${']'.repeat(400)}}`, expect.any(Object)],
    // It could be parsed, and then overflow the stack of whoever writes it down.
    [`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, undefined],
    [`{"a":"${'['.repeat(20_000)}"}`, { a: '['.repeat(20_000) }],
  ])('%.40s', (text, object) => expect(parseJsonObject(text)).toEqual(object));
});

test.each([
  [0, 0],
  [-0, 0],
  [2 ** 53 - 1, 2 ** 53 - 1],
  [2 ** 53, undefined],
  [0.5, undefined],
  [-1, undefined],
  [Number.NaN, undefined],
  ['7', undefined],
])('%o is the count %o', (value, count) => expect(countOf(value)).toBe(count));

test('the counts of an object are what can be stored of it', () => {
  expect(countsIn(JSON.parse('{"a":1,"b":-1,"c":"2","__proto__":3,"d":{"e":4}}'))).toEqual({ a: 1 });
});

test.each([
  [1.5, 1.5],
  [-0, 0],
  [9_007_199_254, 9_007_199_254],
  [9_007_199_255, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [-0.1, undefined],
])('%o is the amount %o', (value, amount) => expect(amountOf(value)).toBe(amount));

test.each([
  [1_795_283_854, 1000, 1_795_283_854_000],
  [1_795_283_854_879.4, 1, 1_795_283_854_879],
  [253_402_300_800_000, 1, undefined],
  [1e300, 1000, undefined],
  [-1, 1, undefined],
  [Number.NaN, 1, undefined],
])('%o, counted in %o ms, is the instant %o', (value, unit, instant) => expect(instantOf(value, unit)).toBe(instant));

test.each([
  [429, 429],
  [99, undefined],
  [2 ** 40, undefined],
  [429.5, undefined],
])('%o is the status %o', (value, status) => expect(httpStatusOf(value)).toBe(status));

test('what every object inherits is in no table', () => {
  const table = { known: 'yes' };
  expect(['known', 'constructor', '__proto__', 7].map((name) => entryOf(table, name))).toEqual(['yes', undefined, undefined, undefined]);
});
