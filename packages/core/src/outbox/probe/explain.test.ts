import { describe, expect, test } from 'vitest';
import { explain, type Probed } from './explain.ts';

const by = (set: Partial<Probed>): Probed => ({
  destination: 'otlp',
  signal: 'traces',
  to: { protocol: 'http/protobuf', target: 'http://collector:4318/v1/traces' },
  result: { kind: 'acknowledged' },
  ...set,
});
const silence = (error: string, set: Partial<Probed> = {}): Probed => by({ result: { kind: 'retry', error }, ...set });

describe('what Node, OpenSSL and gRPC say', () => {
  test.each([
    ['getaddrinfo ENOTFOUND collector', 'unknown_host'],
    ['getaddrinfo EAI_AGAIN collector', 'unknown_host'],
    ['gRPC UNAVAILABLE: Name resolution failed for target dns:collector:4317', 'unknown_host'],
    ['connect EHOSTUNREACH 10.0.0.1:4318', 'unreachable'],
    ['connect ENETUNREACH 10.0.0.1:4318', 'unreachable'],
    ['connect ETIMEDOUT 10.0.0.1:4318', 'timeout'],
    ['connect ECONNREFUSED ::1:4318; connect ECONNREFUSED 127.0.0.1:4318', 'refused'],
    ['self-signed certificate in certificate chain', 'unknown_ca'],
    ['unable to get local issuer certificate', 'unknown_ca'],
    ['certificate is not yet valid', 'expired'],
    ["Hostname/IP does not match certificate's altnames: Host: collector. is not in the cert's altnames: DNS:localhost", 'wrong_name'],
    ['402D:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca', 'client_certificate'],
    ['HTTP 504: upstream request timeout', 'proxy'],
    ['HTTP 503', 'busy'],
    ['gRPC RESOURCE_EXHAUSTED: quota', 'busy'],
    ['something new', 'other'],
  ])('%s → %s', (error, fault) => {
    const explained = explain(silence(error));
    expect(explained.fault).toBe(fault);
    expect(explained.mend).not.toBe('');
  });
});

test('what mends a destination of the configuration is told by its keys there', () => {
  const destination = 'prod';
  expect(explain(silence('connect ECONNREFUSED 10.0.0.1:4318', { destination })).mend).toContain('telemetry.destinations.prod.endpoint');
  const refused = by({ destination, result: { kind: 'misconfigured', status: 401, error: 'HTTP 401' } });
  expect(explain(refused).mend).toBe(
    'set telemetry.destinations.prod.headers, such as { authorization: { env: NAME } }, where the variable NAME holds "Bearer TOKEN"',
  );
  const unsupported = by({ destination, result: { kind: 'misconfigured', status: 415, error: 'HTTP 415' } });
  expect(explain(unsupported).mend).toContain('telemetry.destinations.prod.protocol: grpc');
  const notFound = by({ destination, signal: 'metrics', result: { kind: 'misconfigured', status: 404, error: 'HTTP 404' } });
  const to = { protocol: 'http/protobuf', target: 'http://collector:4318/v1/metrics' } as const;
  expect(explain({ ...notFound, to }).mend).toContain('telemetry.destinations.prod.signals: [traces]');
});

test('an address for one signal without a path is told what it lacks', () => {
  const to = { protocol: 'http/protobuf', target: 'http://collector:4318/' } as const;
  expect(explain(by({ to, result: { kind: 'misconfigured', status: 404, error: 'HTTP 404' } })).mend).toContain('let it end in /v1/traces');
});

test('a proxy that gRPC goes through is named', () => {
  const to = { protocol: 'grpc', target: 'http://collector:4317' } as const;
  const explained = explain(silence('connect ECONNREFUSED 10.0.0.1:3128', { to, proxy: 'https_proxy' }));
  expect(explained.message).toContain('https_proxy');
  const lost = 'gRPC UNAVAILABLE: No connection established. Last error: undefined. Resolution note:';
  expect(explain(silence(lost, { to, proxy: 'http_proxy' }))).toMatchObject({
    fault: 'proxy',
    mend: expect.stringContaining('unset http_proxy'),
  });
});

test('what is spoken decides where the words do not', () => {
  const hungUp = silence('socket hang up');
  expect(explain(hungUp).fault).toBe('other');
  expect(explain({ ...hungUp, spoken: { tls: true, http: 1 } }).fault).toBe('tls_missing');
  expect(explain({ ...hungUp, spoken: { tls: false, http: 2 } }).fault).toBe('wrong_protocol');
  expect(explain({ ...hungUp, spoken: { tls: false, http: 1 } }).fault).toBe('other');
});
