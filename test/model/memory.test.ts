import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { seedOf } from '@singletree/testing';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { openSqlite } from '../../packages/core/src/store/sqlite/index.ts';
import { violationsOf } from '../support/checker.ts';
import { World, type Move } from './world.testsuite.ts';

/** In full a while longer: the seed is another one each time. */
const runs = process.env['SINGLETREE_TEST_FULL'] === '1' ? 5_000 : 250;
const limitMs = 60_000 + runs * 150;
/** In memory where the machine lets us: what a disk does is the matter of other tests. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'singletree-model-'));
const { store } = openSqlite({ path: join(folder, 'singletree.db'), newId: randomUUID });
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const weights: Readonly<Record<Move['kind'], number>> = {
  create: 4,
  cancel: 1,
  terminate: 1,
  repeat: 3,
  'kill switch': 1,
  release: 2,
  unblock: 2,
  claim: 8,
  drive: 40,
  happen: 14,
  late: 3,
  watch: 3,
  crash: 4,
  wait: 3,
};
const kinds = Object.keys(weights) as Move['kind'][];
const aMove: fc.Arbitrary<Move> = fc.record({
  kind: fc.oneof(...kinds.map((kind) => ({ weight: weights[kind], arbitrary: fc.constant(kind) }))),
  by: fc.nat(),
});

test(`${runs} lives of clients, daemons and agents around one store break no promise`, { timeout: limitMs + 20_000 }, async () => {
  const seen = { deaths: 0, ends: new Map<string, number>() };
  await fc.assert(
    fc.asyncProperty(fc.array(aMove, { minLength: 20, maxLength: 150, size: 'max' }), async (moves) => {
      const world = new World(store);
      await world.play(moves);
      await world.settle();
      const history = await world.history();
      expect(violationsOf(history)).toEqual([]);
      seen.deaths += world.deaths;
      for (const { task } of history.tasks) {
        const end = `${task.state} ${task.failure?.reason ?? ''}`;
        seen.ends.set(end, (seen.ends.get(end) ?? 0) + 1);
      }
    }),
    // What fails slowly is not made smaller for ever.
    { seed: seedOf('model') | 0, numRuns: runs, plugins: [fc.interruptAfterTimeLimit(limitMs, { failOnInterrupt: true })] },
  );
  // The world is worth something only if it leads everywhere.
  expect(seen.deaths).toBeGreaterThan(runs);
  expect([...seen.ends.keys()]).toEqual(
    expect.arrayContaining(['completed ', 'cancelled cancelled', 'cancelled terminated', 'failed killed', 'failed gate_failed']),
  );
});
