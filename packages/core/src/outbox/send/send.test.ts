import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { readDestination } from '../destinations/destination.ts';
import { httpSend, retryAfter, type Send, type SendResult } from './send.ts';
import { noon } from '../stand-ins.testsuite.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(listener: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>): Promise<number> {
  const server = createServer((request, response) => void listener(request, response));
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function sendTo(port: number, environment: Record<string, string> = {}): Send {
  const { destination } = readDestination({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, ...environment }, 'traces');
  if (destination.kind === 'off') throw new Error(destination.why);
  return httpSend(destination, { now: () => noon, userAgent: 'singletree/test' });
}

const payload = Buffer.from('the frozen bytes');
const never = new AbortController().signal;

async function answered(status: number, headers: Record<string, string> = {}, body: Uint8Array | string = ''): Promise<SendResult> {
  const port = await listen((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status, headers).end(body));
  });
  return await sendTo(port)(payload, never);
}

const protobuf = { 'content-type': 'application/x-protobuf' };
/** partial_success { rejected_spans: 3, error_message: "no" } */
const partial = Uint8Array.from([0x0a, 0x06, 0x08, 0x03, 0x12, 0x02, 0x6e, 0x6f]);
/** partial_success { error_message: "no" }: a warning, nothing rejected. */
const warned = Uint8Array.from([0x0a, 0x04, 0x12, 0x02, 0x6e, 0x6f]);
/** google.rpc.Status { message: "bad span" } */
const status = Uint8Array.from([0x12, 0x08, ...Buffer.from('bad span')]);

test.each<[string, [number, Record<string, string>?, (Uint8Array | string)?], SendResult]>([
  ['200', [200], { kind: 'acknowledged' }],
  ['200 with an empty message', [200, protobuf, ''], { kind: 'acknowledged' }],
  ['202', [202], { kind: 'acknowledged' }],
  ['partial success', [200, protobuf, partial], { kind: 'acknowledged', rejected: 3, message: 'no' }],
  ['partial success as a warning', [200, protobuf, warned], { kind: 'acknowledged', message: 'no' }],
  ['200 with JSON', [200, { 'content-type': 'application/json' }, '{}'], { kind: 'acknowledged' }],
  ['200 with bytes that cannot be read', [200, protobuf, Uint8Array.from([0x0a, 0x7f, 1])], { kind: 'acknowledged' }],
  [
    '200 with a page',
    [200, { 'content-type': 'text/html; charset=utf-8' }, '<h1>Log in</h1>'],
    { kind: 'misconfigured', status: 200, error: 'HTTP 200: <h1>Log in</h1>' },
  ],
  ['307', [307, { location: 'https://else' }], { kind: 'misconfigured', status: 307, error: 'HTTP 307 to https://else' }],
  ['400', [400, protobuf, status], { kind: 'refused', status: 400, error: 'HTTP 400: bad span' }],
  ['401', [401], { kind: 'misconfigured', status: 401, error: 'HTTP 401' }],
  ['403', [403], { kind: 'misconfigured', status: 403, error: 'HTTP 403' }],
  ['404', [404], { kind: 'misconfigured', status: 404, error: 'HTTP 404' }],
  ['405', [405], { kind: 'misconfigured', status: 405, error: 'HTTP 405' }],
  ['415', [415], { kind: 'misconfigured', status: 415, error: 'HTTP 415' }],
  [
    '400 of a server for TLS',
    [400, {}, 'Client sent an HTTP request to an HTTPS server.\n'],
    { kind: 'misconfigured', status: 400, error: 'HTTP 400: Client sent an HTTP request to an HTTPS server.' },
  ],
  ['413', [413], { kind: 'refused', status: 413, error: 'HTTP 413' }],
  ['429', [429, { 'retry-after': '7' }], { kind: 'retry', after: 7_000, error: 'HTTP 429' }],
  [
    '429 until a date',
    [429, { 'retry-after': new Date(noon + 90_000).toUTCString() }],
    { kind: 'retry', after: 90_000, error: 'HTTP 429' },
  ],
  ['500', [500], { kind: 'refused', status: 500, error: 'HTTP 500' }],
  ['502', [502], { kind: 'retry', error: 'HTTP 502' }],
  ['503', [503, {}, 'try \u001b[31mlater\n'], { kind: 'retry', error: 'HTTP 503: try  [31mlater' }],
  ['504', [504], { kind: 'retry', error: 'HTTP 504' }],
])('%s', async (_, answer, expected) => {
  expect(await answered(...answer)).toEqual(expected);
});

