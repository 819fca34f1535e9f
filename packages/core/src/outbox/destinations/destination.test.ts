import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { DomainError } from '../../errors.ts';
import { configuredDestination, readDestination, type DestinationSettings, type Otlp } from './destination.ts';
import type { Environment } from './pairs.ts';

const tls = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector' };
const pem = (name: string): string => join(import.meta.dirname, `../../../fixtures/tls/${name}.pem`);
const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

function otlp(environment: Environment): Otlp & { readonly url: string; readonly headers: Readonly<Record<string, string>> } {
  const { destination } = readDestination(environment, 'traces');
  if (destination.kind === 'off') throw new Error(`off: ${destination.why}`);
  const { url, headers } = destination.connection();
  return { ...destination, url: url.href, headers };
}

test.each<[string, Environment, string]>([
  ['nothing is set', {}, 'no OTEL_EXPORTER_OTLP_ENDPOINT'],
  ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, 'no OTEL_EXPORTER_OTLP_ENDPOINT'],
  ['only the exporter is named', { OTEL_TRACES_EXPORTER: 'otlp' }, 'no OTEL_EXPORTER_OTLP_ENDPOINT'],
  ['a protocol of other programs is set, but no endpoint', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'no OTEL_EXPORTER_OTLP_ENDPOINT'],
  ['telemetry is disabled', { ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }, 'OTEL_SDK_DISABLED is true'],
  ['there is no exporter', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, 'OTEL_TRACES_EXPORTER is none'],
  ['there is another exporter', { ...endpoint, OTEL_TRACES_EXPORTER: 'console' }, 'OTEL_TRACES_EXPORTER does not name otlp'],
])('export is off when %s', (_, environment, why) => {
  expect(readDestination(environment, 'traces')).toMatchObject({ destination: { kind: 'off', why } });
});

