import assert from 'node:assert/strict';
import type { Point, Snapshot } from './metrics.ts';
import { change, commit, created, ending, noon, type StoreCase, type StoreFixture } from './samples.testsuite.ts';

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

async function folded(at: StoreFixture, changes: readonly Point[], time: number): Promise<Snapshot> {
  const snapshot = await at.metrics.fold([], changes, time);
  assert.ok(snapshot !== 'conflict');
  return snapshot;
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
      assert.notEqual(await at.metrics.fold(ids.slice(0, 2), [], noon), 'conflict');
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
      assert.deepEqual((await folded(at, [], noon)).points, []);
      await folded(at, [counted(1, { model: 'a', kind: 'b' }), lasted(1, 1, 0)], noon + 5);
      await at.reopen();
      const { points } = await folded(at, [counted(2, { kind: 'b', model: 'a' }), counted(1), lasted(0, 1, 1)], noon + 9);
      assert.deepEqual(points, [
        { metric: 'duration', labels: {}, count: 4, sum: 10, buckets: [1, 2, 1], firstAt: noon + 5 },
        { metric: 'tasks', labels: { kind: 'b', model: 'a' }, count: 3, sum: 9, firstAt: noon + 5 },
        { metric: 'tasks', labels: { model: 'a' }, count: 1, sum: 3, firstAt: noon + 9 },
      ]);
      const series = points.map(({ metric, labels }) => ({ metric, labels }));
      assert.deepEqual(await at.metrics.series(), series);
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
      assert.equal(results[1], 'conflict');
      assert.deepEqual((await folded(at, [], noon)).points, [{ ...counted(1), firstAt: noon }]);
      assert.deepEqual(
        (await at.metrics.unfolded(9)).map(({ task }) => task.id),
        [second],
      );
    },
  },
  {
    name: 'the beginning never changes, and every snapshot has a time of its own, whatever the clock does',
    async run(make) {
      await using at = await make();
      const { since } = await folded(at, [], noon + 5);
      assert.ok(Math.abs(since - Date.now()) < 60_000);
      assert.equal((await folded(at, [], noon + 5)).at, noon + 6);
      assert.equal((await folded(at, [counted(1)], noon + 2)).at, noon + 7);
      await at.reopen();
      const snapshot = await folded(at, [], noon + 20);
      assert.deepEqual([snapshot.since, snapshot.at], [since, noon + 20]);
      assert.deepEqual(snapshot.points, [{ ...counted(1), firstAt: noon + 7 }]);
    },
  },
  {
    name: 'a clock that was far ahead for a while is forgotten',
    async run(make) {
      await using at = await make();
      const ahead = noon + 86_400_000;
      assert.equal((await folded(at, [], ahead)).at, ahead);
      assert.equal((await folded(at, [], ahead - 600_000)).at, ahead + 1);
      assert.equal((await folded(at, [], noon)).at, noon);
      assert.equal((await folded(at, [], noon)).at, noon + 1);
    },
  },
  {
    name: 'a snapshot tells what is at that moment: what is worked on, what waits, what is blocked, what is to be delivered',
    async run(make) {
      await using at = await make();
      const nothing = { undirected: 0, destinations: [] };
      assert.deepEqual((await folded(at, [], noon)).live, { active: [], queued: [], blocked: [], outbox: nothing });
      for (const harness of ['codex', 'claude_code', 'codex']) await created(at.store, { harness });
      const lease = { owner: 'o', until: noon + 60_000 };
      await commit(at.store, change(await created(at.store, { harness: 'codex' }), { state: 'in_progress', lease }));
      await commit(at.store, change(await created(at.store), { state: 'in_review' }));
      const blocked = { reason: 'quota_exhausted', message: 'wait', from: 'created' } as const;
      await commit(at.store, change(await created(at.store), { state: 'blocked', blocked }));
      await commit(at.store, ending(await created(at.store), 'completed', ['here'], noon));
      assert.deepEqual((await folded(at, [], noon)).live, {
        active: [{ harness: 'codex', tasks: 1 }],
        queued: [
          { harness: 'claude_code', tasks: 1 },
          { harness: 'codex', tasks: 2 },
        ],
        blocked: [{ reason: 'quota_exhausted', tasks: 1 }],
        outbox: await at.outbox.standing(),
      });
    },
  },
  {
    name: 'what a destination has is remembered, and is no row that waits',
    async run(make) {
      await using at = await make();
      assert.equal(await at.metrics.acknowledged('here'), undefined);
      await at.metrics.acknowledge('here', noon);
      await at.metrics.acknowledge('here', noon + 5);
      await at.reopen();
      assert.equal(await at.metrics.acknowledged('here'), noon + 5);
      assert.equal(await at.metrics.acknowledged('there'), undefined);
    },
  },
];
