import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryWanted, OutboxStore } from '../store/outbox.ts';
import type { Instant } from '../task/task.ts';
import { otlpName, readDestination, type Otlp } from './destination.ts';
import type { Environment } from './pairs.ts';
import { Relay, type RelayEvent, type RelayState } from './relay.ts';
import { httpSend, type Send } from './send.ts';
import { readSender, serialise } from './serialise.ts';

export interface OutboxParts {
  /** The daemon's own environment, of which the standard OTEL_ variables are read, once. */
  readonly environment: Environment;
  readonly version: string;
  readonly store: OutboxStore;
  readonly now: () => Instant;
  /** What traces show of the agents' own doings. */
  readonly spans: HistoryWanted & { readonly most: number };
  /** From 0 to 1. */
  readonly random: () => number;
  /** Calls back when rows may have been added. Returns how to stop that. */
  readonly onHint: (listener: () => void) => () => void;
  readonly report?: (event: RelayEvent) => void;
}

export interface Outbox {
  /** The outbox rows that a completion gets; none while export is off. */
  readonly destinations: readonly string[];
  /** For the log, once. */
  readonly warnings: readonly string[];
  start(): void;
  /** Sends what is due while that succeeds, for `graceMs` at most. */
  stop(graceMs: number): Promise<void>;
  status(): Promise<OutboxStatus>;
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
}

/** Composes the export of completion events. Throws INVALID_CONFIGURATION where an endpoint is configured that could not be used. */
export async function openOutbox(parts: OutboxParts): Promise<Outbox> {
  const { environment, version, store, now, spans } = parts;
  const { destination, names, warnings } = readDestination(environment);
  const backlog = async (): Promise<{ pending: number; oldest?: Instant }> => {
    const { rows, oldest } = await store.backlog();
    return { pending: rows, ...(oldest === undefined ? {} : { oldest }) };
  };
  if (destination.kind === 'off') {
    const nothing = { state: 'off', why: destination.why, delivered: 0, dead: 0, rejectedSpans: 0 } as const;
    return {
      destinations: names,
      warnings,
      start: () => {},
      stop: async () => {},
      status: async () => ({ ...nothing, ...(await backlog()) }),
    };
  }
  const own = readSender(environment, { version, instanceId: await store.instanceId() });
  const relay = new Relay({
    ...parts,
    destination: otlpName,
    wanted: spans,
    serialise: (finished) => serialise(finished, own.sender, spans.most),
    send: await sender(destination, { now, userAgent: `singletree/${version}` }),
    sleep: wait,
  });
  return {
    destinations: names,
    warnings: [...warnings, ...own.warnings],
    start: () => relay.start(),
    stop: (graceMs) => relay.stop(graceMs),
    status: async () => ({ ...relay.health(), target: destination.target, ...(await backlog()) }),
  };
}

/** gRPC is loaded only where it is spoken. */
async function sender(destination: Otlp, options: { readonly now: () => Instant; readonly userAgent: string }): Promise<Send> {
  if (destination.protocol === 'http/protobuf') return httpSend(destination, options);
  const { grpcSend } = await import('./grpc-send.ts');
  return grpcSend(destination, options);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
