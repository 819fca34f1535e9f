import { pause } from '../pause.ts';
import type { MetricStore } from '../store/metrics.ts';
import type { Privacy } from './attributes.ts';
import type { Otlp, Signal } from './destinations/destination.ts';
import type { NamedDestination } from './destinations/destinations.ts';
import { MetricsExporter, type ExporterParts, type MetricsState } from './metrics/exporter.ts';
import { serialiseTotals } from './metrics/otlp.ts';
import type { Exported } from './metrics/snapshots.ts';
import { variable, type Environment } from './destinations/pairs.ts';
import { Relay, type RelayEvent, type RelayParts } from './relay.ts';
import { httpSend, type Send } from './send/send.ts';
import { serialise, type Sender } from './spans/serialise.ts';

/** A destination and the loops that send to it, each with a pace of its own: one that is slow or down holds up no other. */
export interface Channel extends NamedDestination {
  readonly relay?: Relay;
  readonly exporter?: MetricsExporter;
}

export type ChannelEvent = { readonly destination: string } & (
  | RelayEvent
  | { readonly kind: 'metrics'; readonly state: MetricsState; readonly error?: string }
);

export interface ChannelParts extends Pick<RelayParts, 'store' | 'now' | 'random' | 'onHint'> {
  readonly environment: Environment;
  readonly version: string;
  readonly metrics: Pick<MetricStore, 'acknowledged' | 'acknowledge'>;
  readonly spans: RelayParts['wanted'] & { readonly most: number };
  readonly privacy: Privacy;
  readonly sender: Sender;
  readonly snapshot: () => Promise<Exported>;
  readonly report?: (event: ChannelEvent) => void;
}

export interface Channels {
  /** Those to which anything is sent. */
  readonly channels: readonly Channel[];
  /** Where no metrics are sent anywhere, what has finished is counted all the same. */
  readonly counting?: MetricsExporter;
}

export async function openChannels(destinations: readonly NamedDestination[], parts: ChannelParts): Promise<Channels> {
  const on = destinations.filter(({ by }) => by.traces.kind === 'otlp' || by.metrics.kind === 'otlp');
  const channels = await Promise.all(
    on.map(async (named): Promise<Channel> => {
      const { traces, metrics } = named.by;
      return {
        ...named,
        ...(traces.kind === 'otlp' ? { relay: await relayTo(named.name, traces, parts) } : {}),
        ...(metrics.kind === 'otlp' ? { exporter: await exporterTo(named.name, metrics, parts) } : {}),
      };
    }),
  );
  const isExported = channels.some(({ exporter }) => exporter !== undefined);
  return { channels, ...(isExported ? {} : { counting: new MetricsExporter(paced(parts)) }) };
}

async function relayTo(name: string, destination: Otlp, parts: ChannelParts): Promise<Relay> {
  const { spans, privacy, sender, report } = parts;
  return new Relay({
    ...parts,
    destination: name,
    wanted: spans,
    serialise: (finished) => serialise(finished, sender, spans.most, privacy),
    send: await senderFor(destination, 'traces', parts),
    sleep: pause,
    report: (event) => report?.({ destination: name, ...event }),
  });
}

async function exporterTo(name: string, destination: Otlp, parts: ChannelParts): Promise<MetricsExporter> {
  const { metrics, sender, report } = parts;
  return new MetricsExporter({
    ...paced(parts),
    to: {
      acknowledged: () => metrics.acknowledged(name),
      acknowledge: (at) => metrics.acknowledge(name, at),
      serialise: (exported, after) => serialiseTotals(exported, sender, after),
      send: await senderFor(destination, 'metrics', parts),
    },
    report: (event) => report?.({ destination: name, kind: 'metrics', ...event }),
  });
}

function paced({ snapshot, random, environment }: ChannelParts): ExporterParts {
  return { snapshot, random, intervalMs: intervalOf(environment), sleep: pause };
}

/** gRPC is loaded only where it is spoken. */
export async function senderFor(destination: Otlp, signal: Signal, { now, version }: Pick<ChannelParts, 'now' | 'version'>): Promise<Send> {
  const options = { now, userAgent: `singletree/${version}` };
  if (destination.protocol === 'http/protobuf') return httpSend(destination, options);
  const { grpcSend } = await import('./send/grpc-send.ts');
  return grpcSend(destination, signal, options);
}

/** As the specification has it: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#periodic-exporting-metricreader */
export function intervalOf(environment: Environment): number {
  const ms = Number(variable(environment, 'OTEL_METRIC_EXPORT_INTERVAL') ?? 60_000);
  return Number.isFinite(ms) && ms > 0 ? Math.min(Math.max(ms, 100), 3_600_000) : 60_000;
}
