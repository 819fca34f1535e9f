import { metrics, trace, type Tracer } from '@opentelemetry/api';
import { ProtobufMetricsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, PeriodicExportingMetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { Exporter, type Post } from './exporter.ts';
import { observeProcess } from './process-metrics.ts';

export interface HealthParts {
  readonly version: string;
  /** With an instance id of its own: these figures are of one process, those of tasks are the store's. */
  readonly resource: Readonly<Record<string, string>>;
  /** Sends spans; absent while their export is off. */
  readonly traces?: Post | undefined;
  /** Sends metrics, every so many milliseconds. */
  readonly metrics?: { readonly post: Post; readonly intervalMs: number } | undefined;
}

/** What the daemon tells of itself. */
export interface Health {
  /** Of its calls. */
  readonly tracer: Tracer;
  /** Sends what is left, for `graceMs` at most; what is under way then is cut. */
  stop(graceMs: number): Promise<void>;
}

/** Longest wait for a receiver, and how long a span waits for others to go with it. */
const [exportTimeoutMs, batchMs] = [10_000, 1_000];

/**
 * Starts OpenTelemetry's own SDK for calls and the process. It keeps little and loses it rather than wait: nothing of a task's record passes here. A
 * file of its own, which only a daemon loads whose configuration asks for it.
 */
export function startHealth(parts: HealthParts): Health {
  const cut = new AbortController();
  const { traces, metrics: figures } = parts;
  const spans =
    traces &&
    new Exporter<ReadableSpan[]>({ serialise: (items) => ProtobufTraceSerializer.serializeRequest(items), post: traces, cut: cut.signal });
  const points =
    figures &&
    new Exporter<ResourceMetrics>({
      serialise: (items) => ProtobufMetricsSerializer.serializeRequest(items),
      post: figures.post,
      cut: cut.signal,
    });
  const sdk = new NodeSDK({
    resource: resourceFromAttributes(parts.resource),
    autoDetectResources: false,
    instrumentations: [],
    logRecordProcessors: [],
    // Never by the SDK's own choice of exporters: one of them would open a port.
    spanProcessors: spans
      ? [new BatchSpanProcessor({ exporter: spans, exportTimeoutMillis: exportTimeoutMs, scheduledDelayMillis: batchMs })]
      : [],
    metricReaders:
      points && figures
        ? [
            new PeriodicExportingMetricReader({
              exporter: Object.assign(points, { selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE }),
              exportIntervalMillis: figures.intervalMs,
              exportTimeoutMillis: Math.min(exportTimeoutMs, figures.intervalMs),
            }),
          ]
        : [],
  });
  sdk.start();
  const observed = observeProcess(metrics.getMeter('singletree.process', parts.version));
  return {
    tracer: trace.getTracer('singletree.rpc', parts.version),
    async stop(graceMs) {
      const timer = setTimeout(() => cut.abort(), graceMs);
      // What a receiver that is away makes of the last flush is no matter for the daemon's end.
      await sdk.shutdown().catch(() => undefined);
      clearTimeout(timer);
      observed.stop();
    },
  };
}