test('the body is sent as it is, with the headers that were asked for, over one connection', async () => {
  const seen: { request: IncomingMessage; body: Buffer }[] = [];
  const port = await listen(async (request, response) => {
    seen.push({ request, body: await buffer(request) });
    response.end();
  });
  const send = sendTo(port, { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=1,content-type=text/plain' });
  expect([await send(payload, never), await send(payload, never)]).toEqual([{ kind: 'acknowledged' }, { kind: 'acknowledged' }]);
  expect(seen.map(({ body }) => body.toString())).toEqual(['the frozen bytes', 'the frozen bytes']);
  expect(seen[0]?.request).toMatchObject({
    method: 'POST',
    url: '/v1/traces',
    headers: { 'content-type': 'application/x-protobuf', 'content-length': '16', 'user-agent': 'singletree/test', 'x-key': '1' },
  });
  expect(seen[0]?.request.headers).not.toHaveProperty('content-encoding');
  expect(new Set(seen.map(({ request }) => request.socket.remotePort)).size).toBe(1);
});

test('compression is of the sending, not of the bytes', async () => {
  let received: { encoding: string | undefined; body: Buffer } | undefined;
  const port = await listen(async (request, response) => {
    received = { encoding: request.headers['content-encoding'], body: await buffer(request) };
    response.end();
  });
  await sendTo(port, { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' })(payload, never);
  expect(received?.encoding).toBe('gzip');
  expect(gunzipSync(received?.body ?? Buffer.of()).toString()).toBe('the frozen bytes');
});

test('nobody listens', async () => {
  const port = await listen(() => {});
  await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
  expect(await sendTo(port)(payload, never)).toEqual({ kind: 'retry', error: `connect ECONNREFUSED 127.0.0.1:${port}` });
});

test('a name that does not resolve', async () => {
  const result = await sendTo(1, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.invalid:4318' })(payload, never);
  expect(result).toMatchObject({ kind: 'retry', error: expect.stringContaining('collector.invalid') as string });
});

test.each(['at once', 'in the middle of the answer'])('the connection breaks off %s', async (when) => {
  const port = await listen((request, response) => {
    request.resume();
    request.on('end', () => {
      if (when !== 'at once') response.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => response.destroy());
    });
  });
  expect(await sendTo(port)(payload, never)).toMatchObject({ kind: 'retry' });
});

test.each(['an answer', 'the rest of an answer'])('the time limit counts to the end: %s never comes', async (what) => {
  const port = await listen((request, response) => {
    request.resume();
    if (what !== 'an answer') response.writeHead(200).write('half');
  });
  const result = await sendTo(port, { OTEL_EXPORTER_OTLP_TIMEOUT: '100' })(payload, never);
  expect(result).toEqual({ kind: 'retry', error: 'no answer within 0.1 s' });
});

test('a stop ends the request that is under way', async () => {
  const stop = new AbortController();
  const port = await listen(() => stop.abort());
  expect(await sendTo(port)(payload, stop.signal)).toEqual({ kind: 'retry', error: 'stopped before the answer came' });
});

test('an endless answer is cut off, and its status counts', async () => {
  const port = await listen((request, response) => {
    request.resume();
    response.writeHead(400);
    const talk = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    response.on('drain', talk);
    talk();
  });
  const result = await sendTo(port)(payload, never);
  expect(result).toEqual({ kind: 'refused', status: 400, error: `HTTP 400: ${'x'.repeat(300)}` });
});

test('a receiver that repeats our credentials does not get them into a log', async () => {
  const port = await listen((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(400).end(`who is "${String(request.headers.authorization)}"?`));
  });
  const send = sendTo(port, { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20sesame' });
  expect(await send(payload, never)).toEqual({ kind: 'refused', status: 400, error: 'HTTP 400: who is "***"?' });
});

test.each([
  ['authorization=Bearer sesame', 'token sesame is unknown', 'token *** is unknown'],
  [
    'authorization=Basic YW5uYTpzZXNhbWU=',
    'YW5uYTpzZXNhbWU= is anna:sesame, and her password sesame is wrong',
    '*** is ***, and her password *** is wrong',
  ],
  ['x-key=sesame', `${'x'.repeat(297)}sesame`, `${'x'.repeat(297)}***`],
])('a receiver that repeats a part of %s', async (headers, said, told) => {
  const port = await listen((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(400).end(said));
  });
  expect(await sendTo(port, { OTEL_EXPORTER_OTLP_HEADERS: headers })(payload, never)).toMatchObject({ error: `HTTP 400: ${told}` });
});

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ['0', 0],
  [' 12 ', 12_000],
  [new Date(noon + 1_000).toUTCString(), 1_000],
  [new Date(noon - 1_000).toUTCString(), 0],
  ['soon', undefined],
])('Retry-After %j', (header, expected) => {
  expect(retryAfter(header, noon)).toBe(expected);
});
