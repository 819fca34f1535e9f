import type { Finding } from '@singletree/core/doctor';
import type { DaemonStatus } from '@singletree/sdk';
import { facts, plural } from '../terminal/figures.ts';

type Telemetry = DaemonStatus['telemetry'];
type Destination = Telemetry['destinations'][number];
type Signal = NonNullable<Destination['traces']>;

const tryIt = 'singletree doctor telemetry says what is wrong';

/** How the daemon that runs stands with each of its destinations. */
export function telemetryFindings({ destinations, offReason, undeliveredRows, undeliveredRowsLimit }: Telemetry): Finding[] {
  if (destinations.length === 0) {
    const message = `nothing is sent: ${offReason ?? 'OTEL_EXPORTER_OTLP_ENDPOINT is not set'}`;
    return [{ check: 'destinations', status: 'skipped', message }];
  }
  return [
    ...destinations.flatMap((destination) => [
      ...signalFinding(destination.name, 'traces', destination.traces),
      ...signalFinding(destination.name, 'metrics', destination.metrics),
      ...deadRows(destination),
    ]),
    ...(undeliveredRowsLimit !== undefined && undeliveredRows >= undeliveredRowsLimit ? [full(undeliveredRows)] : []),
  ];
}

function full(rows: number): Finding {
  const message = `${plural(rows, 'record')} wait to be delivered, as many as telemetry.max_pending allows: new tasks are refused`;
  return { check: 'pending', status: 'error', message, mend: tryIt };
}

/** `paused` needs a person: address or credentials are wrong. */
function signalFinding(destination: string, name: string, signal: Signal | undefined): Finding[] {
  if (!signal) return [];
  const { state, endpoint, offReason, lastError } = signal;
  const check = `${destination} ${name}`;
  if (endpoint === undefined) return [{ check, status: 'skipped', message: facts('off', offReason) }];
  if (state === 'ok') return [{ check, status: 'ok', message: endpoint }];
  const isPaused = state === 'paused';
  return [
    {
      check,
      status: isPaused ? 'error' : 'warning',
      message: facts(endpoint, isPaused ? 'paused' : 'not reached', lastError),
      mend: tryIt,
    },
  ];
}

function deadRows({ name, deadRows: rows }: Destination): Finding[] {
  if (rows === 0) return [];
  const message = `${plural(rows, 'record')} that it refused for good`;
  return [{ check: `${name} refused`, status: 'warning', message, mend: 'singletree telemetry send --dead, when the receiver is mended' }];
}
