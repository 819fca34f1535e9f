import { expect, test } from 'vitest';
import { age, block, cost, count, duration, facts, percent, plural, moment } from './figures.ts';

test.each([
  [0, '0.0 s'],
  [400, '0.4 s'],
  [59_940, '59.9 s'],
  [59_960, '1 min'],
  [250_000, '4 min 10 s'],
  [3_599_600, '1 h'],
  [3_900_000, '1 h 5 min'],
  [47.9 * 3_600_000, '47 h 54 min'],
  [51 * 3_600_000, '2 d 3 h'],
])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [-5, '0 s'],
  [59_000, '59 s'],
  [300_000, '5 min'],
  [3 * 3_600_000, '3 h'],
  [60 * 3_600_000, '2 d'],
])('an age of %d ms is %s', (ms, text) => expect(age(ms)).toBe(text));

test.each([
  [0, '0'],
  [902, '902'],
  [18_234, '18.2k'],
  [31_022, '31.0k'],
  [999_949, '999.9k'],
  [999_950, '1.0M'],
  [1_234_567, '1.2M'],
])('%d tokens are %s', (value, text) => expect(count(value)).toBe(text));

test.each([
  [0, '$0'],
  [1, '<$0.0001'],
  [50, '$0.0001'],
  [48_231, '$0.0482'],
  [999_949, '$0.9999'],
  [12_345_678, '$12.35'],
])('%d millionths are %s', (micros, text) => expect(cost(micros)).toBe(text));

test('shares, plurals and what is not known', () => {
  expect([percent(0.094), percent(1)]).toEqual(['9 %', '100 %']);
  expect([block(0), block(0.5), block(0.999), block(1.2)]).toEqual(['▁', '▅', '█', '█']);
  expect([plural(1, 'file'), plural(2_014, 'file')]).toEqual(['1 file', '2,014 files']);
  expect(facts('a', undefined, false, '', 'b')).toBe('a · b');
});

test('a moment is told by the clock, with its date only if that is another one', () => {
  const now = new Date(2026, 10, 21, 13, 30).getTime();
  expect(moment(new Date(2026, 10, 21, 8, 5), now)).toBe('at 08:05');
  expect(moment(new Date(2026, 10, 22, 0, 0), now)).toBe('on 2026-11-22 at 00:00');
});
