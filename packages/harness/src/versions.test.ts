import { expect, test } from 'vitest';
import { compareVersions, inRange, versionRange } from './versions.ts';

test.each([
  ['2.1.9', '2.1.10', -1],
  ['2.1.10', '2.1.10', 0],
  ['2.2', '2.1.10', 1],
  ['2.1', '2.1.0', 0],
  ['2.1.0-beta.3', '2.1.0', 0],
])('%s is compared with %s', (left, right, sign) => {
  expect(Math.sign(compareVersions(left, right))).toBe(sign);
});

test.each([
  ['all', ['0.0.1', '9.9.9'], []],
  ['2.1.197', ['2.1.197'], ['2.1.196', '2.1.198']],
  ['up to 2.1.197', ['0.1.0', '2.1.197'], ['2.1.198']],
  ['from 2.1.198', ['2.1.198', '3.0.0'], ['2.1.197']],
  ['2.1.197 – 2.1.329', ['2.1.197', '2.1.200', '2.1.329'], ['2.1.196', '2.2.0']],
])('the range "%s"', (text, inside, outside) => {
  const range = versionRange(text) ?? {};
  expect(inside.filter((version) => !inRange(version, range))).toEqual([]);
  expect(outside.filter((version) => inRange(version, range))).toEqual([]);
});

test.each(['', 'latest', 'up to', 'from 1.0.0 – 2.0.0', '1.0.0 - ', '>= 1.0.0'])('"%s" is no range', (text) => {
  expect(versionRange(text)).toBeUndefined();
});
