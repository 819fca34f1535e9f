import { afterEach, expect, test, vi } from 'vitest';
import { randomFrom, seedOf } from './seed.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('repeats the seed that is given, draws one otherwise, and prints it either way', () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  vi.stubEnv('SINGLETREE_TEST_SEED', '4242');
  expect(seedOf('kills')).toBe(4242);
  vi.stubEnv('SINGLETREE_TEST_SEED', undefined);
  const drawn = seedOf('kills');
  expect(drawn).toBeLessThanOrEqual(0xffff_ffff);
  expect(log.mock.calls).toEqual([['kills: repeat with SINGLETREE_TEST_SEED=4242'], [`kills: repeat with SINGLETREE_TEST_SEED=${drawn}`]]);
});

test.each(['x', '-1', '1.5', '4294967296'])('refuses the seed %s', (seed) => {
  vi.stubEnv('SINGLETREE_TEST_SEED', seed);
  expect(() => seedOf('kills')).toThrow(`SINGLETREE_TEST_SEED is "${seed}"`);
});

test('a random stream depends on its seed alone and fills the range evenly', () => {
  const draw = (seed: number): number[] => Array.from({ length: 1000 }, randomFrom(seed));
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  const tenths = Array.from({ length: 10 }, (_, tenth) => draw(3).filter((x) => Math.floor(x * 10) === tenth).length);
  expect(Math.min(...tenths)).toBeGreaterThan(60);
});
