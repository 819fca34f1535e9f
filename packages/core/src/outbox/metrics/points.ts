import type { Point } from '../../store/metrics.ts';
import { metrics } from '../registry.ts';
import type { Measurement, MetricName } from './measure.ts';

/** Series that one metric may have. */
export const mostSeries = 2_000;

/** The label that stands for all that a metric has no series for any more. */
const other = 'other';

export function definitionOf(metric: string): Definition | undefined {
  return isMetric(metric) ? metrics[metric] : undefined;
}

export interface Definition {
  readonly instrument: 'counter' | 'updowncounter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly description: string;
  readonly scale: number;
  readonly buckets?: readonly number[];
  readonly labels: readonly string[];
}

/** What names a series: equal for equal labels, in whatever order they came. */
export function seriesOf({ metric, labels }: Pick<Point, 'metric' | 'labels'>): string {
  return JSON.stringify([metric, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

/**
 * What measurements add to the totals, one point a series. A new series of a metric that has as many as it may is counted under `other`, and that
 * it was is counted too.
 *
 * @param known the series that there are
 */
export function changesOf(
  measurements: readonly Measurement[],
  known: readonly Pick<Point, 'metric' | 'labels'>[],
  most: number = mostSeries,
): Point[] {
  const series = new Set(known.map(seriesOf));
  const counts = new Map<string, number>();
  for (const { metric } of known) counts.set(metric, (counts.get(metric) ?? 0) + 1);
  const changes = new Map<string, Point>();
  const add = (point: Point): void => {
    const key = seriesOf(point);
    if (!series.has(key)) {
      series.add(key);
      counts.set(point.metric, (counts.get(point.metric) ?? 0) + 1);
    }
    changes.set(key, plus(changes.get(key), point));
  };
  for (const measurement of measurements) {
    const { metric, labels, value } = measurement;
    const isFull = !series.has(seriesOf(measurement)) && (counts.get(metric) ?? 0) >= most;
    const kept = isFull ? Object.fromEntries(metrics[metric].labels.map((label) => [label, other])) : labels;
    add({ metric, labels: kept, count: 1, sum: value, ...bucketOf(metric, value) });
    if (isFull) add({ metric: 'singletree.metrics.folded', labels: { 'singletree.metric.name': metric }, count: 1, sum: 1 });
  }
  return [...changes.values()];
}

/** Both together. When they began is known if it is known of both. */
export function plus(left: Point | undefined, right: Point): Point {
  if (!left) return right;
  const { metric, labels } = right;
  const buckets = right.buckets?.map((count, index) => count + (left.buckets?.[index] ?? 0));
  const firstAt = left.firstAt === undefined || right.firstAt === undefined ? undefined : Math.min(left.firstAt, right.firstAt);
  return {
    metric,
    labels,
    count: left.count + right.count,
    sum: left.sum + right.sum,
    ...(buckets ? { buckets } : {}),
    ...(firstAt === undefined ? {} : { firstAt }),
  };
}

/** An upper end belongs to its bucket. */
function bucketOf(metric: MetricName, value: number): { readonly buckets?: readonly number[] } {
  const { buckets, scale }: Definition = metrics[metric];
  if (!buckets) return {};
  const found = buckets.findIndex((end) => value <= Math.round(end * scale));
  const place = found < 0 ? buckets.length : found;
  return { buckets: Array.from({ length: buckets.length + 1 }, (_, index) => (index === place ? 1 : 0)) };
}

function isMetric(name: string): name is MetricName {
  return Object.hasOwn(metrics, name);
}
