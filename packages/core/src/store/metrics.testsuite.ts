import assert from 'node:assert/strict';
import type { Point } from './metrics.ts';
import { commit, created, ending, noon, type StoreCase, type StoreFixture } from './samples.testsuite.ts';

const counted = (count: number, labels: Record<string, string> = { model: 'a' }): Point => ({
  metric: 'tasks',
  labels,
  count,
  sum: count * 3,
});
const lasted = (...buckets: number[]): Point => ({ metric: 'duration', labels: {}, count: 2, sum: 5, buckets });

async function ended(at: StoreFixture): Promise<string> {
  return (await commit(at.store, ending(await created(at.store), 'completed', []))).id;
}

/** What every adapter of the metrics port must pass. */
export const metricCases: readonly StoreCase[] = [
  {
    name: 'a finished task is unfolded until it is folded, oldest first; one that goes on is not',
    async run(make) {
      await using at = await make();
      await created(at.store);
      const ids = [await ended(at), await ended(at), await ended(at)];
      const unfolded = await at.metrics.unfolded(2);
      assert.deepEqual(
        unfolded.map(({ task }) => task.id),
        ids.slice(0, 2),
      );
      assert.deepEqual(unfolded[0], { task: await at.store.task(ids[0]!), completion: await at.store.completion(ids[0]!) });
      assert.equal(await at.metrics.fold(ids.slice(0, 2), [], noon), 'folded');
      assert.deepEqual(
        (await at.metrics.unfolded(9)).map(({ task }) => task.id),
        ids.slice(2),
      );
    },
  },
  {
    name: 'changes are added series by series and bucket by bucket, also after a restart; labels in another order are the same series',
    async run(make) {
      await using at = await make();
      assert.deepEqual((await at.metrics.totals()).points, []);
      await at.metrics.fold([], [counted(1, { model: 'a', kind: 'b' }), lasted(1, 1, 0)], noon + 5);
      await at.reopen();
      await at.metrics.fold([], [counted(2, { kind: 'b', model: 'a' }), counted(1), lasted(0, 1, 1)], noon + 9);
      assert.deepEqual((await at.metrics.totals()).points, [
        { metric: 'duration', labels: {}, count: 4, sum: 10, buckets: [1, 2, 1] },
        { metric: 'tasks', labels: { kind: 'b', model: 'a' }, count: 3, sum: 9 },
        { metric: 'tasks', labels: { model: 'a' }, count: 1, sum: 3 },
      ]);
    },
  },
  {
    name: 'a task is counted once: a second time changes nothing at all',
    async run(make) {
      await using at = await make();
      const [first, second] = [await ended(at), await ended(at)];
      const results = await Promise.all([
        at.metrics.fold([first], [counted(1)], noon),
        at.metrics.fold([first, second], [counted(2)], noon),
      ]);
      assert.deepEqual(results, ['folded', 'conflict']);
      assert.deepEqual((await at.metrics.totals()).points, [counted(1)]);
      assert.deepEqual(
        (await at.metrics.unfolded(9)).map(({ task }) => task.id),
        [second],
      );
    },
  },
  {
    name: 'the beginning never changes, and the time of the totals never goes back',
    async run(make) {
      await using at = await make();
      const { since, at: none } = await at.metrics.totals();
      assert.equal(none, undefined);
      assert.ok(Math.abs(since - Date.now()) < 60_000);
      await at.metrics.fold([], [], noon + 5);
      await at.metrics.fold([], [], noon + 2);
      await at.reopen();
      assert.deepEqual(await at.metrics.totals(), { since, at: noon + 5, points: [] });
    },
  },
];
