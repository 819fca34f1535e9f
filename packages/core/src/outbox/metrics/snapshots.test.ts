import { expect, test } from 'vitest';
import type { MetricStore, Point } from '../../store/metrics.ts';
import { redactor } from '../redaction.ts';
import { noon, nothingLive } from '../stand-ins.testsuite.ts';
import { createSnapshots } from './snapshots.ts';

const run = (name: string, more: Partial<Point>): Point => ({
  metric: 'singletree.quality_gate.duration',
  labels: { 'cicd.pipeline.task.name': name, 'cicd.pipeline.task.run.result': 'success' },
  count: 1,
  sum: 10,
  buckets: [1, 0],
  ...more,
});

test('what must not leave any more is taken out of names that were counted before, and their series are one', async () => {
  const points = [run('acme-a', { firstAt: noon - 5 }), run('acme-b', { sum: 5, firstAt: noon - 9 }), run('test', {})];
  const store = {
    unfolded: async () => [],
    fold: async () => ({ since: noon - 10, at: noon, points, live: nothingLive }),
  } satisfies Partial<MetricStore>;
  const privacy = { content: false, redact: redactor(['acme-\\w', 'success']) };
  const parts = { now: () => noon, known: { harnesses: [], destinations: [] }, privacy };
  const exported = await createSnapshots({ ...parts, store: store as never })();
  expect(exported.points.filter(({ metric }) => metric === points[0]?.metric)).toEqual([
    run('[redacted]', { count: 2, sum: 15, buckets: [2, 0], firstAt: noon - 9 }),
    run('test', {}),
  ]);
});
