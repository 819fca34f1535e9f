import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

/** A clock that only waiting moves. */
function timed(): { readonly pace: Pace; readonly clock: { now: number } } {
  const clock = { now: 0 };
  const pace = new Pace(
    () => clock.now,
    async (ms) => {
      clock.now += ms;
    },
  );
  return { pace, clock };
}

test('nobody waits before anything is told, and the first call after that begins at once', async () => {
  const { pace, clock } = timed();
  await pace.begin();
  await pace.begin();
  pace.told();
  await pace.begin();
  expect(clock.now).toBe(0);
});

test('a second call waits until the figures have been told for a second; one that is slower waits for nothing', async () => {
  const { pace, clock } = timed();
  pace.told();
  await pace.begin();
  clock.now = 300;
  await pace.begin();
  expect(clock.now).toBe(1_000);

  pace.told();
  await pace.begin();
  clock.now = 2_500;
  pace.told();
  await pace.begin();
  expect(clock.now).toBe(2_500);
});

test('whoever else calls in between, at most one call begins within the second after each that was told', async () => {
  const { pace, clock } = timed();
  const told: number[] = [];
  const begun: number[] = [];
  for (let call = 0; call < 20; call += 1) {
    await pace.begin();
    begun.push(clock.now);
    clock.now += (call * 37) % 90;
    pace.told();
    told.push(clock.now);
    // A sub-agent beside it.
    if (call % 3 === 0) {
      await pace.begin();
      begun.push(clock.now);
    }
  }
  for (const at of told) expect(begun.filter((each) => each > at && each < at + 1_000).length).toBeLessThanOrEqual(1);
});
