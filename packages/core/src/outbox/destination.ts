import { readFileSync } from 'node:fs';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { decode, invalid, readPairs, variable, type Environment } from './pairs.ts';

/** Where completion events go. */
export type Destination = Off | Otlp;

export interface Off {
  readonly kind: 'off';
  /** Which variable decided so. */
  readonly why: string;
}

export interface Otlp {
  readonly kind: 'otlp';
  readonly protocol: Protocol;
  /** The address without credentials and query, for people to read. */
  readonly target: string;
  /** Limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  readonly compression: 'gzip' | 'none';
  /** A function, so that the secrets in it are not printed along with the rest. */
  connection(): Connection;
}

export type Protocol = 'http/protobuf' | 'grpc';

export interface Connection {
  /** By gRPC only its host and port count, and `https:` for TLS. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Tls;
}

/** PEM, as it stands in the files. Absent: as Node does it. */
export interface Tls {
  /** Whose certificates are believed. */
  readonly ca?: Buffer;
  /** Who we are. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
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

  if (!forTraces(environment, 'ENDPOINT')) return off('no OTEL_EXPORTER_OTLP_ENDPOINT');
  const protocol = readProtocol(environment);
  const { url, name } = protocol === 'grpc' ? readGrpcEndpoint(environment) : readHttpEndpoint(environment);
  warnings.push(...doubts(url, name, protocol));
  const tls = readTls(environment);
  if (url.protocol === 'http:' && Object.keys(tls).length > 0)
    warnings.push(`${name} begins with http://: certificates and keys are not used without TLS`);
  const headers = { ...takeCredentials(url, name), ...readHeaders(environment) };
  return {
    destination: {
      kind: 'otlp',
      protocol,
      target: protocol === 'grpc' ? url.origin : `${url.origin}${url.pathname}`,
      timeoutMs: readTimeout(environment, warnings),
      compression: readCompression(environment, warnings),
      connection: () => ({ url, headers, tls }),
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

function readProtocol(environment: Environment): Protocol {
  const found = forTraces(environment, 'PROTOCOL');
  if (!found) return 'http/protobuf';
  const { name, value } = found;
  if (value === 'http/protobuf' || value === 'grpc') return value;
  throw invalid(
    name,
    `${JSON.stringify(value)} ${value === 'http/json' ? 'is not supported' : 'is not a protocol of OTLP'}`,
    'set it to http/protobuf (usually port 4318) or grpc (usually port 4317), or OTEL_TRACES_EXPORTER=none to export nothing',
  );
}

interface Endpoint {
  readonly url: URL;
  readonly name: string;
}

const general = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** The endpoint for traces is used as it is; to the one for all signals `v1/traces` is added. */
function readHttpEndpoint(environment: Environment): Endpoint {
  const { name = general, value = '' } = forTraces(environment, 'ENDPOINT') ?? {};
  const url = parseAddress(name, value, 'for example http://localhost:4318');
  if (name === general) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
  return { url, name };
}

/** Without a scheme INSECURE says whether there is TLS; with one, that does. */
function readGrpcEndpoint(environment: Environment): Endpoint {
  const { name = general, value = '' } = forTraces(environment, 'ENDPOINT') ?? {};
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
  const isInsecure = forTraces(environment, 'INSECURE')?.value.toLowerCase() === 'true';
  return {
    url: parseAddress(name, hasScheme ? value : `${isInsecure ? 'http' : 'https'}://${value}`, 'for example http://localhost:4317'),
    name,
  };
}

function parseAddress(name: string, value: string, example: string): URL {
  const url = URL.parse(value);
  if (url && ['http:', 'https:'].includes(url.protocol)) return url;
  throw invalid(name, 'is not an address that begins with http:// or https://', example);
}

function doubts(url: URL, name: string, protocol: Protocol): string[] {
  if (protocol === 'grpc') {
    if (url.port === '4318') return [`${name}: port 4318 is usually http/protobuf; gRPC is usually at 4317`];
    return url.pathname === '/' ? [] : [`${name}: gRPC has no paths; ${url.pathname} is ignored`];
  }
  const doubled = `${name} already ends in v1/traces, which is added to it; an address that is used as it is goes to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`;
  return [
    ...(url.pathname.endsWith('/v1/traces/v1/traces') ? [doubled] : []),
    ...(url.port === '4317' ? [`${name}: port 4317 is usually gRPC; http/protobuf is usually at 4318`] : []),
  ];
}

/** The files are read now: who cannot be believed later must be told before anything is sent. */
function readTls(environment: Environment): Tls {
  const file = (suffix: string): Buffer | undefined => {
    const found = forTraces(environment, suffix);
    if (!found) return undefined;
    try {
      return readFileSync(found.value);
    } catch (error) {
      throw invalid(
        found.name,
        `${found.value} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        'name a PEM file',
      );
    }
  };
  const [ca, cert, key] = [file('CERTIFICATE'), file('CLIENT_CERTIFICATE'), file('CLIENT_KEY')];
  if ((cert === undefined) !== (key === undefined)) {
    const given = cert ? 'CLIENT_CERTIFICATE' : 'CLIENT_KEY';
    throw invalid(
      forTraces(environment, given)?.name ?? given,
      'a client certificate and its key go together, and only one is given',
      `give ${cert ? 'OTEL_EXPORTER_OTLP_CLIENT_KEY' : 'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE'} as well`,
    );
  }
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
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
