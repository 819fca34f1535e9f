import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { Retention, type RetentionParts } from './retention.ts';

const noon = Date.UTC(2026, 10, 21, 12);
const day = 86_400_000;
const running: Retention[] = [];
afterEach(async () => {
  for (const retention of running.splice(0)) await retention.stop();
});

/** A retention over a store that has so many old rows, whose waits end when the test says so. */
function aRetention(old: number, parts: Partial<RetentionParts> = {}) {
  const asked: Parameters<RetentionParts['store']['prune']>[0][] = [];
  const waits: number[] = [];
  const told: unknown[] = [];
  let now = noon;
  let wake: () => void = () => {};
  const retention = new Retention({
    store: {
      prune: async (change) => {
        asked.push(change);
        const rows = Math.min(old, change.limit);
        old -= rows;
        return rows;
      },
    },
    destinations: ['otlp'],
    retainMs: 30 * day,
    now: () => now,
    sleep: (ms, signal) => {
      waits.push(ms);
      return new Promise((resolve) => {
        wake = () => ((now += ms), resolve());
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (signal.aborted) resolve();
      });
    },
    report: (event) => told.push(event),
    ...parts,
  });
  running.push(retention);
  const skip = async (): Promise<void> => {
    wake();
    for (let turns = 0; turns < 3; turns++) await turn();
  };
  return { retention, asked, waits, told, skip };
}

test('a minute after the start and then every hour, a few rows at a time until none is old', async () => {
  const { retention, asked, waits, told, skip } = aRetention(250);
  retention.start();
  expect([asked, waits]).toEqual([[], [60_000]]);
  for (let waiting = 0; waiting < 4; waiting++) await skip();
  expect(waits).toEqual([60_000, 100, 100, 3_600_000, 3_600_000]);
  expect(told).toEqual([{ pruned: 250 }]);
  const first = noon + 60_000 - 30 * day;
  expect(asked.map(({ before }) => before)).toEqual([first, first, first, first + 3_600_200]);
  expect(asked[0]).toEqual({ before: first, destinations: ['otlp'], limit: 100 });
});

test('a store that fails is asked again, and that is told', async () => {
  const { retention, waits, told, skip } = aRetention(0, { store: { prune: () => Promise.reject(new Error('busy')) } });
  retention.start();
  await skip();
  expect(told).toEqual([{ error: new Error('busy') }]);
  expect(waits).toEqual([60_000, 3_600_000]);
});

test('stop is not waited for, also between two batches', async () => {
  const { retention, asked, skip } = aRetention(1_000);
  retention.start();
  await skip();
  await retention.stop();
  await skip();
  expect(asked).toHaveLength(1);
});
