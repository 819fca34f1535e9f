import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { decode, invalid, readPairs, variable, type Environment } from './pairs.ts';

/** What is sent, each with variables of its own. */
export type Signal = 'traces' | 'metrics';
export const signals: readonly Signal[] = ['traces', 'metrics'];

/** Where the records of a signal go. */
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
  /** For the log: what was ignored and what looks wrong. */
  readonly warnings: readonly string[];
}

/** What rows of the outbox call the destination that the standard OTEL_ variables speak of. Never its address: what waits when that changes is sent to the new one. */
export const otlpName = 'otlp';

/**
 * Reads the standard OTEL_ variables for a signal: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. One thing differs: without an
 * endpoint export is off, since nobody asked for a connection to localhost. Throws INVALID_CONFIGURATION where an endpoint is given
 * but could not be used; what the specification says to ignore is a warning.
 */
export function readDestination(environment: Environment, signal: Signal): DestinationChoice {
  const find: Find = (suffix) => forSignal(environment, signal, suffix);
  const exporter = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const warnings: string[] = [];
  const off = (why: string): DestinationChoice => ({ destination: { kind: 'off', why }, warnings });

  const disabled = variable(environment, 'OTEL_SDK_DISABLED')?.toLowerCase();
  if (disabled === 'true') return off('OTEL_SDK_DISABLED is true');
  if (disabled !== undefined && disabled !== 'false') warnings.push('OTEL_SDK_DISABLED is neither true nor false and counts as false');

  const exporters = list(variable(environment, exporter)?.toLowerCase() ?? 'otlp');
  if (exporters.includes('none')) return off(`${exporter} is none`);
  const unknown = exporters.filter((each) => each !== 'otlp');
  if (unknown.length > 0) warnings.push(`${exporter}: ${unknown.join(', ')} ignored; known are otlp and none`);
  if (!exporters.includes('otlp')) return off(`${exporter} does not name otlp`);

  if (!find('ENDPOINT')) return off('no OTEL_EXPORTER_OTLP_ENDPOINT');
  const destination = readOtlp({ find, isGeneral: (name) => name === general, headers: readHeaders(find) }, signal, exporter, warnings);
  return { destination, warnings };
}

/** A destination of the configuration, with its secrets read. */
export interface DestinationSettings {
  readonly endpoint: string;
  readonly protocol?: Protocol;
  readonly headers?: Readonly<Record<string, string>>;
  readonly compression?: 'gzip' | 'none';
  readonly timeoutMs?: number;
  /** Paths of PEM files. */
  readonly certificate?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly signals: readonly Signal[];
}

/** The same of a destination that the configuration names. Its endpoint is for all signals. Throws INVALID_CONFIGURATION where it could not be used. */
export function configuredDestination(name: string, settings: DestinationSettings, signal: Signal): DestinationChoice {
  const place = `telemetry.destinations.${name}`;
  if (!settings.signals.includes(signal))
    return { destination: { kind: 'off', why: `${place}.signals does not name ${signal}` }, warnings: [] };
  const { endpoint, protocol, headers = {}, compression, timeoutMs, certificate, clientCertificate, clientKey } = settings;
  const values: Partial<Record<Suffix, string | undefined>> = {
    ENDPOINT: endpoint,
    PROTOCOL: protocol,
    COMPRESSION: compression,
    TIMEOUT: timeoutMs?.toString(),
    CERTIFICATE: certificate,
    CLIENT_CERTIFICATE: clientCertificate,
    CLIENT_KEY: clientKey,
  };
  const find: Find = (suffix) => {
    const value = values[suffix];
    return value === undefined ? undefined : { name: `${place}.${keys[suffix]}`, value };
  };
  const warnings: string[] = [];
  const checked = checkHeaders(`${place}.headers`, headers);
  return { destination: readOtlp({ find, isGeneral: () => true, headers: checked }, signal, place, warnings), warnings };
}

interface Settings {
  readonly find: Find;
  /** Whether the endpoint of this name is for all signals. */
  readonly isGeneral: (name: string) => boolean;
  readonly headers: Readonly<Record<string, string>>;
}

