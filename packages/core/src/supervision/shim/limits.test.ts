import { describe, expect, test } from 'vitest';
import type { ProcessSpec } from '../protocol.ts';
import { reached, type Seen } from './limits.ts';
import { Silence } from './silence.ts';

const nothing: Seen = { ranMs: 0, silentMs: 0, hasSpoken: false, longestLog: 0, freeBytes: undefined, unvouchedMs: undefined };
const kindOf = (limits: ProcessSpec['limits'], seen: Partial<Seen>): string | undefined => reached(limits, { ...nothing, ...seen })?.kind;

test.each<[kind: string, limits: ProcessSpec['limits'], before: Partial<Seen>, at: Partial<Seen>]>([
  ['timeout', { timeoutMs: 100 }, { ranMs: 99.9 }, { ranMs: 100 }],
  ['attempt_timeout', { attemptTimeoutMs: 100 }, { ranMs: 99.9 }, { ranMs: 100 }],
  ['first_output', { firstOutputMs: 100, stallMs: 9 }, { silentMs: 99.9 }, { silentMs: 100 }],
  ['stall', { firstOutputMs: 9, stallMs: 100 }, { silentMs: 99.9, hasSpoken: true }, { silentMs: 100, hasSpoken: true }],
  ['output_limit', { outputBytes: 100 }, { longestLog: 100 }, { longestLog: 101 }],
  ['disk_full', { minFreeBytes: 100 }, { freeBytes: 100 }, { freeBytes: 99 }],
  ['unsupervised', { unsupervisedMs: 100 }, { unvouchedMs: -0.1 }, { unvouchedMs: 0 }],
])('%s is reached at its limit and not before, and only where there is one', (kind, limits, before, at) => {
  expect(kindOf(limits, before)).toBeUndefined();
  expect(kindOf(limits, at)).toBe(kind);
  expect(kindOf({}, kind === 'unsupervised' ? before : at)).toBeUndefined();
});

test('what is not known is not reached', () => {
  expect(kindOf({ minFreeBytes: 1e18, unsupervisedMs: 1 }, {})).toBeUndefined();
});

describe('of several, the one that was reached first is told', () => {
  test.each<[kind: string, limits: ProcessSpec['limits'], seen: Partial<Seen>]>([
    ['timeout', { timeoutMs: 100, attemptTimeoutMs: 150 }, { ranMs: 200 }],
    ['attempt_timeout', { timeoutMs: 150, attemptTimeoutMs: 100 }, { ranMs: 200 }],
    ['timeout', { timeoutMs: 100, attemptTimeoutMs: 100, firstOutputMs: 100 }, { ranMs: 200, silentMs: 200 }],
    ['stall', { timeoutMs: 190, stallMs: 50 }, { ranMs: 200, silentMs: 100, hasSpoken: true }],
    ['unsupervised', { timeoutMs: 190 }, { ranMs: 200, unvouchedMs: 20 }],
    ['output_limit', { timeoutMs: 1, outputBytes: 1, minFreeBytes: 10 }, { ranMs: 200, longestLog: 2, freeBytes: 1 }],
  ])('%s', (kind, limits, seen) => {
    expect(kindOf(limits, seen)).toBe(kind);
  });
});

test('what fills the disk is killed, the others may end by themselves first', () => {
  expect(reached({ outputBytes: 1 }, { ...nothing, longestLog: 2 })).toEqual({ kind: 'output_limit', hardness: 'kill' });
  expect(reached({ minFreeBytes: 1 }, { ...nothing, freeBytes: 0 })).toEqual({ kind: 'disk_full', hardness: 'kill' });
  expect(reached({ timeoutMs: 1 }, { ...nothing, ranMs: 2 })).toEqual({ kind: 'timeout', hardness: 'interrupt' });
});

describe('silence', () => {
  test('is counted from the last growth, and a growth that is found now ends it now', () => {
    const silence = new Silence(1_000);
    silence.look(0, 1_400);
    expect(silence).toMatchObject({ ms: 400, hasSpoken: false });
    silence.look(5, 1_900);
    expect(silence).toMatchObject({ ms: 0, hasSpoken: true });
    silence.look(5, 2_000);
    silence.look(5, 2_100);
    expect(silence).toMatchObject({ ms: 200, hasSpoken: true });
    silence.look(6, 2_200);
    expect(silence.ms).toBe(0);
  });

  test('of a log that was cut short is over too: somebody did that', () => {
    const silence = new Silence(0);
    silence.look(5, 100);
    silence.look(5, 200);
    silence.look(0, 300);
    expect(silence).toMatchObject({ ms: 0, hasSpoken: true });
  });

  test('while nobody looked counts for a second at most', () => {
    const silence = new Silence(0);
    silence.look(0, 100);
    silence.look(0, 3_600_000);
    expect(silence.ms).toBe(1_100);
  });
});
