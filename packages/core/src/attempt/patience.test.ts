import { expect, test } from 'vitest';
import type { ProcessSpec } from '../supervision/protocol.ts';
import { Patience } from './patience.ts';

/** Graces of 5 s, 5 s and 10 s, and 10 s for a loaded machine. */
const tail = 30_000;
const began = 1_000_000;

/** Looks twice a second, as long as it is told, and says what the last look found. */
function looked(patience: Patience, fromMs: number, untilMs: number, limits: ProcessSpec['limits'], standing: Standing): boolean {
  let over = false;
  for (let at = fromMs; at < untilMs; at += 500) over = patience.isOver(began + at, limits, standing);
  return patience.isOver(began + untilMs, limits, standing) || over;
}

interface Standing {
  readonly bytes: number;
  readonly stopAsked: boolean;
}

test.each<[string, ProcessSpec['limits'], { bytes?: number; stopAsked?: boolean }, number]>([
  ['its time limit', { timeoutMs: 50_000, attemptTimeoutMs: 70_000 }, {}, 50_000],
  ['the limit of its attempt', { timeoutMs: 50_000, attemptTimeoutMs: 7_000 }, {}, 7_000],
  ['its first output', { firstOutputMs: 4_000, stallMs: 2_000, timeoutMs: 50_000 }, {}, 4_000],
  ['a stall', { firstOutputMs: 4_000, stallMs: 2_000, timeoutMs: 50_000 }, { bytes: 1 }, 2_000],
  ['a stop', { timeoutMs: 50_000 }, { stopAsked: true }, 0],
])('a shim that is long overdue with %s is believed no more', (_, limits, { bytes = 0, stopAsked = false }, due) => {
  const patience = new Patience(began);
  expect(looked(patience, 0, due + tail, limits, { bytes, stopAsked })).toBe(false);
  expect(patience.isOver(began + due + tail + 1, limits, { bytes, stopAsked })).toBe(true);
});

test('output begins a new wait, and a shim without limits is believed for ever', () => {
  const patience = new Patience(began);
  const limits = { stallMs: 2_000 };
  const spoken = (bytes: number): Standing => ({ bytes, stopAsked: false });
  expect(looked(patience, 0, 30_000, limits, spoken(5))).toBe(false);
  expect(looked(patience, 30_500, 61_000, limits, spoken(6))).toBe(false);
  expect(looked(patience, 61_000, 62_500, limits, spoken(6))).toBe(false);
  expect(patience.isOver(began + 62_501, limits, spoken(6))).toBe(true);
  expect(looked(new Patience(began), 0, 100_000, {}, spoken(0))).toBe(false);
});

test('time in which nobody looked is held against nobody: the shim may have stood still as well', () => {
  const patience = new Patience(began);
  const limits = { stallMs: 600_000, timeoutMs: 3_600_000 };
  expect(looked(patience, 0, 10_000, limits, { bytes: 5, stopAsked: true })).toBe(false);
  expect(patience.isOver(began + 10_000_000, limits, { bytes: 5, stopAsked: true })).toBe(false);
});
