import { ValueType, type HrTime } from '@opentelemetry/api';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { Point, Totals } from '../../store/metrics.ts';
import type { Instant } from '../../task/task.ts';
import type { Sender } from '../serialise.ts';
import { definitionOf } from './points.ts';

/**
 * One `ExportMetricsServiceRequest` with all totals, cumulative from their beginning. Their time is that of the totals and not of the sending: the same
 * totals are the same bytes, and no receiver is given two values for one time.
 */
export function serialiseTotals(totals: Totals & { readonly at: Instant }, sender: Sender): Uint8Array {
  const byMetric = Map.groupBy(totals.points, ({ metric }) => metric);
  const metrics = [...byMetric].flatMap(([metric, points]) => metricData(metric, points, timeOf(totals.since), timeOf(totals.at)) ?? []);
  const bytes = ProtobufMetricsSerializer.serializeRequest({
    resource: resourceFromAttributes(sender.resource),
    scopeMetrics: [{ scope: { name: 'singletree', version: sender.version }, metrics }],
  });
  if (!bytes) throw new Error('the totals give no OTLP request');
  return bytes;
}

/** Undefined for a metric that an older version counted and this one does not know. */
function metricData(name: string, points: readonly Point[], startTime: HrTime, endTime: HrTime): MetricData | undefined {
  const definition = definitionOf(name);
  if (!definition) return undefined;
  const { unit, description, instrument, scale, buckets: boundaries } = definition;
  const base = {
    descriptor: { name, unit, description, valueType: scale === 1 ? ValueType.INT : ValueType.DOUBLE, advice: {} },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const pointOf = <T>({ labels }: Point, value: T): { startTime: HrTime; endTime: HrTime; attributes: Point['labels']; value: T } => ({
    startTime,
    endTime,
    attributes: labels,
    value,
  });
  if (instrument === 'histogram') {
    const dataPoints = points.map((point) =>
      pointOf(point, {
        buckets: { boundaries: [...(boundaries ?? [])], counts: [...(point.buckets ?? [])] },
        sum: point.sum / scale,
        count: point.count,
      }),
    );
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  return {
    ...base,
    dataPointType: DataPointType.SUM,
    isMonotonic: true,
    dataPoints: points.map((point) => pointOf(point, point.sum / scale)),
  };
}

function timeOf(ms: Instant): HrTime {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
