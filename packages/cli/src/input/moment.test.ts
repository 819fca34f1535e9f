import { expect, test } from 'vitest';
import { momentOf } from './moment.ts';

const now = Date.UTC(2026, 10, 21, 12);

test.each([
  ['36h', '2026-11-20T00:00:00.000Z'],
  ['30d', '2026-10-22T12:00:00.000Z'],
  ['2026-11-20', '2026-11-20T00:00:00.000Z'],
  ['2026-11-20T08:00+01:00', '2026-11-20T07:00:00.000Z'],
])('%s is a time', (text, at) => expect(momentOf('--since', text, now).toISOString()).toBe(at));

test.each(['', '7', 'yesterday', '2026-13-01', '2026-11-20T08:00+1'])('%j is none', (text) => {
  expect(() => momentOf('--since', text, now)).toThrow(`--since "${text}" is no time`);
});
