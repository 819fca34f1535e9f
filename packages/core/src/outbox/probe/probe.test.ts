import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { readFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import type { ProbeReport } from '../../telemetry-probe.ts';
import { senderFor } from '../channels.ts';
import { readDestination, type Signal } from '../destinations/destination.ts';
import { noon } from '../stand-ins.testsuite.ts';
import { probe } from './probe.ts';

const path = (name: string): string => join(import.meta.dirname, '../../../fixtures/tls', `${name}.pem`);
const pem = (name: string): Buffer => readFileSync(path(name));

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listening(server: net.Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => void server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

interface Page {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

const received: { readonly path: string; readonly body: Buffer }[] = [];
afterEach(() => void received.splice(0));

function answering({ status = 200, type = 'application/x-protobuf', headers = {}, body = '' }: Page): http.RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: Buffer.concat(chunks) });
      response.writeHead(status, { 'content-type': type, ...headers }).end(body);
    });
  };
}

const plain = async (page: Page = {}): Promise<string> => `http://127.0.0.1:${await listening(http.createServer(answering(page)))}`;
const secure = async (name = 'server', options: https.ServerOptions = {}): Promise<string> =>
  `https://127.0.0.1:${await listening(https.createServer({ cert: pem(name), key: pem(`${name}-key`), ...options }, answering({})))}`;

/** A gRPC server that takes traces, and answers each as told. */
async function grpcServer(
  answer: Partial<grpc.ServiceError> = {},
  credentials = grpc.ServerCredentials.createInsecure(),
  host = '127.0.0.1',
): Promise<number> {
  const server = new grpc.Server();
  closing.push(() => server.forceShutdown());
  const asIs = (bytes: Buffer): Buffer => bytes;
  const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
  const method = {
    ...codec,
    requestStream: false,
    responseStream: false,
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  };
  server.addService(
    { Export: method },
    {
      Export: (_: unknown, callback: grpc.sendUnaryData<Buffer>) =>
        answer.code === undefined ? callback(null, Buffer.alloc(0)) : callback(answer),
    },
  );
  return await new Promise((resolve, reject) =>
    server.bindAsync(`${host}:0`, credentials, (error, port) => (error ? reject(error) : resolve(port))),
  );
}
const grpcTls = (): grpc.ServerCredentials =>
  grpc.ServerCredentials.createSsl(null, [{ cert_chain: pem('server'), private_key: pem('server-key') }], false);

async function refusing(): Promise<string> {
  const server = net.createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

type Protocol = 'http/protobuf' | 'grpc';
const ca = { OTEL_EXPORTER_OTLP_CERTIFICATE: path('ca') };

async function probed(
  protocol: Protocol,
  endpoint: string,
  environment: Record<string, string> = {},
  signal: Signal = 'traces',
): Promise<ProbeReport> {
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
    ...environment,
  };
  const now = (): number => noon;
  const sender = { resource: { 'service.name': 'singletree' }, version: '1' };
  const target = { name: 'otlp', signal, destination: readDestination(variables, signal).destination };
  const [report] = await probe([target], {
    sender,
    now,
    environment: variables,
    senderFor: (to, of) => senderFor(to, of, { now, version: '1' }),
  });
  if (!report) throw new Error('there is no report');
  return report;
}

test('a probe that is taken says so, and says in itself that it is one', async () => {
  const url = await plain();
  expect(await probed('http/protobuf', url)).toEqual({
    destination: 'otlp',
    signal: 'traces',
    result: 'taken',
    endpoint: `${url}/v1/traces`,
    protocol: 'http/protobuf',
    message: 'the receiver has taken it',
    durationMs: expect.any(Number),
  });
  expect(await probed('http/protobuf', url, {}, 'metrics')).toMatchObject({ result: 'taken', endpoint: `${url}/v1/metrics` });
  expect(await probed('grpc', `http://127.0.0.1:${await grpcServer()}`)).toMatchObject({ result: 'taken', protocol: 'grpc' });
  for (const { body } of received) expect(body.toString('latin1')).toContain('singletree.probe');
  expect(received.map((request) => request.path)).toEqual(['/v1/traces', '/v1/metrics']);
});

