import { ValueType, type HrTime } from '@opentelemetry/api';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { Point } from '../../store/metrics.ts';
import type { Instant } from '../../task/task.ts';
import type { Sender } from '../spans/serialise.ts';
import { definitionOf } from './points.ts';
import type { Exported } from './snapshots.ts';

/**
 * One `ExportMetricsServiceRequest` with all points. Their time is that of the snapshot and not of the sending: the same snapshot is the same bytes, and
 * no receiver is given two values for one time.
 *
 * @param after as of `metricsOf`
 */
export function serialiseTotals(exported: Exported, sender: Sender, after?: Instant): Uint8Array {
  const bytes = ProtobufMetricsSerializer.serializeRequest({
    resource: resourceFromAttributes(sender.resource),
    scopeMetrics: [{ scope: { name: 'singletree', version: sender.version }, metrics: metricsOf(exported, after) }],
  });
  if (!bytes) throw new Error('the totals give no OTLP request');
  return bytes;
}

/**
 * The points of a snapshot, cumulative from their beginning. One of a metric that an older version counted and this one does not know is left out.
 *
 * @param after time of the last snapshot that the receiver has. A series that began later is told to have been 0 just before it did: a receiver that
 *   first hears of it with a value sees no increase. Absent for a receiver that has none: to it, everything begins now.
 */
export function metricsOf(exported: Exported, after?: Instant): MetricData[] {
  const byMetric = Map.groupBy(exported.points, ({ metric }) => metric);
  return [...byMetric].flatMap(([metric, points]) => {
    const values = points.flatMap((point) => [...zeroBefore(point, after, exported.at), { point, at: exported.at }]);
    return metricData(metric, values, timeOf(exported.since)) ?? [];
  });
}

interface Value {
  readonly point: Point;
  readonly at: Instant;
}

/** Always the same time for a series: told again, it is the same value of the same moment, or one that is older than what the receiver has. */
function zeroBefore(point: Point, after: Instant | undefined, at: Instant): Value[] {
  // One that began by a clock that was set back since has no moment before.
  if (after === undefined || point.firstAt === undefined || point.firstAt <= after || point.firstAt > at) return [];
  const { metric, labels, buckets } = point;
  return [{ point: { metric, labels, count: 0, sum: 0, ...(buckets ? { buckets: buckets.map(() => 0) } : {}) }, at: point.firstAt - 1 }];
}

function metricData(name: string, values: readonly Value[], startTime: HrTime): MetricData | undefined {
  const definition = definitionOf(name);
  if (!definition) return undefined;
  const { unit, description, instrument, scale, buckets: boundaries } = definition;
  const base = {
    descriptor: { name, unit, description, valueType: scale === 1 ? ValueType.INT : ValueType.DOUBLE, advice: {} },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const dataPoints = <T>(value: (point: Point) => T) =>
    values.map(({ point, at }) => ({ startTime, endTime: timeOf(at), attributes: point.labels, value: value(point) }));
  const numbers = dataPoints(({ sum }) => sum / scale);
  switch (instrument) {
    case 'histogram':
      return {
        ...base,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: dataPoints(({ buckets = [], sum, count }) => ({
          buckets: { boundaries: [...(boundaries ?? [])], counts: [...buckets] },
          sum: sum / scale,
          count,
        })),
      };
    case 'gauge':
      return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: numbers };
    case 'counter':
    case 'updowncounter':
      return { ...base, dataPointType: DataPointType.SUM, isMonotonic: instrument === 'counter', dataPoints: numbers };
  }
}

function timeOf(ms: Instant): HrTime {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
