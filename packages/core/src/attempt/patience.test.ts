import { expect, test } from 'vitest';
import type { ProcessSpec } from '../supervision/protocol.ts';
import { Patience } from './patience.ts';

/** Graces of 5 s, 5 s and 10 s, and 10 s for a loaded machine. */
const tail = 30_000;
const began = 1_000_000;

test.each<[string, ProcessSpec['limits'], { bytes?: number; stopAsked?: boolean }, number]>([
  ['its time limit', { timeoutMs: 50_000, attemptTimeoutMs: 70_000 }, {}, 50_000],
  ['the limit of its attempt', { timeoutMs: 50_000, attemptTimeoutMs: 7_000 }, {}, 7_000],
  ['its first output', { firstOutputMs: 4_000, stallMs: 2_000, timeoutMs: 50_000 }, {}, 4_000],
  ['a stall', { firstOutputMs: 4_000, stallMs: 2_000, timeoutMs: 50_000 }, { bytes: 1 }, 2_000],
  ['a stop', { timeoutMs: 50_000 }, { stopAsked: true }, 0],
])('a shim that is long overdue with %s is believed no more', (_, limits, { bytes = 0, stopAsked = false }, due) => {
  const patience = new Patience(began);
  const isOver = (afterMs: number): boolean => patience.isOver(began + afterMs, limits, { bytes, stopAsked });
  expect([isOver(0), isOver(due + tail), isOver(due + tail + 1)]).toEqual([false, false, true]);
});

test('output begins a new wait, and a shim without limits is believed for ever', () => {
  const patience = new Patience(began);
  const limits = { stallMs: 2_000 };
  expect(patience.isOver(began + 30_000, limits, { bytes: 5, stopAsked: false })).toBe(false);
  expect(patience.isOver(began + 61_000, limits, { bytes: 6, stopAsked: false })).toBe(false);
  expect(patience.isOver(began + 93_000, limits, { bytes: 6, stopAsked: false })).toBe(false);
  expect(patience.isOver(began + 93_001, limits, { bytes: 6, stopAsked: false })).toBe(true);
  expect(new Patience(began).isOver(began + 1e12, {}, { bytes: 0, stopAsked: false })).toBe(false);
});