test('what is off is not sent', async () => {
  const variables = { OTEL_TRACES_EXPORTER: 'none' };
  expect(await probed('http/protobuf', 'http://127.0.0.1:1', variables)).toEqual({
    destination: 'otlp',
    signal: 'traces',
    result: 'off',
    message: 'nothing was sent: OTEL_TRACES_EXPORTER is none',
  });
});

describe('what is wrong with the way to a receiver', () => {
  const both: readonly Protocol[] = ['http/protobuf', 'grpc'];
  test.each(both)('nobody listens, by %s', async (protocol) => {
    expect(await probed(protocol, await refusing())).toMatchObject({
      fault: 'refused',
      mend: expect.stringContaining('start the receiver'),
    });
  });

  test.each(both)('no answer, by %s', async (protocol) => {
    const url = `http://127.0.0.1:${await listening(net.createServer(() => {}))}`;
    expect(await probed(protocol, url, { OTEL_EXPORTER_OTLP_TIMEOUT: '200' })).toMatchObject({ fault: 'timeout' });
  });

  test('a certificate of an unknown authority', async () => {
    expect(await probed('http/protobuf', await secure())).toMatchObject({
      fault: 'unknown_ca',
      mend: expect.stringContaining('OTEL_EXPORTER_OTLP_CERTIFICATE'),
    });
    expect(await probed('grpc', `https://127.0.0.1:${await grpcServer({}, grpcTls())}`)).toMatchObject({ fault: 'unknown_ca' });
  });

  test('a certificate for another name', async () => {
    const server = https.createServer({ cert: pem('server'), key: pem('server-key') }, answering({}));
    const url = `https://127.0.0.2:${await listening(server, '127.0.0.2')}`;
    expect(await probed('http/protobuf', url, ca)).toMatchObject({ fault: 'wrong_name' });
    expect(await probed('grpc', `https://127.0.0.2:${await grpcServer({}, grpcTls(), '127.0.0.2')}`, ca)).toMatchObject({
      fault: 'wrong_name',
    });
  });

  test('a certificate that has expired', async () => {
    const trusted = { OTEL_EXPORTER_OTLP_CERTIFICATE: path('expired') };
    expect(await probed('http/protobuf', await secure('expired'), trusted)).toMatchObject({
      fault: 'expired',
      mend: expect.stringContaining('date'),
    });
  });

  test('a receiver that asks for a certificate', async () => {
    const asking = await secure('server', { ca: pem('ca'), requestCert: true, rejectUnauthorized: true });
    expect(await probed('http/protobuf', asking, ca)).toMatchObject({ fault: 'client_certificate' });
  });

  test('no TLS where it is spoken, and TLS where it is not', async () => {
    const withoutTls = async (url: Promise<string>): Promise<string> => (await url).replace('https', 'http');
    const tlsMissing = { fault: 'tls_missing', mend: expect.stringContaining('https://') };
    expect(await probed('http/protobuf', await withoutTls(secure()))).toMatchObject(tlsMissing);
    expect(await probed('grpc', `http://127.0.0.1:${await grpcServer({}, grpcTls())}`)).toMatchObject(tlsMissing);
    const tlsUnexpected = { fault: 'tls_unexpected', mend: expect.stringContaining('http://') };
    expect(await probed('http/protobuf', (await plain()).replace('http', 'https'))).toMatchObject(tlsUnexpected);
    expect(await probed('grpc', `https://127.0.0.1:${await grpcServer()}`)).toMatchObject(tlsUnexpected);
  });

  test('one protocol at the port of the other', async () => {
    const speakGrpc = { fault: 'wrong_protocol', mend: expect.stringContaining('OTEL_EXPORTER_OTLP_PROTOCOL=grpc') };
    const speakHttp = { fault: 'wrong_protocol', mend: expect.stringContaining('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf') };
    expect(await probed('http/protobuf', `http://127.0.0.1:${await grpcServer()}`)).toMatchObject(speakGrpc);
    expect(await probed('http/protobuf', `https://127.0.0.1:${await grpcServer({}, grpcTls())}`, ca)).toMatchObject(speakGrpc);
    expect(await probed('grpc', await plain())).toMatchObject(speakHttp);
    expect(await probed('grpc', await secure(), ca)).toMatchObject(speakHttp);
    const http2Only = await listening(http2.createServer((_, response) => response.writeHead(404).end()));
    expect(await probed('grpc', `http://127.0.0.1:${http2Only}`)).toMatchObject(speakHttp);
  });

  test.each(both)('a server that hangs up, by %s', async (protocol) => {
    const url = `http://127.0.0.1:${await listening(net.createServer((socket) => socket.destroy()))}`;
    expect(await probed(protocol, url)).toMatchObject({ fault: 'other', mend: expect.stringContaining('curl -v') });
  });
});

