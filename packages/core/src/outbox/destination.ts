import { validateHeaderName, validateHeaderValue } from 'node:http';
import { decode, invalid, readPairs, variable, type Environment } from './pairs.ts';

/** Where completion events go. */
export type Destination = Off | OtlpHttp;

export interface Off {
  readonly kind: 'off';
  /** Which variable decided so. */
  readonly why: string;
}

export interface OtlpHttp {
  readonly kind: 'otlp';
  /** The address without credentials and query, for people to read. */
  readonly target: string;
  /** Limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  readonly compression: 'gzip' | 'none';
  /** A function, so that the secrets in it are not printed along with the rest. */
  connection(): { readonly url: URL; readonly headers: Readonly<Record<string, string>> };
}

export interface DestinationChoice {
  readonly destination: Destination;
  /**
   * The outbox rows that a new completion gets. It is a name and not the address: rows that wait when the address changes are sent
   * to the new one. Empty while export is off: the rows are kept without a destination.
   */
  readonly names: readonly string[];
  /** For the log: what was ignored and what looks wrong. */
  readonly warnings: readonly string[];
}

/** The row of the outbox that the standard OTEL_ variables speak of. */
export const otlpName = 'otlp';

/**
 * Reads the standard OTEL_ variables for traces: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. One thing differs: without an
 * endpoint export is off, since nobody asked for a connection to localhost. Throws INVALID_CONFIGURATION where an endpoint is given
 * but could not be used; what the specification says to ignore is a warning.
 */
export function readDestination(environment: Environment): DestinationChoice {
  const warnings: string[] = [];
  const off = (why: string): DestinationChoice => ({ destination: { kind: 'off', why }, names: [], warnings });

  const disabled = variable(environment, 'OTEL_SDK_DISABLED')?.toLowerCase();
  if (disabled === 'true') return off('OTEL_SDK_DISABLED is true');
  if (disabled !== undefined && disabled !== 'false') warnings.push('OTEL_SDK_DISABLED is neither true nor false and counts as false');

  const exporters = list(variable(environment, 'OTEL_TRACES_EXPORTER') ?? 'otlp');
  if (exporters.includes('none')) return off('OTEL_TRACES_EXPORTER is none');
  const unknown = exporters.filter((exporter) => exporter !== 'otlp');
  if (unknown.length > 0) warnings.push(`OTEL_TRACES_EXPORTER: ${unknown.join(', ')} ignored; known are otlp and none`);
  if (!exporters.includes('otlp')) return off('OTEL_TRACES_EXPORTER does not name otlp');

  const endpoint = readEndpoint(environment);
  if (!endpoint) return off('no OTEL_EXPORTER_OTLP_ENDPOINT');
  const { url, name } = endpoint;
  requireHttpProtobuf(environment);
  if (url.pathname.endsWith('/v1/traces/v1/traces')) {
    warnings.push(
      `${name} already ends in v1/traces, which is added to it; an address that is used as it is goes to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`,
    );
  }
  if (url.port === '4317') warnings.push(`${name}: port 4317 is usually gRPC; http/protobuf is usually at 4318`);
  for (const unread of ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY']) {
    const found = forTraces(environment, unread);
    if (found) warnings.push(`${found.name} is not supported yet and ignored; a certificate authority can be given by NODE_EXTRA_CA_CERTS`);
  }
  const headers = { ...takeCredentials(url, name), ...readHeaders(environment) };
  return {
    destination: {
      kind: 'otlp',
      target: `${url.origin}${url.pathname}`,
      timeoutMs: readTimeout(environment, warnings),
      compression: readCompression(environment, warnings),
      connection: () => ({ url, headers }),
    },
    names: [otlpName],
    warnings,
  };
}

/** A variable of traces, or else the one for all signals: the special one replaces the general one, it adds nothing to it. */
function forTraces(environment: Environment, suffix: string): { readonly name: string; readonly value: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_TRACES_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`]) {
    const value = variable(environment, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

const general = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** The endpoint for traces is used as it is; to the one for all signals `v1/traces` is added. */
function readEndpoint(environment: Environment): { readonly url: URL; readonly name: string } | undefined {
  const found = forTraces(environment, 'ENDPOINT');
  if (!found) return undefined;
  const { name, value } = found;
  const url = URL.parse(value);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw invalid(name, 'is not an address that begins with http:// or https://', 'for example http://localhost:4318');
  }
  if (name === general) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
  return { url, name };
}

function requireHttpProtobuf(environment: Environment): void {
  const protocol = forTraces(environment, 'PROTOCOL');
  if (!protocol || protocol.value === 'http/protobuf') return;
  const known = ['grpc', 'http/json'].includes(protocol.value) ? 'is not supported yet' : 'is not a protocol of OTLP';
  throw invalid(
    protocol.name,
    `${JSON.stringify(protocol.value)} ${known}`,
    'set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf (usually port 4318), or OTEL_TRACES_EXPORTER=none to export nothing',
  );
}

function readHeaders(environment: Environment): Record<string, string> {
  const found = forTraces(environment, 'HEADERS');
  if (!found) return {};
  const headers: Record<string, string> = {};
  for (const [header, value] of Object.entries(readPairs(found.name, found.value))) {
    try {
      validateHeaderName(header);
      validateHeaderValue(header, value);
    } catch {
      // Node's own words may hold the value.
      throw invalid(
        found.name,
        `header ${JSON.stringify(header)} has a name or value that HTTP does not allow`,
        'names are ASCII tokens; values hold no control characters',
      );
    }
    headers[header.toLowerCase()] = value;
  }
  return headers;
}

/** `http://user:password@host` becomes a header, so that the address can be shown. */
function takeCredentials(url: URL, name: string): Record<string, string> {
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return {};
  const credentials = `${decode(name, 'the user name', username)}:${decode(name, 'the password', password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function readTimeout(environment: Environment, warnings: string[]): number {
  const found = forTraces(environment, 'TIMEOUT');
  if (!found) return 10_000;
  const ms = Number(found.value);
  if (Number.isFinite(ms) && ms > 0) return Math.min(ms, 600_000);
  warnings.push(`${found.name} is not a number of milliseconds above 0; 10000 is used`);
  return 10_000;
}

function readCompression(environment: Environment, warnings: string[]): 'gzip' | 'none' {
  const found = forTraces(environment, 'COMPRESSION');
  if (!found || found.value === 'none') return 'none';
  if (found.value === 'gzip') return 'gzip';
  warnings.push(`${found.name} is neither gzip nor none; none is used`);
  return 'none';
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
