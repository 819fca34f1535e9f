import { randomInt } from 'node:crypto';

/** The variable that makes a random test repeat itself. */
const seedVariable = 'SINGLETREE_TEST_SEED';

/**
 * The seed of a test that draws at random: `SINGLETREE_TEST_SEED` if set, else a new one. Prints it with the name of the test,
 * so that a failure on another machine can be repeated. A whole number from 0 to 2³²−1.
 */
export function seedOf(name: string): number {
  const given = process.env[seedVariable];
  const seed = given === undefined || given === '' ? randomInt(0x1_0000_0000 - 1) : Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
    throw new Error(`${seedVariable} is "${given}"; it must be a whole number from 0 to 4294967295`);
  }
  console.log(`${name}: repeat with ${seedVariable}=${seed}`);
  return seed;
}

/** A stream of numbers in [0, 1) that depends on the seed alone (mulberry32). For tests and demos, not for secrets. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
