import { expect, test } from 'vitest';
import type { Measurement } from './measure.ts';
import { changesOf } from './points.ts';

const completions = 'singletree.task.completions' as const;
const one = (labels: Record<string, string>, value = 1): Measurement => ({ metric: completions, labels, value });
const lasted = (value: number): Measurement => ({ metric: 'gen_ai.invoke_workflow.duration', labels: {}, value });

test('measurements of one series are one change, in whatever order their labels come', () => {
  expect(changesOf([one({ a: '1', b: '2' }), one({ b: '2', a: '1' }, 5), one({ a: '1' })], [])).toEqual([
    { metric: completions, labels: { b: '2', a: '1' }, count: 2, sum: 6 },
    { metric: completions, labels: { a: '1' }, count: 1, sum: 1 },
  ]);
});

test('a value lies in the bucket whose end it does not pass', () => {
  const [change] = changesOf([0, 1_000, 1_001, 7_200_000, 7_200_001].map(lasted), []);
  expect(change).toMatchObject({ count: 5, sum: 14_402_002 });
  expect(change?.buckets).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
});

test('a new series of a metric that is full is counted under other, and that it was is told; what is known goes on', () => {
  const known = [
    { metric: completions, labels: { model: 'a' } },
    { metric: completions, labels: { model: 'b' } },
  ];
  const changes = changesOf([one({ model: 'a' }), one({ model: 'c' }), one({ model: 'd' })], known, 2);
  const other = Object.fromEntries(
    [
      'singletree.task.type',
      'singletree.task.complexity',
      'singletree.task.outcome',
      'gen_ai.agent.name',
      'gen_ai.response.model',
      'error.type',
      'singletree.quality_gate.passed',
    ].map((label) => [label, 'other']),
  );
  expect(changes).toEqual([
    { metric: completions, labels: { model: 'a' }, count: 1, sum: 1 },
    { metric: completions, labels: other, count: 2, sum: 2 },
    { metric: 'singletree.metrics.folded', labels: { 'singletree.metric.name': completions }, count: 2, sum: 2 },
  ]);
});
