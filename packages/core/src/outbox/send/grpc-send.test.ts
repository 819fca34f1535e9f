import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as grpc from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { readDestination } from '../destinations/destination.ts';
import { grpcSend } from './grpc-send.ts';
import type { SendResult } from './send.ts';

const service: grpc.ServiceDefinition = {
  Export: {
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
};

const servers: grpc.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.forceShutdown();
});

async function listen(answer: grpc.handleUnaryCall<Buffer, Buffer>, implemented = service): Promise<number> {
  const server = new grpc.Server();
  servers.push(server);
  server.addService(implemented, { Export: answer });
  return await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  );
}

async function sendTo(port: number, environment: Record<string, string> = {}, signal = new AbortController().signal): Promise<SendResult> {
  const { destination } = readDestination(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      ...environment,
    },
    'traces',
  );
  if (destination.kind === 'off') throw new Error(destination.why);
  return await grpcSend(destination, 'traces', { userAgent: 'singletree/test' })(Buffer.from('the frozen bytes'), signal);
}

async function answered(error: Partial<grpc.StatusObject> | undefined, body: Uint8Array = new Uint8Array()): Promise<SendResult> {
  return await sendTo(await listen((_, callback) => (error ? callback(error) : callback(null, Buffer.from(body)))));
}

const field = (number: number, bytes: Uint8Array): BinaryWriter => new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes);
const any = (type: string, value: Uint8Array): Uint8Array =>
  Buffer.concat([field(1, Buffer.from(`type.googleapis.com/${type}`)).finish(), field(2, value).finish()]);

/** google.rpc.Status with a RetryInfo among its details. */
function retryIn(ms: number): grpc.Metadata {
  const duration = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int64(Math.floor(ms / 1_000))
    .tag(2, WireType.Varint)
    .int32((ms % 1_000) * 1_000_000);
  const details = [any('google.rpc.Help', new Uint8Array()), any('google.rpc.RetryInfo', field(1, duration.finish()).finish())];
  const code = new BinaryWriter().tag(1, WireType.Varint).int32(8).finish();
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.concat([code, ...details.map((detail) => field(3, detail).finish())]));
  return metadata;
}

const { status } = grpc;
/** partial_success { rejected_spans: 3, error_message: "no" } */
const partial = Uint8Array.from([0x0a, 0x06, 0x08, 0x03, 0x12, 0x02, 0x6e, 0x6f]);

test.each<[string, Parameters<typeof answered>, SendResult]>([
  ['an empty answer', [undefined], { kind: 'acknowledged' }],
  ['a partial success', [undefined, partial], { kind: 'acknowledged', rejected: 3, message: 'no' }],
  ['an answer that cannot be read', [undefined, Uint8Array.from([0x0a, 0x7f, 1])], { kind: 'acknowledged' }],
  ['UNAVAILABLE', [{ code: status.UNAVAILABLE, details: 'busy' }], { kind: 'retry', error: 'gRPC UNAVAILABLE: busy' }],
  [
    'UNAVAILABLE with a time',
    [{ code: status.UNAVAILABLE, details: '', metadata: retryIn(700) }],
    { kind: 'retry', error: 'gRPC UNAVAILABLE', after: 700 },
  ],
  ['ABORTED', [{ code: status.ABORTED, details: 'x' }], { kind: 'retry', error: 'gRPC ABORTED: x' }],
  [
    'RESOURCE_EXHAUSTED with a time',
    [{ code: status.RESOURCE_EXHAUSTED, details: 'slow', metadata: retryIn(2_050) }],
    { kind: 'retry', error: 'gRPC RESOURCE_EXHAUSTED: slow', after: 2_050 },
  ],
  [
    'RESOURCE_EXHAUSTED without one: too large',
    [{ code: status.RESOURCE_EXHAUSTED, details: 'large' }],
    { kind: 'refused', status: status.RESOURCE_EXHAUSTED, error: 'gRPC RESOURCE_EXHAUSTED: large' },
  ],
  [
    'INVALID_ARGUMENT',
    [{ code: status.INVALID_ARGUMENT, details: 'bad\nspan\u001b[1m' }],
    { kind: 'refused', status: status.INVALID_ARGUMENT, error: 'gRPC INVALID_ARGUMENT: bad span [1m' },
  ],
  [
    'UNAUTHENTICATED',
    [{ code: status.UNAUTHENTICATED, details: 'who?' }],
    { kind: 'misconfigured', status: status.UNAUTHENTICATED, error: 'gRPC UNAUTHENTICATED: who?' },
  ],
  [
    'PERMISSION_DENIED',
    [{ code: status.PERMISSION_DENIED, details: '' }],
    { kind: 'misconfigured', status: 7, error: 'gRPC PERMISSION_DENIED' },
  ],
])('%s', async (_, answer, expected) => {
  expect(await answered(...answer)).toEqual(expected);
});

test('the bytes, the headers and the user agent arrive as they are; a secret that comes back is hidden', async () => {
  let seen: [string, grpc.MetadataValue[], string] | undefined;
  const port = await listen((call, callback) => {
    seen = [call.request.toString(), call.metadata.get('x-key'), String(call.metadata.get('user-agent')[0])];
    callback({ code: status.INVALID_ARGUMENT, details: 'key sesame is wrong' });
  });
  const result = await sendTo(port, { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=sesame', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' });
  expect(seen).toEqual(['the frozen bytes', ['sesame'], expect.stringMatching(/^singletree\/test grpc-node/)]);
  expect(result).toMatchObject({ error: 'gRPC INVALID_ARGUMENT: key *** is wrong' });
});

test('a receiver of something else is no fault of the bytes', async () => {
  const { Export } = service;
  const port = await listen((_, callback) => callback(null), { Export: { ...Export!, path: '/other.Service/Export' } });
  expect(await sendTo(port)).toMatchObject({ kind: 'misconfigured', status: status.UNIMPLEMENTED });
});

test.each([400, 415])('what answers in HTTP alone (%i) is no receiver, and no fault of the bytes', async (code) => {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.respond({ ':status': code });
    stream.end('no');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    expect(await sendTo(port)).toMatchObject({ kind: 'misconfigured', error: expect.stringContaining(`HTTP status code ${code}`) });
  } finally {
    server.close();
  }
});

test('one that does not answer is waited for as long as the limit says', async () => {
  const port = await listen(() => undefined);
  expect(await sendTo(port, { OTEL_EXPORTER_OTLP_TIMEOUT: '60' })).toEqual({ kind: 'retry', error: 'no answer within 0.06 s' });
});

test('nobody there, and a daemon that stops: it is sent again later', async () => {
  const port = await listen(() => undefined);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 30);
  expect(await sendTo(port, {}, stop.signal)).toEqual({ kind: 'retry', error: 'stopped before the answer came' });
  servers.splice(0).forEach((server) => server.forceShutdown());
  expect(await sendTo(port)).toMatchObject({ kind: 'retry', error: expect.stringContaining('gRPC UNAVAILABLE') });
});
