import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  PreviewTelemetryResponseSchema,
  TelemetryRecordSchema,
  TelemetryRecordState,
  TelemetryState,
  TelemetryStatusSchema,
  type PreviewTelemetryResponse,
  type TelemetryRecord,
  type TelemetryStatus,
} from '@singletree/protocol';
import type { Instant } from '../../task/task.ts';
import { enumOf } from '../words.ts';
import { opt } from './parts.ts';

/** Where telemetry goes and what waits, as the outbox tells it. */
export interface TelemetryFacts {
  readonly state: State;
  /** Why it is off. */
  readonly why?: string;
  readonly pending: number;
  readonly oldest?: Instant;
  readonly unsent: { readonly undirected: number; readonly dead: number };
  readonly destinations: readonly DestinationFacts[];
  /** How many may be pending; absent for as many as come. */
  readonly mostPending?: number;
}

type State = 'off' | 'ok' | 'failing' | 'paused';

interface DestinationFacts {
  readonly name: string;
  readonly traces: SignalFacts;
  readonly metrics: SignalFacts;
  readonly pending: number;
  readonly oldest?: Instant;
  readonly dead: number;
  readonly delivered: number;
  readonly rejectedSpans: number;
}

interface SignalFacts {
  readonly state: State;
  readonly why?: string;
  readonly target?: string;
  readonly lastError?: string;
}

export function telemetryToProto(facts: TelemetryFacts): TelemetryStatus {
  const { state, why, pending, oldest, unsent, destinations, mostPending } = facts;
  return create(TelemetryStatusSchema, {
    ...opt('endpoint', destinations.find(({ traces }) => traces.target !== undefined)?.traces.target),
    undeliveredRows: BigInt(pending),
    ...opt('oldestUndeliveredAt', oldest, timestampFromMs),
    ...opt('lastError', worstError(facts)),
    undirectedRows: BigInt(unsent.undirected),
    deadRows: BigInt(unsent.dead),
    state: enumOf(TelemetryState, state),
    ...opt('offReason', why),
    destinations: destinations.map(({ name, traces, metrics, ...rows }) => ({
      name,
      traces: signalToProto(traces),
      metrics: signalToProto(metrics),
      undeliveredRows: BigInt(rows.pending),
      ...opt('oldestUndeliveredAt', rows.oldest, timestampFromMs),
      deadRows: BigInt(rows.dead),
      deliveredRows: BigInt(rows.delivered),
      rejectedSpans: BigInt(rows.rejectedSpans),
    })),
    ...opt('undeliveredRowsLimit', mostPending, BigInt),
  });
}

/** Of traces before metrics; it names its destination where there are several. */
function worstError({ state, destinations }: TelemetryFacts): string | undefined {
  const signals = [
    ...destinations
      .map(({ name, traces }) => ({ name, ...traces }))
      .toSorted((a, b) => Number(b.state === state) - Number(a.state === state)),
    ...destinations.map(({ name, metrics }) => ({ name, ...metrics })),
  ];
  const worst = signals.find(({ lastError }) => lastError !== undefined);
  return worst && (destinations.length > 1 ? `${worst.name}: ${worst.lastError}` : worst.lastError);
}

function signalToProto({ state, why, target, lastError }: SignalFacts) {
  return { state: enumOf(TelemetryState, state), ...opt('endpoint', target), ...opt('offReason', why), ...opt('lastError', lastError) };
}

/** What became of a task's record for one destination. */
export interface RecordFacts {
  readonly destination?: string;
  readonly target?: string;
  /** Absent where the task has no record for it. */
  readonly state?: 'undirected' | 'pending' | 'delivered' | 'dead';
  readonly deliveredAt?: Instant;
  readonly lastError?: string;
}

/** What leaves the machine of a finished task, as the outbox tells it. */
export interface PreviewFacts {
  readonly otlp: Uint8Array;
  readonly frozen: boolean;
  /** Also of destinations that the task has no record for. */
  readonly records: readonly RecordFacts[];
}

export function previewToProto(taskId: string, { otlp, frozen, records }: PreviewFacts): PreviewTelemetryResponse {
  const kept = records.filter(({ state }) => state !== undefined);
  const [first] = kept;
  return create(PreviewTelemetryResponseSchema, {
    taskId,
    otlp,
    frozen,
    ...opt('state', first?.state, (word) => enumOf(TelemetryRecordState, word)),
    ...opt('deliveredAt', first?.deliveredAt, timestampFromMs),
    ...opt('lastError', first?.lastError),
    ...opt('endpoint', first?.target ?? records.find(({ target }) => target !== undefined)?.target),
    records: kept.map(recordToProto),
  });
}

function recordToProto({ destination, target, state, deliveredAt, lastError }: RecordFacts): TelemetryRecord {
  return create(TelemetryRecordSchema, {
    ...opt('destination', destination),
    ...opt('state', state, (word) => enumOf(TelemetryRecordState, word)),
    ...opt('deliveredAt', deliveredAt, timestampFromMs),
    ...opt('lastError', lastError),
    ...opt('endpoint', target),
  });
}
