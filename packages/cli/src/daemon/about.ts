import type { DaemonStatus, Harness } from '@singletree/sdk';
import { facts, plural } from '../terminal/figures.ts';
import type { MarkName } from '../terminal/marks.ts';
import { oneLine } from '../terminal/text.ts';

type Pair = readonly [label: string, value: string | undefined];
type Telemetry = { readonly [K in keyof DaemonStatus['telemetry']]?: DaemonStatus['telemetry'][K] | undefined };

interface Bound {
  readonly address: string;
  readonly tcp?: string | undefined;
  readonly state: string;
  readonly configFile?: string | undefined;
}

/** What a daemon is really bound to, for `up` and `status`. */
export function bindings({ address, tcp, state, configFile }: Bound): Pair[] {
  return [
    // Without a socket the address is the one over TCP.
    ['socket', address.startsWith('unix:') ? address : undefined],
    ['tcp', tcp],
    ['state', state],
    ['config', configFile ?? 'none; everything has its default'],
  ];
}

/** `2 of 3 ready · codex is not installed` */
export function harnessesLine(harnesses: readonly Harness[]): string {
  const ready = harnesses.filter(({ status }) => status === 'ready').length;
  const others = harnesses.filter(({ status }) => status !== 'ready').map(({ id, status }) => `${id} ${statusWords[status]}`);
  return oneLine(facts(`${ready} of ${harnesses.length} ready`, ...others));
}

/** One of another version than was checked runs all the same. */
export function harnessMark({ status, message }: { readonly status: Harness['status']; readonly message?: string | undefined }): MarkName {
  if (status === 'ready') return message === undefined ? 'success' : 'warning';
  return status === 'unsupported_version' ? 'warning' : 'failure';
}

export const statusWords: Readonly<Record<Harness['status'], string>> = {
  ready: 'ready',
  missing: 'not installed',
  unsupported_version: 'of an unsupported version',
  unauthenticated: 'not logged in',
  unknown: 'not known',
};

/** Where telemetry goes and what waits, a line for each destination. */
export function telemetryLines(telemetry: Telemetry): string[] {
  const { destinations = [], undirectedRows } = telemetry;
  if (destinations.length < 2 && destinations.every(({ traces }) => traces.endpoint !== undefined)) return [telemetryLine(telemetry)];
  const kept = told(undirectedRows, 'kept without a destination');
  return [
    ...destinations.map(({ name, traces, metrics, undeliveredRows, deadRows }) =>
      oneLine(
        facts(
          `${name} ${traces.endpoint ?? metrics.endpoint ?? ''}`,
          traces.endpoint === undefined && 'metrics only',
          (traces.endpoint === undefined ? metrics : traces).state === 'paused' && pausedText,
          told(undeliveredRows, 'to deliver'),
          told(deadRows, 'refused for good'),
          traces.endpoint === undefined ? metrics.lastError : traces.lastError,
          traces.endpoint !== undefined && metricsTrouble(metrics),
        ),
      ),
    ),
    ...[facts(fullText(telemetry), kept)].filter((line) => line !== ''),
  ];
}

export function telemetryLine(telemetry: Telemetry): string {
  const { endpoint, state, offReason, undeliveredRows, undirectedRows, deadRows, lastError, destinations: [only] = [] } = telemetry;
  if (endpoint === undefined) return facts(`off: ${offReason ?? 'OTEL_EXPORTER_OTLP_ENDPOINT is not set'}`, told(undirectedRows, 'kept'));
  return oneLine(
    facts(
      endpoint,
      state === 'paused' && pausedText,
      fullText(telemetry),
      told(undeliveredRows, 'to deliver'),
      told(deadRows, 'refused for good'),
      told(undirectedRows, 'kept without a destination'),
      only ? only.traces.lastError : lastError,
      only && metricsTrouble(only.metrics),
    ),
  );
}

/** Where traces go well, a store of traces alone is the likeliest: the address and the credentials are right. */
function metricsTrouble({ state, lastError }: { readonly state: string; readonly lastError?: string | undefined }): string | undefined {
  if (state !== 'paused') return lastError === undefined ? undefined : `metrics: ${lastError}`;
  return `metrics PAUSED: ${lastError ?? 'not taken'}; singletree doctor telemetry says what mends it`;
}

const pausedText = 'PAUSED: mend the address or the credentials';

function fullText({ undeliveredRows = 0, undeliveredRowsLimit = Infinity }: Telemetry): string | undefined {
  return undeliveredRows >= undeliveredRowsLimit ? 'FULL: no new task is taken until some are delivered' : undefined;
}

function told(rows: number | undefined, rest: string): string | undefined {
  return rows ? `${plural(rows, 'record')} ${rest}` : undefined;
}
