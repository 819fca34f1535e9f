import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { expect, test } from 'vitest';
import type { Point } from '../../store/metrics.ts';
import { noon } from '../stand-ins.testsuite.ts';
import { metricsOf, serialiseTotals } from './otlp.ts';

const agent = { 'gen_ai.agent.name': 'codex' };
const completions: Point = { metric: 'singletree.task.completions', labels: agent, count: 3, sum: 3, firstAt: noon };
const ofUnknownAge: Point = { metric: completions.metric, labels: agent, count: 3, sum: 3 };
const lasted: Point = { metric: 'gen_ai.invoke_workflow.duration', labels: agent, count: 2, sum: 5_500, buckets: [0, 1, 1], firstAt: noon };
const at = noon + 60_000;
const since = noon - 1_000;

/** Values with their time, in milliseconds from noon. */
function told({ dataPoints }: MetricData): unknown[] {
  return dataPoints.map(({ endTime: [seconds, nanoseconds], value }) => [seconds * 1_000 + nanoseconds / 1_000_000 - noon, value]);
}

test.each<[string, string, Partial<MetricData>, number]>([
  ['a counter', 'singletree.task.completions', { dataPointType: DataPointType.SUM, isMonotonic: true }, 1_500],
  ['a counter in its unit', 'singletree.task.cost', { dataPointType: DataPointType.SUM, isMonotonic: true }, 0.0015],
  ['what goes up and down', 'singletree.task.active', { dataPointType: DataPointType.SUM, isMonotonic: false }, 1_500],
  ['a gauge in its unit', 'singletree.outbox.oldest_age', { dataPointType: DataPointType.GAUGE }, 1.5],
])('%s', (_, metric, form, value) => {
  const [found] = metricsOf({ since, at, points: [{ metric, labels: agent, count: 1, sum: 1_500 }] });
  expect(found).toMatchObject({
    ...form,
    descriptor: { name: metric },
    dataPoints: [{ attributes: agent, value, startTime: [since / 1_000, 0] }],
  });
});

test('a series that is new to a receiver was 0 just before it began, whenever that is told', () => {
  for (const later of [at, at + 60_000]) {
    const [counter, histogram] = metricsOf({ since, at: later, points: [completions, lasted] }, noon - 30_000);
    expect(told(counter!)).toEqual([
      [-1, 0],
      [later - noon, 3],
    ]);
    expect(told(histogram!)).toMatchObject([
      [-1, { count: 0, sum: 0, buckets: { counts: [0, 0, 0] } }],
      [later - noon, { count: 2, sum: 5.5, buckets: { counts: [0, 1, 1] } }],
    ]);
  }
});

test.each([
  ['that the receiver has', completions, noon],
  ['when the receiver has nothing at all', completions, undefined],
  ['of which nobody knows when it began', ofUnknownAge, noon - 1],
  ['that began later than now', { ...completions, firstAt: at + 1 }, noon - 1],
])('a series %s is told as it is now', (_, point, after) => {
  expect(metricsOf({ since, at, points: [point] }, after).map(told)).toEqual([[[60_000, 3]]]);
});

test('the same snapshot is the same bytes, and a metric of an older version is left out', () => {
  const sender = { resource: { 'service.name': 'singletree' }, version: '1.0.0' };
  const points = [completions, lasted, { metric: 'of.an.older.version', labels: {}, count: 1, sum: 1 }];
  const first = serialiseTotals({ since, at, points }, sender, noon - 1);
  expect(serialiseTotals({ since, at, points }, sender, noon - 1)).toEqual(first);
  expect(Buffer.from(first).includes('older')).toBe(false);
});
