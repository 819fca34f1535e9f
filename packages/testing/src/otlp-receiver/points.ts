import { readMessage, type Message } from './protobuf.ts';
import { attributesOf, type Attributes } from './spans.ts';

/** One value of one series, as it came. */
export interface ReceivedPoint {
  readonly metric: string;
  readonly unit: string;
  readonly kind: 'sum' | 'gauge' | 'histogram';
  readonly cumulative: boolean;
  readonly monotonic: boolean;
  readonly attributes: Attributes;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly time: bigint;
  /** The value, or the sum of a histogram. */
  readonly value: number;
  /** Of a histogram. */
  readonly count?: number;
  readonly buckets?: readonly number[];
  readonly bounds?: readonly number[];
  readonly resource: Attributes;
}

const request = { resourceMetrics: 1 } as const;
const resourceMetrics = { resource: 1, scopeMetrics: 2 } as const;
const scopeMetrics = { metrics: 2 } as const;
const metric = { name: 1, unit: 3, gauge: 5, sum: 7, histogram: 9 } as const;
const data = { points: 1, temporality: 2, monotonic: 3 } as const;
const point = { start: 2, time: 3, double: 4, int: 6, attributes: 7 } as const;
const histogramPoint = { start: 2, time: 3, count: 4, sum: 5, buckets: 6, bounds: 7, attributes: 9 } as const;
const cumulative = 2n;

/** Reads an `ExportMetricsServiceRequest`, as `decodeSpans` reads spans. Throws on other bytes. */
export function decodePoints(body: Uint8Array): readonly ReceivedPoint[] {
  return readMessage(body)
    .messages(request.resourceMetrics)
    .flatMap((group) => {
      const resource = attributesOf(group.message(resourceMetrics.resource)?.messages(1));
      return group
        .messages(resourceMetrics.scopeMetrics)
        .flatMap((scoped) => scoped.messages(scopeMetrics.metrics))
        .flatMap((message) => pointsOf(message, resource));
    });
}

function pointsOf(message: Message, resource: Attributes): ReceivedPoint[] {
  const kind = (['sum', 'gauge', 'histogram'] as const).find((each) => message.has(metric[each]));
  if (!kind) throw new Error(`metric ${message.string(metric.name)} is neither a sum, a gauge nor a histogram`);
  const holder = message.message(metric[kind]);
  const shared = {
    metric: message.string(metric.name),
    unit: message.string(metric.unit),
    kind,
    cumulative: kind !== 'gauge' && holder?.unsigned(data.temporality) === cumulative,
    monotonic: kind === 'sum' && holder?.unsigned(data.monotonic) === 1n,
    resource,
  };
  return (holder?.messages(data.points) ?? []).map((each) => ({
    ...shared,
    ...(kind === 'histogram' ? histogramOf(each) : numberOf(each)),
  }));
}

function numberOf(each: Message): Pick<ReceivedPoint, 'attributes' | 'start' | 'time' | 'value'> {
  return {
    attributes: attributesOf(each.messages(point.attributes)),
    start: each.unsigned(point.start),
    time: each.unsigned(point.time),
    value: each.has(point.int) ? Number(each.signed(point.int)) : each.double(point.double),
  };
}

function histogramOf(each: Message): Omit<ReceivedPoint, 'metric' | 'unit' | 'kind' | 'cumulative' | 'monotonic' | 'resource'> {
  const words = (field: number): DataView[] => {
    const packed = each.bytes(field);
    return Array.from({ length: packed.byteLength / 8 }, (_, index) => new DataView(packed.buffer, packed.byteOffset + index * 8, 8));
  };
  return {
    attributes: attributesOf(each.messages(histogramPoint.attributes)),
    start: each.unsigned(histogramPoint.start),
    time: each.unsigned(histogramPoint.time),
    count: Number(each.unsigned(histogramPoint.count)),
    value: each.double(histogramPoint.sum),
    buckets: words(histogramPoint.buckets).map((word) => Number(word.getBigUint64(0, true))),
    bounds: words(histogramPoint.bounds).map((word) => word.getFloat64(0, true)),
  };
}
