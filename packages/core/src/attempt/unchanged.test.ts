import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Unchanged } from './unchanged.ts';

/** A workspace of which `now` tells what differs, how long a look takes, and how often somebody has looked. */
function scene(least: number) {
  const state = { now: '' as string | undefined, takesMs: 0, looks: 0, clock: 0 };
  const glance = async (): Promise<string | undefined> => {
    state.looks += 1;
    state.clock += state.takesMs;
    return state.now;
  };
  const unchanged = new Unchanged(glance, least, () => state.clock);
  /** Asks, and once more when a look that it has begun is over. */
  const count = async (turns: number, sinceChange: number): Promise<number> => {
    unchanged.count(turns, sinceChange);
    await setImmediate();
    return unchanged.count(turns, sinceChange);
  };
  return { state, count };
}

test('looks only once enough calls have passed, and believes what the CLI tells of changes', async () => {
  const { state, count } = scene(5);
  expect([await count(4, 4), await count(9, 4)]).toEqual([0, 0]);
  expect(state.looks).toBe(0);
  expect(await count(9, 5)).toBe(5);
  expect(await count(10, 1)).toBe(1);
  expect(state.looks).toBe(1);
});

test('counts anew from each change that it sees, and where nobody can tell', async () => {
  const { state, count } = scene(2);
  for (const [turns, now] of [
    [3, 'a'],
    [5, 'b'],
    [7, undefined],
  ] as const) {
    state.now = now;
    state.clock += 1_000;
    expect(await count(turns, turns)).toBe(0);
  }
  state.now = 'b';
  state.clock += 1_000;
  expect(await count(8, 8)).toBe(0);
  expect(state.looks).toBe(3);
  expect(await count(9, 9)).toBe(2);
});

test.each([
  ['once a second', 1, 1_000],
  ['less often where a look takes longer', 100, 2_000],
  ['every ten seconds at least', 2_000, 10_000],
  ['half of the time at most', 30_000, 30_000],
])('looks %s', async (_, takesMs, pauseMs) => {
  const { state, count } = scene(2);
  state.takesMs = takesMs;
  expect(await count(2, 2)).toBe(2);
  state.clock += pauseMs - 1;
  expect(await count(4, 4)).toBe(2);
  state.clock += 1;
  expect(await count(4, 4)).toBe(4);
});
