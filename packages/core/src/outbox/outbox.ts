import { randomUUID } from 'node:crypto';
import { assertSame, hashed, type ClientRequest } from '../engine/request.ts';
import { DomainError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { MetricStore } from '../store/metrics.ts';
import type { DestinationStanding, HistoryWanted, OutboxStore, QueueChange, RecordRow } from '../store/outbox.ts';
import type { Instant } from '../task/task.ts';
import type { ProbeReport } from '../telemetry-probe.ts';
import type { Privacy } from './attributes.ts';
import { intervalOf, openChannels, senderFor, type Channel, type ChannelEvent } from './channels.ts';
import { otlpName, signals, type Destination, type DestinationSettings } from './destinations/destination.ts';
import { readDestinations } from './destinations/destinations.ts';
import type { MetricsState } from './metrics/exporter.ts';
import { createSnapshots } from './metrics/snapshots.ts';
import { prometheusText } from './metrics/text.ts';
import type { Environment } from './destinations/pairs.ts';
import { probe } from './probe/probe.ts';
import type { RelayState } from './relay.ts';
import type { Send } from './send/send.ts';
import { readSender, serialise, type FinishedTask } from './spans/serialise.ts';

export interface OutboxParts {
  /** The daemon's own environment, of which the standard OTEL_ variables are read, once. */
  readonly environment: Environment;
  /** Destinations beside the one that the variables speak of, by name. */
  readonly destinations: Readonly<Record<string, DestinationSettings>>;
  /** Harnesses of the configuration. */
  readonly harnesses: readonly string[];
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
  readonly report?: (event: ChannelEvent) => void;
}

export interface Outbox {
  /** The outbox rows that a completion gets; none while export is off. */
  readonly destinations: readonly string[];
  /** Where traces go, without credentials, in the order of `destinations`. */
  readonly targets: readonly string[];
  /** For the log, once. */
  readonly warnings: readonly string[];
  start(): void;
  /** Sends what is due while that succeeds, for `graceMs` at most. */
  stop(graceMs: number): Promise<void>;
  status(): Promise<OutboxStatus>;
  /**
   * Puts rows into the queue that would never be sent by themselves; gives how many. Throws TELEMETRY_OFF while traces are not exported, and
   * UNKNOWN_DESTINATION. The same request does it once.
   */
  queue(wish: QueueWish, asked?: ClientRequest): Promise<number>;
  /** What leaves the machine of a finished task: the stored bytes, or else what would be serialised now, also while export is off. */
  preview(finished: Omit<FinishedTask, 'history'>): Promise<Preview>;
  /** Sends a probe to every destination and tells what came of each. Nothing that waits is touched. */
  probe(): Promise<ProbeReport[]>;
  /** For what the daemon tells of itself: connections of its own to where the OTEL_ variables say. */
  forHealth(): Promise<HealthExport>;
  /** The totals as Prometheus reads them, everything counted that has finished. */
  metricsText(): Promise<string>;
}

export interface HealthExport {
  readonly resource: Readonly<Record<string, string>>;
  /** Absent while the signal is not exported. */
  readonly traces?: Send;
  readonly metrics?: { readonly post: Send; readonly intervalMs: number };
}

export type QueueWish = Pick<QueueChange, 'from' | 'since' | 'taskId' | 'to'>;

export interface Preview {
  /** The body of an OTLP request. */
  readonly otlp: Uint8Array;
  /** Whether these bytes are stored, so that every send is of exactly these. */
  readonly frozen: boolean;
  /** What becomes of it, by destination: those that there are, and those that it has been queued for. */
  readonly records: readonly PreviewedRecord[];
}

/** Without a state where the task has no record for this destination, and without a target where nothing is sent to it now. */
export type PreviewedRecord = Partial<RecordRow> & { readonly target?: string };

export interface OutboxStatus {
  /** How the sending of traces stands, by the destination that stands worst. */
  readonly state: 'off' | RelayState;
  /** Why it is off. */
  readonly why?: string;
  /** Rows with a destination that are neither acknowledged nor dead, and when the oldest was written. */
  readonly pending: number;
  readonly oldest?: Instant;
  /** Rows that will not be sent by themselves. */
  readonly unsent: { readonly undirected: number; readonly dead: number };
  /** Those to which anything is sent. */
  readonly destinations: readonly DestinationStatus[];
}

export interface DestinationStatus {
  readonly name: string;
  readonly traces: SignalStatus;
  readonly metrics: SignalStatus;
  readonly pending: number;
  readonly oldest?: Instant;
  readonly dead: number;
  /** Of all time. */
  readonly delivered: number;
  readonly rejectedSpans: number;
}

export interface SignalStatus {
  readonly state: 'off' | RelayState | MetricsState;
  /** Why it is off. */
  readonly why?: string;
  /** Address without credentials; absent while off. */
  readonly target?: string;
  readonly lastError?: string;
}

/** Composes the export of completion events and totals. Throws INVALID_CONFIGURATION where an endpoint is configured that could not be used. */
export async function openOutbox(parts: OutboxParts): Promise<Outbox> {
  const { environment, version, store, metrics, now, privacy, harnesses, spans } = parts;
  const own = readSender(environment, { version, instanceId: await store.instanceId() });
  const { all, warnings } = readDestinations(environment, parts.destinations);
  const isOn = all.some(({ by }) => by.traces.kind === 'otlp' || by.metrics.kind === 'otlp');
  const targets = new Map(all.flatMap(({ name, by }) => (by.traces.kind === 'otlp' ? [[name, by.traces.target] as const] : [])));
  const names = [...targets.keys()];
  const snapshot = createSnapshots({ store: metrics, now, privacy, known: { harnesses, destinations: names } });
  const { channels, counting } = await openChannels(all, { ...parts, sender: own.sender, snapshot });
  const loops = [...channels.flatMap(({ relay, exporter }) => [relay, exporter]), counting].filter((loop) => loop !== undefined);
  const whyOff = all.flatMap(({ by }) => (by.traces.kind === 'off' ? [by.traces.why] : []))[0] ?? '';
  return {
    destinations: names,
    targets: [...targets.values()],
    warnings: [...warnings, ...(isOn ? own.warnings : [])],
    start() {
      for (const loop of loops) loop.start();
    },
    async stop(graceMs) {
      await Promise.all(loops.map((loop) => loop.stop(graceMs)));
    },
    async queue(wish, asked) {
      if (names.length === 0) throw exportIsOff(whyOff);
      if (wish.to !== undefined && !names.includes(wish.to)) throw unknownDestination(wish.to, names);
      const request = asked && hashed(asked);
      await failpoint('outbox.queue.before');
      const done = await store.queue({ ...wish, destinations: names, at: now(), ...(request ? { request } : {}) });
      await failpoint('outbox.queue.after');
      for (const { relay } of channels) relay?.hint();
      if (done.kind === 'queued') return done.rows;
      if (request) assertSame(request, done.earlier);
      return 'answer' in done.earlier && done.earlier.answer.kind === 'queued' ? done.earlier.answer.rows : 0;
    },
    async preview({ task, completion }) {
      const record = await store.record(task.id);
      const frozen = record?.payload;
      const otlp = frozen ?? serialise({ task, completion, history: await store.history(task.id, spans) }, own.sender, spans.most, privacy);
      return {
        otlp,
        frozen: frozen !== undefined,
        records: recordsOf(record?.rows ?? [], targets),
      };
    },
    probe: () =>
      probe(
        all.flatMap(({ name, by }) => signals.map((signal) => ({ name, signal, destination: by[signal] }))),
        { ...parts, sender: own.sender, senderFor: (to, signal) => senderFor(to, signal, parts) },
      ),
    async forHealth() {
      const otlp = all.find(({ name }) => name === otlpName)?.by;
      const [post, figures] = await Promise.all(
        signals.map(async (signal) => (otlp?.[signal].kind === 'otlp' ? await senderFor(otlp[signal], signal, parts) : undefined)),
      );
      return {
        resource: { ...own.sender.resource, 'service.instance.id': randomUUID() },
        ...(post ? { traces: post } : {}),
        ...(figures ? { metrics: { post: figures, intervalMs: intervalOf(environment) } } : {}),
      };
    },
    metricsText: async () => prometheusText(await snapshot()),
    async status() {
      const standing = await store.standing();
      const destinations = channels.map((channel) =>
        statusOf(
          channel,
          standing.destinations.find((each) => each.destination === channel.name),
        ),
      );
      const oldest = Math.min(...destinations.map((each) => each.oldest ?? Infinity));
      const orphaned = standing.destinations.filter(({ destination }) => !names.includes(destination));
      return {
        state: worstOf(destinations.map(({ traces }) => traces.state)),
        ...(names.length === 0 ? { why: whyOff } : {}),
        pending: sumOf(destinations.map(({ pending }) => pending)),
        ...(Number.isFinite(oldest) ? { oldest } : {}),
        unsent: {
          undirected: standing.undirected + sumOf(orphaned.map(({ pending }) => pending)),
          dead: sumOf(standing.destinations.map(({ dead }) => dead)),
        },
        destinations,
      };
    },
  };
}

/** Those that there are come first, in their order. */
function recordsOf(rows: readonly RecordRow[], targets: ReadonlyMap<string, string>): PreviewedRecord[] {
  const here = [...targets].map(([destination, target]) => ({
    destination,
    target,
    ...rows.find((row) => row.destination === destination),
  }));
  const others = rows.filter(({ destination }) => destination === undefined || !targets.has(destination));
  return [...here, ...others];
}

function statusOf({ name, by, relay, exporter }: Channel, standing: DestinationStanding | undefined): DestinationStatus {
  const { pending = 0, oldest, dead = 0, ever } = standing ?? {};
  return {
    name,
    traces: { ...of(by.traces), ...relay?.health() },
    metrics: { ...of(by.metrics), ...exporter?.health() },
    // Rows of a destination that takes no traces any more wait for nobody.
    pending: relay ? pending : 0,
    ...(relay && oldest !== undefined ? { oldest } : {}),
    dead,
    delivered: ever?.delivered ?? 0,
    rejectedSpans: ever?.rejectedSpans ?? 0,
  };
}

function of(destination: Destination): SignalStatus {
  return destination.kind === 'off' ? { state: 'off', why: destination.why } : { state: 'ok', target: destination.target };
}

function worstOf(states: readonly SignalStatus['state'][]): SignalStatus['state'] {
  return (['paused', 'failing', 'ok'] as const).find((state) => states.includes(state)) ?? 'off';
}

function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}

function exportIsOff(why: string): DomainError {
  return new DomainError('TELEMETRY_OFF', `traces are not exported: ${why}`, {
    hint: 'start the daemon with OTEL_EXPORTER_OTLP_ENDPOINT set, such as http://localhost:4318, and ask again',
  });
}

function unknownDestination(name: string, names: readonly string[]): DomainError {
  return new DomainError('UNKNOWN_DESTINATION', `traces are not sent to a destination "${name}"`, {
    hint: `there ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}`,
    metadata: { destination: name },
  });
}