describe('what a receiver over HTTP says', () => {
  test.each([
    [401, 'unauthenticated', 'OTEL_EXPORTER_OTLP_HEADERS'],
    [403, 'forbidden', 'OTEL_EXPORTER_OTLP_HEADERS'],
    [404, 'wrong_path', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [405, 'wrong_protocol', 'OTEL_EXPORTER_OTLP_PROTOCOL=grpc'],
    [415, 'wrong_protocol', 'OTEL_EXPORTER_OTLP_PROTOCOL=grpc'],
    [407, 'proxy', 'without a proxy'],
    [400, 'rejected', 'its answer'],
    [413, 'rejected', 'limit'],
    [500, 'rejected', 'its log'],
    [502, 'proxy', 'gateway'],
  ])('%i is %s', async (status, fault, mend) => {
    const report = await probed('http/protobuf', await plain({ status, type: 'text/plain', body: 'in its own words' }));
    expect(report).toMatchObject({
      result: 'failed',
      fault,
      mend: expect.stringContaining(mend),
      answer: `HTTP ${status}: in its own words`,
    });
  });

  test.each([429, 503])('%i is a matter of time', async (status) => {
    expect(await probed('http/protobuf', await plain({ status, headers: { 'retry-after': '5' } }))).toMatchObject({
      result: 'doubtful',
      fault: 'busy',
    });
  });

  test('a web page is no receiver, and a redirect is not followed', async () => {
    const page = await plain({ type: 'text/html; charset=utf-8', body: '<!doctype html><title>Jaeger UI</title>' });
    expect(await probed('http/protobuf', page)).toMatchObject({ result: 'failed', fault: 'no_receiver' });
    const moved = await plain({ status: 301, headers: { location: 'https://otlp.example.org/v1/traces' } });
    expect(await probed('http/protobuf', moved)).toMatchObject({
      fault: 'wrong_path',
      answer: expect.stringContaining('https://otlp.example.org'),
    });
  });

  test('a store of traces takes no metrics', async () => {
    expect(await probed('http/protobuf', await plain({ status: 404 }), {}, 'metrics')).toMatchObject({
      fault: 'wrong_path',
      mend: expect.stringContaining('OTEL_METRICS_EXPORTER=none'),
    });
  });

  test('that a server of TLS was spoken to without, in the words of Go', async () => {
    const go = await plain({ status: 400, type: 'text/plain', body: 'Client sent an HTTP request to an HTTPS server.' });
    expect(await probed('http/protobuf', go)).toMatchObject({ fault: 'tls_missing' });
  });

  test('a part that it does not take', async () => {
    // ExportTraceServiceResponse { partial_success { rejected_spans: 1, error_message: "no" } }
    const partial = await plain({ body: Buffer.from([0x0a, 6, 0x08, 1, 0x12, 2, 0x6e, 0x6f]) });
    expect(await probed('http/protobuf', partial)).toMatchObject({ result: 'doubtful', fault: 'partial', answer: 'no' });
  });
});

test.each([
  [grpc.status.UNAUTHENTICATED, 'unauthenticated'],
  [grpc.status.PERMISSION_DENIED, 'forbidden'],
  [grpc.status.INVALID_ARGUMENT, 'rejected'],
  [grpc.status.UNAVAILABLE, 'busy'],
] as const)('gRPC says %i: %s', async (code, fault) => {
  const url = `http://127.0.0.1:${await grpcServer({ code, details: 'in its own words' })}`;
  expect(await probed('grpc', url)).toMatchObject({ fault, answer: expect.stringContaining('in its own words') });
});

test('a gRPC server of another signal', async () => {
  expect(await probed('grpc', `http://127.0.0.1:${await grpcServer()}`, {}, 'metrics')).toMatchObject({
    fault: 'wrong_path',
    mend: expect.stringContaining('OTEL_METRICS_EXPORTER=none'),
  });
});