test.each<[string, Environment, string]>([
  ['v1/traces is added to the general one', endpoint, 'http://collector:4318/v1/traces'],
  ['with one slash only', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' }, 'http://collector:4318/v1/traces'],
  ['below its path', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://host/otlp' }, 'https://host/otlp/v1/traces'],
  ['and before its query', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://host/otlp/?key=1' }, 'https://host/otlp/v1/traces?key=1'],
  ['the one for traces is used as it is', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://host/my/path/' }, 'http://host/my/path/'],
  ['also without a path', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://host:1' }, 'http://host:1/'],
  ['and goes first', { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://host:1' }, 'http://host:1/'],
])('endpoint: %s', (_, environment, url) => {
  expect(otlp(environment).url).toBe(url);
});

test.each<[string, Environment, string, string]>([
  ['by its scheme', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317' }, 'http://collector:4317/', 'http://collector:4317'],
  ['a path is none', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/x' }, 'https://collector/x', 'https://collector'],
  ['without a scheme: TLS', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, 'https://collector:4317/', 'https://collector:4317'],
  [
    'unless that is called insecure',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_INSECURE: 'TRUE' },
    'http://collector:4317/',
    'http://collector:4317',
  ],
  [
    'a scheme counts before that',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://[::1]:4317', OTEL_EXPORTER_OTLP_TRACES_INSECURE: 'true' },
    'https://[::1]:4317/',
    'https://[::1]:4317',
  ],
])('endpoint of gRPC: %s', (_, environment, url, target) => {
  expect(otlp({ ...grpc, ...environment })).toMatchObject({ protocol: 'grpc', url, target });
});

test('certificates and keys are read from their files, those for traces first', () => {
  const { destination } = readDestination(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector',
      OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere',
      OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: pem('ca'),
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pem('client'),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: pem('client-key'),
    },
    'traces',
  );
  const { tls } = destination.kind === 'otlp' ? destination.connection() : {};
  expect(Object.entries(tls ?? {}).map(([name, bytes]) => [name, Buffer.isBuffer(bytes) && bytes.includes('-----BEGIN')])).toEqual([
    ['ca', true],
    ['cert', true],
    ['key', true],
  ]);
});

test('certificates without TLS are used for nothing, and that is told', () => {
  const choice = readDestination({ ...endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE: import.meta.filename }, 'traces');
  expect(choice.warnings).toEqual([expect.stringContaining('not used without TLS')]);
});

test.each<[string, Environment, Record<string, string>]>([
  ['none', {}, {}],
  [
    'percent-decoded, names in lower case',
    { OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20a%2Cb, x-scope = 7 ' },
    { authorization: 'Bearer a,b', 'x-scope': '7' },
  ],
  ['base64 ends in =', { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic YTpiCg==' }, { authorization: 'Basic YTpiCg==' }],
  [
    'those for traces replace the general ones',
    { OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3' },
    { b: '3' },
  ],
  ['empty entries are nothing', { OTEL_EXPORTER_OTLP_HEADERS: ',a=1,,' }, { a: '1' }],
  ['an empty value is a value', { OTEL_EXPORTER_OTLP_HEADERS: 'a=' }, { a: '' }],
])('headers: %s', (_, environment, headers) => {
  expect(otlp({ ...endpoint, ...environment }).headers).toEqual(headers);
});

test.each<[Environment, Partial<Otlp>, string[]]>([
  [{}, { timeoutMs: 10_000, compression: 'none' }, []],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: '2500', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }, { timeoutMs: 2_500, compression: 'gzip' }, []],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'GRPC' }, { protocol: 'grpc' }, ['port 4318 is usually http/protobuf']],
  [{ OTEL_TRACES_EXPORTER: 'OTLP', OTEL_EXPORTER_OTLP_COMPRESSION: 'GZIP' }, { kind: 'otlp', compression: 'gzip' }, []],
  [{ OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '1', OTEL_EXPORTER_OTLP_TIMEOUT: '2' }, { timeoutMs: 1 }, []],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: '10s' }, { timeoutMs: 10_000 }, ['OTEL_EXPORTER_OTLP_TIMEOUT is not a number']],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: '0' }, { timeoutMs: 10_000 }, ['OTEL_EXPORTER_OTLP_TIMEOUT is not a number']],
  [{ OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'zstd' }, { compression: 'none' }, ['OTEL_EXPORTER_OTLP_TRACES_COMPRESSION is neither']],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }, {}, []],
  [{ OTEL_SDK_DISABLED: 'yes' }, {}, ['OTEL_SDK_DISABLED is neither true nor false']],
  [{ OTEL_TRACES_EXPORTER: 'console, otlp' }, {}, ['OTEL_TRACES_EXPORTER: console ignored']],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317' }, {}, ['port 4317 is usually gRPC']],
  [{ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, {}, ['port 4318 is usually http/protobuf']],
  [{ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317/v1' }, {}, ['gRPC has no paths; /v1 is ignored']],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/v1/traces' }, {}, ['already ends in v1/traces']],
])('settings: %j', (environment, expected, warnings) => {
  const choice = readDestination({ ...endpoint, ...environment }, 'traces');
  expect(choice.destination).toMatchObject(expected);
  expect(choice.warnings).toEqual(warnings.map((text) => expect.stringContaining(text) as string));
});

test.each<[Environment, string]>([
  [{ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://' }, 'OTEL_EXPORTER_OTLP_ENDPOINT: is not an address'],
  [{ OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem' }, 'OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere/ca.pem cannot be read: ENOENT'],
  [
    { OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: import.meta.filename },
    'OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: a client certificate and its key go together',
  ],
  [{ ...tls, OTEL_EXPORTER_OTLP_CERTIFICATE: pem('client-key') }, `OTEL_EXPORTER_OTLP_CERTIFICATE: ${pem('client-key')} cannot be used: `],
  [
    { ...tls, ...grpc, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: import.meta.filename, OTEL_EXPORTER_OTLP_CLIENT_KEY: pem('client-key') },
    `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: ${import.meta.filename} cannot be used: `,
  ],
  [
    { ...tls, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pem('client'), OTEL_EXPORTER_OTLP_CLIENT_KEY: pem('server-key') },
    `OTEL_EXPORTER_OTLP_CLIENT_KEY: ${pem('server-key')} cannot be used: `,
  ],
  [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not supported'],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http' }, 'OTEL_EXPORTER_OTLP_PROTOCOL: "http" is not a protocol of OTLP'],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' },
    'OTEL_EXPORTER_OTLP_ENDPOINT: is not an address that begins with http:// or https://',
  ],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://host' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: is not an address'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=1,sesame' }, 'OTEL_EXPORTER_OTLP_HEADERS: entry 2 is not key=value'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=sesame%zz' }, 'OTEL_EXPORTER_OTLP_HEADERS: entry 1 is not valid percent-encoding'],
  [
    { OTEL_EXPORTER_OTLP_HEADERS: 'a=sesame%0A' },
    'OTEL_EXPORTER_OTLP_HEADERS: header "a" has a name or value that HTTP or gRPC does not allow',
  ],
  [{ ...grpc, OTEL_EXPORTER_OTLP_HEADERS: 'a=sesame%C3%A9' }, 'OTEL_EXPORTER_OTLP_HEADERS: header "a" has a name or value'],
  [{ ...grpc, OTEL_EXPORTER_OTLP_HEADERS: 'a-bin=sesame' }, 'OTEL_EXPORTER_OTLP_HEADERS: header "a-bin" has a name or value'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a b=sesame' }, 'OTEL_EXPORTER_OTLP_HEADERS: header "a b" has a name or value'],
])('refused at the start, without a word of the secret: %j', (environment, message) => {
  const refusal = refusalOf({ ...endpoint, ...environment });
  expect(refusal.reason).toBe('INVALID_CONFIGURATION');
  expect(refusal.message).toContain(message);
  expect(refusal.hint).toBeTruthy();
  expect(inspect(refusal)).not.toContain('sesame');
});

function refusalOf(environment: Environment): DomainError {
  try {
    readDestination(environment, 'traces');
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('secrets', () => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://anna:open%20sesame@host/otlp?key=sesame',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=sesame',
  };

  test('a user in the address becomes a header', () => {
    const { url, headers } = otlp(environment);
    expect(url).toBe('https://host/otlp/v1/traces?key=sesame');
    expect(headers).toEqual({ authorization: `Basic ${Buffer.from('anna:open sesame').toString('base64')}`, 'x-key': 'sesame' });
  });

  test('are not in what is shown or printed', () => {
    const choice = readDestination(environment, 'traces');
    expect(choice.destination).toMatchObject({ target: 'https://host/otlp/v1/traces' });
    expect(inspect(choice, { depth: 9 }) + JSON.stringify(choice)).not.toContain('sesame');
  });
});

describe('a destination of the configuration', () => {
  const lab: DestinationSettings = { endpoint: 'https://lab/otlp', signals: ['traces', 'metrics'] };

  test.each<[string, Partial<DestinationSettings>, object, string]>([
    [
      'by HTTP, with the path of the signal',
      {},
      { protocol: 'http/protobuf', timeoutMs: 10_000, compression: 'none' },
      'https://lab/otlp/v1/metrics',
    ],
    [
      'by gRPC',
      { protocol: 'grpc', compression: 'gzip', timeoutMs: 500 },
      { protocol: 'grpc', timeoutMs: 500, compression: 'gzip' },
      'https://lab',
    ],
  ])('%s', (_, settings, expected, target) => {
    expect(configuredDestination('lab', { ...lab, ...settings }, 'metrics').destination).toMatchObject({
      kind: 'otlp',
      target,
      ...expected,
    });
  });

  test('for a signal that it does not take it is off', () => {
    expect(configuredDestination('lab', { ...lab, signals: ['traces'] }, 'metrics')).toMatchObject({
      destination: { kind: 'off', why: 'telemetry.destinations.lab.signals does not name metrics' },
    });
  });

  test('its headers are told to nobody but the receiver', () => {
    const { destination } = configuredDestination('lab', { ...lab, headers: { Authorization: 'Bearer secret-1' } }, 'traces');
    if (destination.kind === 'off') throw new Error(destination.why);
    expect(destination.connection().headers).toEqual({ authorization: 'Bearer secret-1' });
    expect(inspect(destination, { depth: 9 })).not.toContain('secret-1');
  });

  test.each<[Partial<DestinationSettings>, RegExp, RegExp]>([
    [{ headers: { key: 'a\nb' } }, /^telemetry\.destinations\.lab\.headers: header "key" has a name or value/, /tokens/],
    [{ certificate: '/nowhere/ca.pem' }, /^telemetry\.destinations\.lab\.certificate: \/nowhere\/ca\.pem cannot be read/, /PEM/],
    [
      { clientKey: import.meta.filename },
      /^telemetry\.destinations\.lab\.client_key: a client certificate and its key/,
      /destinations\.lab\.client_certificate as well/,
    ],
  ])('%j is refused by the name of its key', (settings, problem, hint) => {
    const refused = ((): unknown => {
      try {
        return configuredDestination('lab', { ...lab, ...settings }, 'traces');
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toMatchObject({
      reason: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(problem),
      hint: expect.stringMatching(hint),
    });
  });
});
