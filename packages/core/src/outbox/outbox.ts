import { setTimeout as sleep } from 'node:timers/promises';
import { assertSame, hashed, type ClientRequest } from '../engine/request.ts';
import { DomainError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { MetricStore } from '../store/metrics.ts';
import type { HistoryWanted, OutboxRecord, OutboxStore, QueueChange } from '../store/outbox.ts';
import type { Instant } from '../task/task.ts';
import type { ProbeReport } from '../telemetry-probe.ts';
import type { Privacy } from './attributes.ts';
import { otlpName, readDestination, signals, type Otlp, type Signal } from './destination.ts';
import { MetricsExporter, type MetricsState } from './metrics/exporter.ts';
import { serialiseTotals } from './metrics/otlp.ts';
import { prometheusText } from './metrics/text.ts';
import { variable, type Environment } from './pairs.ts';
import { probe, type ProbeTarget } from './probe/probe.ts';
import { Relay, type RelayEvent, type RelayState } from './relay.ts';
import { httpSend, type Send } from './send.ts';
import { readSender, serialise, type FinishedTask, type Sender } from './serialise.ts';

export interface OutboxParts {
  /** The daemon's own environment, of which the standard OTEL_ variables are read, once. */
  readonly environment: Environment;
  readonly version: string;
  readonly store: OutboxStore;
  readonly metrics: MetricStore;
  readonly now: () => Instant;
  /** What traces show of the agents' own doings. */
  readonly spans: HistoryWanted & { readonly most: number };
  /** What of a task's content may leave. */
  readonly privacy: Privacy;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Calls back when rows may have been added. Returns how to stop that. */
  readonly onHint: (listener: () => void) => () => void;
  readonly report?: (event: OutboxEvent) => void;
}

export type OutboxEvent = RelayEvent | { readonly kind: 'metrics'; readonly state: MetricsState; readonly error?: string };

export interface Outbox {
  /** The outbox rows that a completion gets; none while export is off. */
  readonly destinations: readonly string[];
  /** For the log, once. */
  readonly warnings: readonly string[];
  start(): void;
  /** Sends what is due while that succeeds, for `graceMs` at most. */
  stop(graceMs: number): Promise<void>;
  status(): Promise<OutboxStatus>;
  /**
   * Puts rows into the queue that would never be sent by themselves; gives how many. Throws TELEMETRY_OFF while traces are not exported. The same
   * request does it once.
   */
  queue(wish: QueueWish, asked?: ClientRequest): Promise<number>;
  /** What leaves the machine of a finished task: the stored bytes, or else what would be serialised now, also while export is off. */
  preview(finished: Omit<FinishedTask, 'history'>): Promise<Preview>;
  /** Sends a probe to every destination and tells what came of each. Nothing that waits is touched. */
  probe(): Promise<ProbeReport[]>;
  /** The totals as Prometheus reads them, everything counted that has finished. */
  metricsText(): Promise<string>;
}

export type QueueWish = Pick<QueueChange, 'from' | 'since' | 'taskId'>;

export interface Preview {
  /** The body of an OTLP request. */
  readonly otlp: Uint8Array;
  /** Whether these bytes are stored, so that every send is of exactly these. */
  readonly frozen: boolean;
  readonly record?: OutboxRecord;
  /** Address without credentials; absent while off. */
  readonly target?: string;
}

export interface OutboxStatus {
  readonly state: 'off' | RelayState;
  /** Address without credentials; absent while off. */
  readonly target?: string;
  /** Why it is off. */
  readonly why?: string;
  readonly lastError?: string;
  /** Rows with a destination that are neither acknowledged nor dead, and when the oldest was written. */
  readonly pending: number;
  readonly oldest?: Instant;
  /** Since the start of this process. */
  readonly delivered: number;
  readonly dead: number;
  readonly rejectedSpans: number;
  /** Rows that will not be sent by themselves. */
  readonly unsent: { readonly undirected: number; readonly dead: number };
}

/** What is sent and how it stands; a signal whose export is off has no relay. */
interface Traces {
  readonly relay?: Relay;
  readonly target: { readonly target: string } | { readonly why: string };
}

const nothingSent = { state: 'off', delivered: 0, dead: 0, rejectedSpans: 0 } as const;

/** Composes the export of completion events and totals. Throws INVALID_CONFIGURATION where an endpoint is configured that could not be used. */
export async function openOutbox(parts: OutboxParts): Promise<Outbox> {
  const { environment, version, store } = parts;
  const own = readSender(environment, { version, instanceId: await store.instanceId() });
  const traces = readDestination(environment, 'traces');
  const metrics = readDestination(environment, 'metrics');
  const { relay, target } = await openTraces(parts, traces.destination, own.sender);
  const exporter = await openMetrics(parts, metrics.destination, own.sender);
  const isOff = traces.destination.kind === 'off' && metrics.destination.kind === 'off';
  return {
    destinations: traces.names,
    // What is wrong with variables for both signals is told once.
    warnings: [...new Set([...traces.warnings, ...metrics.warnings, ...(isOff ? [] : own.warnings)])],
    start() {
      relay?.start();
      exporter.start();
    },
    async stop(graceMs) {
      await Promise.all([relay?.stop(graceMs), exporter.stop(graceMs)]);
    },
    async queue(wish, asked) {
      if (!relay) throw exportIsOff('why' in target ? target.why : '');
      const request = asked && hashed(asked);
      await failpoint('outbox.queue.before');
      const done = await store.queue({ ...wish, destination: otlpName, at: parts.now(), ...(request ? { request } : {}) });
      await failpoint('outbox.queue.after');
      relay.hint();
      if (done.kind === 'queued') return done.rows;
      if (request) assertSame(request, done.earlier);
      return 'answer' in done.earlier && done.earlier.answer.kind === 'queued' ? done.earlier.answer.rows : 0;
    },
    async preview({ task, completion }) {
      const record = await store.record(task.id, otlpName);
      const frozen = record?.payload;
      const { spans, privacy } = parts;
      const otlp = frozen ?? serialise({ task, completion, history: await store.history(task.id, spans) }, own.sender, spans.most, privacy);
      return {
        otlp,
        frozen: frozen !== undefined,
        ...(record === undefined ? {} : { record }),
        ...('target' in target ? { target: target.target } : {}),
      };
    },
    probe: () =>
      probe(probeTargets(environment), { ...parts, sender: own.sender, senderFor: (to, signal) => senderFor(to, signal, parts) }),
    metricsText: async () => prometheusText(await exporter.snapshot()),
    async status() {
      const { rows, oldest } = await store.backlog();
      const { lastError = exporter.health().lastError, ...health } = { ...nothingSent, ...relay?.health() };
      return {
        ...health,
        ...(lastError === undefined ? {} : { lastError }),
        ...target,
        pending: rows,
        unsent: await store.unsent(),
        ...(oldest === undefined ? {} : { oldest }),
      };
    },
  };
}

/** What is configured, one signal after the other. */
function probeTargets(environment: Environment): ProbeTarget[] {
  return signals.map((signal) => ({ name: otlpName, signal, destination: readDestination(environment, signal).destination }));
}

function exportIsOff(why: string): DomainError {
  return new DomainError('TELEMETRY_OFF', `traces are not exported: ${why}`, {
    hint: 'start the daemon with OTEL_EXPORTER_OTLP_ENDPOINT set, such as http://localhost:4318, and ask again',
  });
}

async function openTraces(
  parts: OutboxParts,
  destination: ReturnType<typeof readDestination>['destination'],
  sender: Sender,
): Promise<Traces> {
  if (destination.kind === 'off') return { target: { why: destination.why } };
  const { spans, privacy } = parts;
  const relay = new Relay({
    ...parts,
    destination: otlpName,
    wanted: spans,
    serialise: (finished) => serialise(finished, sender, spans.most, privacy),
    send: await senderFor(destination, 'traces', parts),
    sleep: wait,
  });
  return { relay, target: { target: destination.target } };
}

async function openMetrics(
  parts: OutboxParts,
  destination: ReturnType<typeof readDestination>['destination'],
  sender: Sender,
): Promise<MetricsExporter> {
  const { report, environment } = parts;
  return new MetricsExporter({
    ...parts,
    store: parts.metrics,
    serialise: (totals) => serialiseTotals(totals, sender),
    ...(destination.kind === 'off' ? {} : { send: await senderFor(destination, 'metrics', parts) }),
    intervalMs: intervalOf(environment),
    sleep: wait,
    report: (event) => report?.({ kind: 'metrics', ...event }),
  });
}

/** gRPC is loaded only where it is spoken. */
async function senderFor(destination: Otlp, signal: Signal, { now, version }: Pick<OutboxParts, 'now' | 'version'>): Promise<Send> {
  const options = { now, userAgent: `singletree/${version}` };
  if (destination.protocol === 'http/protobuf') return httpSend(destination, options);
  const { grpcSend } = await import('./grpc-send.ts');
  return grpcSend(destination, signal, options);
}

/** As the specification has it: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#periodic-exporting-metricreader */
function intervalOf(environment: Environment): number {
  const ms = Number(variable(environment, 'OTEL_METRIC_EXPORT_INTERVAL') ?? 60_000);
  return Number.isFinite(ms) && ms > 0 ? Math.min(Math.max(ms, 100), 3_600_000) : 60_000;
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
