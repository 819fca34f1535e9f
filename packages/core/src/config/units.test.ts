import { expect, test } from 'vitest';
import { parseDuration, parseSize } from './units.ts';

test.each([
  ['90s', 90_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['0.0004s', 0],
  ['1m1ms', 60_001],
  ['90', undefined],
  ['', undefined],
  ['s', undefined],
  ['-5s', undefined],
  ['5 s', undefined],
  ['5S', undefined],
  ['1h30', undefined],
  ['1w', undefined],
  ['.5s', undefined],
  ['1e3s', undefined],
])('the duration %j is %s ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each([
  ['64MiB', 67_108_864],
  ['500KB', 500_000],
  ['1GB', 1_000_000_000],
  ['1.5KiB', 1_536],
  ['2GiB', 2_147_483_648],
  ['10B', 10],
  ['10', 10],
  ['0', 0],
  ['500kB', undefined],
  ['64mib', undefined],
  ['64 MiB', undefined],
  ['-1', undefined],
  ['', undefined],
  ['MiB', undefined],
  ['1TB', undefined],
])('the size %j is %s bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));