function readOtlp({ find, isGeneral, headers: given }: Settings, signal: Signal, exporter: string, warnings: string[]): Otlp {
  const protocol = readProtocol(find, exporter);
  const { url, name } = protocol === 'grpc' ? readGrpcEndpoint(find) : readHttpEndpoint(find, signal, isGeneral);
  warnings.push(...doubts(url, name, protocol, signal));
  const tls = readTls(find);
  if (url.protocol === 'http:' && Object.keys(tls).length > 0)
    warnings.push(`${name} begins with http://: certificates and keys are not used without TLS`);
  if (url.protocol === 'https:') checkTls(tls, find);
  const headers = { ...takeCredentials(url, name), ...given };
  return {
    kind: 'otlp',
    protocol,
    target: protocol === 'grpc' ? url.origin : `${url.origin}${url.pathname}`,
    timeoutMs: readTimeout(find, warnings),
    compression: readCompression(find, warnings),
    connection: () => ({ url, headers, tls }),
  };
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

/** Endings of the variables, and what stands for them in the configuration. */
const keys = {
  ENDPOINT: 'endpoint',
  PROTOCOL: 'protocol',
  HEADERS: 'headers',
  TIMEOUT: 'timeout',
  COMPRESSION: 'compression',
  INSECURE: 'insecure',
  CERTIFICATE: 'certificate',
  CLIENT_CERTIFICATE: 'client_certificate',
  CLIENT_KEY: 'client_key',
} as const;

type Suffix = keyof typeof keys;

/** Finds OTEL_EXPORTER_OTLP_ with this ending, or what stands for it in the configuration. */
type Find = (suffix: Suffix) => Variable | undefined;

/** A variable of the signal, or else the one for all signals: the special one replaces the general one, it adds nothing to it. */
function forSignal(environment: Environment, signal: Signal, suffix: string): Variable | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`]) {
    const value = variable(environment, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

function readProtocol(find: Find, exporter: string): Protocol {
  const found = find('PROTOCOL');
  if (!found) return 'http/protobuf';
  const { name, value } = found;
  const protocol = value.toLowerCase();
  if (protocol === 'http/protobuf' || protocol === 'grpc') return protocol;
  throw invalid(
    name,
    `${JSON.stringify(value)} ${protocol === 'http/json' ? 'is not supported' : 'is not a protocol of OTLP'}`,
    `set it to http/protobuf (usually port 4318) or grpc (usually port 4317), or ${exporter}=none to export nothing`,
  );
}

interface Endpoint {
  readonly url: URL;
  readonly name: string;
}

const general = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** The endpoint of a signal is used as it is; to the one for all signals `v1/traces` or `v1/metrics` is added. */
function readHttpEndpoint(find: Find, signal: Signal, isGeneral: (name: string) => boolean): Endpoint {
  const { name = general, value = '' } = find('ENDPOINT') ?? {};
  const url = parseAddress(name, value, 'for example http://localhost:4318');
  if (isGeneral(name)) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return { url, name };
}

/** Without a scheme INSECURE says whether there is TLS; with one, that does. */
function readGrpcEndpoint(find: Find): Endpoint {
  const { name = general, value = '' } = find('ENDPOINT') ?? {};
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
  const isInsecure = find('INSECURE')?.value.toLowerCase() === 'true';
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

function doubts(url: URL, name: string, protocol: Protocol, signal: Signal): string[] {
  if (protocol === 'grpc') {
    if (url.port === '4318') return [`${name}: port 4318 is usually http/protobuf; gRPC is usually at 4317`];
    return url.pathname === '/' ? [] : [`${name}: gRPC has no paths; ${url.pathname} is ignored`];
  }
  const path = `v1/${signal}`;
  const doubled = `${name} already ends in ${path}, which is added to it; an address that is used as it is goes to OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
  return [
    ...(url.pathname.endsWith(`/${path}/${path}`) ? [doubled] : []),
    ...(url.port === '4317' ? [`${name}: port 4317 is usually gRPC; http/protobuf is usually at 4318`] : []),
  ];
}

/** The files are read now: who cannot be believed later must be told before anything is sent. */
function readTls(find: Find): Tls {
  const file = (suffix: Suffix): Buffer | undefined => {
    const found = find(suffix);
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
    const { name } = find(cert ? 'CLIENT_CERTIFICATE' : 'CLIENT_KEY') ?? { name: general };
    const other = cert
      ? name.replace(/CERTIFICATE$/, 'KEY').replace(/certificate$/, 'key')
      : name.replace(/KEY$/, 'CERTIFICATE').replace(/key$/, 'certificate');
    throw invalid(name, 'a client certificate and its key go together, and only one is given', `give ${other} as well`);
  }
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** Node believes nobody where it finds no certificate in a file, and says nothing. */
function checkTls({ ca, cert, key }: Tls, find: Find): void {
  const check = (suffix: Suffix, use: () => unknown): void => {
    try {
      use();
    } catch (error) {
      const { name, value } = find(suffix) ?? { name: general, value: '' };
      throw invalid(name, `${value} cannot be used: ${error instanceof Error ? error.message : String(error)}`, 'name a PEM file');
    }
  };
  if (ca) check('CERTIFICATE', () => new X509Certificate(ca));
  if (cert) check('CLIENT_CERTIFICATE', () => createSecureContext({ cert }));
  if (key) check('CLIENT_KEY', () => createSecureContext({ cert, key }));
}

function readHeaders(find: Find): Record<string, string> {
  const found = find('HEADERS');
  return found ? checkHeaders(found.name, readPairs(found.name, found.value)) : {};
}

function checkHeaders(name: string, given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [header, value] of Object.entries(given)) {
    // As gRPC has it, which is stricter than HTTP. The words of either would hold the value.
    if (!isHeaderName(header) || !/^[ -~]*$/.test(value))
      throw invalid(
        name,
        `header ${JSON.stringify(header)} has a name or value that HTTP or gRPC does not allow`,
        'names are ASCII tokens that do not end in -bin; values are printable ASCII',
      );
    headers[header.toLowerCase()] = value;
  }
  return headers;
}

function isHeaderName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+(?<!-bin)$/i.test(name);
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

function readTimeout(find: Find, warnings: string[]): number {
  const found = find('TIMEOUT');
  if (!found) return 10_000;
  const ms = Number(found.value);
  if (Number.isFinite(ms) && ms > 0) return Math.min(ms, 600_000);
  warnings.push(`${found.name} is not a number of milliseconds above 0; 10000 is used`);
  return 10_000;
}

function readCompression(find: Find, warnings: string[]): 'gzip' | 'none' {
  const found = find('COMPRESSION');
  const wanted = found?.value.toLowerCase() ?? 'none';
  if (!found || wanted === 'none') return 'none';
  if (wanted === 'gzip') return 'gzip';
  warnings.push(`${found.name} is neither gzip nor none; none is used`);
  return 'none';
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
