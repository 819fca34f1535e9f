import { ProtobufMetricsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { SpanKind, SpanStatusCode, TraceFlags, ValueType, type HrTime } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { DataPointType, AggregationTemporality } from '@opentelemetry/sdk-metrics';
import type { Instant } from '../../task/task.ts';
import { attributesOf } from '../attributes.ts';
import type { Signal } from '../destinations/destination.ts';
import { metrics } from '../registry.ts';
import type { Sender } from '../spans/serialise.ts';

export interface ProbePayloadOptions {
  readonly sender: Sender;
  readonly at: Instant;
  /** Lower-case hexadecimal digits, 32 and 16 of them. */
  readonly traceId: string;
  readonly spanId: string;
}

/**
 * A request that tells of no task. From the same service as the real ones, since a receiver may choose by that, and with an attribute and a scope of
 * its own, so that nobody counts it.
 */
export function probePayload(signal: Signal, options: ProbePayloadOptions): Uint8Array {
  const bytes = signal === 'traces' ? span(options) : gauge(options);
  if (!bytes) throw new Error(`a probe of ${signal} gives no OTLP request`);
  return bytes;
}

const mark = attributesOf({ 'singletree.probe': true });

function span({ sender, at, traceId, spanId }: ProbePayloadOptions): Uint8Array | undefined {
  const time = timeOf(at);
  return ProtobufTraceSerializer.serializeRequest([
    {
      name: 'probe',
      kind: SpanKind.INTERNAL,
      spanContext: () => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED }),
      startTime: time,
      endTime: time,
      duration: [0, 0],
      ended: true,
      status: { code: SpanStatusCode.UNSET },
      attributes: mark,
      links: [],
      events: [],
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
      resource: resourceFromAttributes(sender.resource),
      instrumentationScope: scopeOf(sender),
    },
  ]);
}

function gauge({ sender, at }: ProbePayloadOptions): Uint8Array | undefined {
  const time = timeOf(at);
  const { unit, description } = metrics['singletree.probe'];
  return ProtobufMetricsSerializer.serializeRequest({
    resource: resourceFromAttributes(sender.resource),
    scopeMetrics: [
      {
        scope: scopeOf(sender),
        metrics: [
          {
            descriptor: { name: 'singletree.probe', unit, description, valueType: ValueType.INT },
            dataPointType: DataPointType.GAUGE,
            aggregationTemporality: AggregationTemporality.CUMULATIVE,
            dataPoints: [{ startTime: time, endTime: time, attributes: mark, value: 1 }],
          },
        ],
      },
    ],
  });
}

function scopeOf({ version }: Sender): { readonly name: string; readonly version: string } {
  return { name: 'singletree.probe', version };
}

function timeOf(ms: Instant): HrTime {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
