import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { once, type EventEmitter } from 'node:events';
import { Code } from '@connectrpc/connect';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestWire } from '../../packages/core/src/rpc/wire.testsuite.ts';
import { ask, connectTo, envelope, errorIn, open, writeBytes, type RawAnswer, type Target } from '../support/raw-http.ts';
import { bearer, body, getTask, jsonHeaders, openWire, taskId, told, watched, watchTask } from './quiet-wire.testsuite.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await openWire();
});
afterAll(() => wire[Symbol.asyncDispose]());

const local = { ...jsonHeaders, host: 'localhost' };
const request = { path: getTask, headers: local, body };
/** In protobuf: field 1, a text. */
const asked = Buffer.concat([Buffer.from([0x0a, taskId.length]), Buffer.from(taskId)]);

async function stillServes({ path }: TestWire = wire): Promise<void> {
  for (const version of [1, 2] as const) expect((await ask({ version, path }, request)).status).toBe(200);
}

/** However it ends. */
async function closed(ended: EventEmitter): Promise<void> {
  ended.on('error', () => undefined);
  await new Promise((resolve) => ended.once('close', resolve));
}

function sessionTo(path: string): http2.ClientHttp2Session {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(path) });
  session.on('error', () => undefined);
  return session;
}

describe.concurrent('S10 connections are bounded: how many, how long they may be silent, and what they may hold', () => {
  test('streams, headers and settings of HTTP/2', async () => {
    const session = sessionTo(wire.path);
    await once(session, 'remoteSettings');
    expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 256, maxHeaderListSize: 16_384, enableConnectProtocol: false });
    session.destroy();
    using connection = open({ version: 2, path: wire.path });
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'v']));
    await expect(connection.ask({ ...request, headers: { ...local, ...many } }), 'a hundred headers').rejects.toThrow(/code 11|ENHANCE/);
    await expect(connection.ask({ ...request, headers: { ...local, large: 'x'.repeat(40_000) } }), 'large ones').rejects.toThrow();
    await stillServes();
  });

  test('headers of HTTP/1.1', async () => {
    const answer = (
      await writeBytes(
        { version: 1, path: wire.path },
        `POST ${getTask} HTTP/1.1\r\nhost: localhost\r\nlarge: ${'x'.repeat(20_000)}\r\n\r\n`,
      )
    ).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('INVALID_REQUEST');
  });

  test('open connections', async () => {
    await using small = await openWire({ limits: { connections: 3 } });
    const sockets = Array.from({ length: 3 }, () => connectTo({ version: 1, path: small.path }));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect(ask({ version: 1, path: small.path }, request)).rejects.toThrow();
    sockets.pop()?.destroy();
    await until(
      () =>
        ask({ version: 1, path: small.path }, request).then(
          ({ status }) => status === 200,
          () => false,
        ),
      { what: 'a place' },
    );
    sockets.forEach((socket) => socket.destroy());
  });

  test.each<[string, string]>([
    ['that says nothing', ''],
    ['that begins as both versions do', 'PR'],
    ['that sends half of its headers', `POST ${getTask} HTTP/1.1\r\nhost: localhost\r\nx-a: `],
    [
      'that never ends the headers of HTTP/2',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0\0\0\u0004\u0001\0\0\0\0\u0001\u0082\u0086\u0084',
    ],
  ])('a connection %s ends', async (_, bytes) => {
    await using hasty = await openWire({ limits: { headersMs: 200, idleMs: 200 } });
    for (const target of [
      { version: 1, path: hasty.path },
      { version: 1, port: hasty.port },
    ] as const) {
      const socket = connectTo(target);
      socket.on('error', () => undefined);
      if (bytes !== '') socket.write(bytes, 'latin1');
      socket.resume();
      await closed(socket);
    }
    await stillServes(hasty);
  });

  test('a connection that never ends its handshake, or says nothing after it', async () => {
    const fixture = (name: string): string => join(import.meta.dirname, '../../packages/core/fixtures/tls', name);
    const secure = { certificate: fixture('server.pem'), key: fixture('server-key.pem') };
    await using hasty = await openWire({ listen: { tls: secure }, limits: { headersMs: 200, idleMs: 200 } });
    const silent = connectTo({ version: 1, port: hasty.port }).resume();
    silent.on('error', () => undefined);
    const each = [['h2'], ['http/1.1'], undefined].map((protocols) => {
      const ca = readFileSync(fixture('ca.pem'));
      return tls.connect({ host: '127.0.0.1', port: hasty.port, ca, ...(protocols ? { ALPNProtocols: protocols } : {}) }).resume();
    });
    await Promise.all([silent, ...each].map((socket) => closed(socket)));
  });

  test('a connection without a call ends, one with a call goes on', async () => {
    await using hasty = await openWire({ limits: { idleMs: 200 } });
    const [idle, busy] = [sessionTo(hasty.path), sessionTo(hasty.path)];
    const headers = { 'content-type': 'application/grpc' };
    const watch = busy.request({ ':method': 'POST', ':path': watchTask, ...headers }).end(envelope(asked));
    await once(watch, 'response');
    await closed(idle);
    expect([busy.destroyed, watch.destroyed]).toEqual([false, false]);
    watch.resume().close();
    await closed(busy);
    const kept = connectTo({ version: 1, path: hasty.path });
    kept.write(`POST ${getTask} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`);
    kept.resume();
    await closed(kept);
  });

  test('a request that does not end is ended', async () => {
    await using hasty = await openWire({ limits: { headersMs: 100, bodyMs: 300 } });
    const head = `POST ${getTask} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnect-protocol-version: 1\r\n`;
    const answer = await writeBytes({ version: 1, path: hasty.path }, `${head}content-length: 100\r\n\r\n{"task`, 5_000);
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 408 /);
    const session = sessionTo(hasty.path);
    const stream = session.request({ ':method': 'POST', ':path': getTask, 'content-type': 'application/grpc' });
    stream.on('error', () => undefined);
    stream.write(envelope('half').subarray(0, 7));
    const [given] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    expect(given['grpc-status']).toBe(String(Code.DeadlineExceeded));
    session.destroy();
    await stillServes(hasty);
  });
});

describe.concurrent('S11 what has brought down servers of HTTP/2 brings down neither this one nor its other callers', () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const frame = (type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0), length = payload.length): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const uint32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const settings = frame(4, 0, 0);
  /** POST, http, / in HPACK's static table. */
  const fields = Buffer.from([0x83, 0x86, 0x84]);
  const times = (count: number, make: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));

  const attacks: Readonly<Record<string, Buffer>> = {
    'a preface that is cut short': preface.subarray(0, 20),
    'no settings, but noise': Buffer.concat([preface, Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
    'rapid resets': Buffer.concat([
      preface,
      settings,
      times(4_000, (n) => Buffer.concat([frame(1, 5, 2 * n + 1, fields), frame(3, 0, 2 * n + 1, uint32(8))])),
    ]),
    'headers without an end': Buffer.concat([
      preface,
      settings,
      frame(1, 0, 1, fields),
      times(2_000, () => frame(9, 0, 1, Buffer.alloc(1_000, 0x84))),
    ]),
    'empty continuations': Buffer.concat([preface, settings, frame(1, 0, 1, fields), times(10_000, () => frame(9, 0, 1))]),
    'headers that are no HPACK': Buffer.concat([
      preface,
      settings,
      times(50, (n) => frame(1, 5, 2 * n + 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))),
    ]),
    'headers of an even stream': Buffer.concat([preface, settings, frame(1, 5, 2, fields)]),
    'data of no stream': Buffer.concat([preface, settings, frame(0, 0, 0, Buffer.from('x'))]),
    'data of a stream that is not open': Buffer.concat([preface, settings, times(2_000, (n) => frame(0, 1, 2 * n + 1, Buffer.from('x')))]),
    'a frame that is too large': Buffer.concat([preface, settings, frame(0, 0, 1, Buffer.alloc(100), 0xff_ffff)]),
    'windows that overflow': Buffer.concat([preface, settings, times(100, () => frame(8, 0, 0, uint32(0x7fff_ffff)))]),
    'windows of nothing': Buffer.concat([preface, settings, times(100, () => frame(8, 0, 0, uint32(0)))]),
    'settings that are none': Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(5))]),
    'a flood of settings': Buffer.concat([preface, settings, times(20_000, () => settings)]),
    'a flood of pings': Buffer.concat([preface, settings, times(20_000, () => frame(6, 0, 0, Buffer.alloc(8)))]),
    'a flood of priorities': Buffer.concat([preface, settings, times(20_000, (n) => frame(2, 0, 2 * n + 1, Buffer.alloc(5)))]),
    'a farewell, and then calls': Buffer.concat([preface, settings, frame(7, 0, 0, Buffer.alloc(8)), frame(1, 5, 1, fields)]),
    'unknown frames': Buffer.concat([preface, settings, times(2_000, () => frame(0xf0, 0xff, 1, Buffer.alloc(100)))]),
    'nothing but zeros': Buffer.alloc(100_000),
    noise: Buffer.from(Array.from({ length: 10_000 }, (_, n) => (n * 7_919) & 255)),
  };

  test.each(Object.keys(attacks))('%s', async (name) => {
    for (const target of [
      { version: 2, path: wire.path },
      { version: 2, port: wire.port },
    ] as const)
      await writeBytes(target, attacks[name] ?? '', 50);
    await stillServes();
  });

  test.each([
    ['a name of JavaScript', 'POST / HTTP/1.1\r\nhost: localhost\r\n__proto__: x\r\nconstructor: y\r\n\r\n', 4],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 4],
    ['a length and chunks', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 4],
    [
      'chunks that are none',
      `POST ${getTask} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n`,
      4,
    ],
    ['no host', 'POST / HTTP/1.1\r\n\r\n', 4],
    ['a line that is too long', `POST /${'x'.repeat(100_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 4],
    ['a method that is none', 'HELLO / HTTP/1.1\r\nhost: localhost\r\n\r\n', 4],
    ['an old version', 'POST /\r\n\r\n', 4],
    ['a NUL', 'POST / HTTP/1.1\r\nhost: local\0host\r\n\r\n', 4],
    [
      'another authority in its target',
      `POST http://evil.example${getTask} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\r\n`,
      4,
    ],
    ['a tunnel', 'CONNECT evil.example:80 HTTP/1.1\r\nhost: localhost\r\n\r\n', undefined],
    ['a change of protocol', 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n', 4],
    ['an expectation', `POST / HTTP/1.1\r\nhost: localhost\r\nexpect: miracles\r\ncontent-length: 0\r\n\r\n`, 4],
  ])('HTTP/1.1 with %s', async (_, bytes, status) => {
    const answer = (await writeBytes({ version: 1, path: wire.path }, bytes, 50)).toString();
    expect(answer).toMatch(status === undefined ? /^$/ : new RegExp(`^HTTP/1\\.1 ${status}\\d\\d `));
    await stillServes();
  });
});

test('S11 and nothing of it is a fault', () => {
  expect(wire.log.filter((line) => /"level":(40|50|60)/.test(line))).toEqual([]);
});

describe('S12 what waits is bounded', () => {
  test('calls of one caller', async () => {
    await using small = await openWire({ limits: { calls: 3 } });
    const session = sessionTo(small.path);
    const watches = Array.from({ length: 3 }, () =>
      session.request({ ':method': 'POST', ':path': watchTask, 'content-type': 'application/grpc' }).end(envelope(asked)),
    );
    for (const watch of watches) watch.on('error', () => undefined);
    await Promise.all(watches.map((watch) => once(watch, 'response')));
    expect(told(await ask({ version: 1, path: small.path }, request))).toEqual(['ResourceExhausted', 'TOO_MANY_CALLS']);
    expect(small.server.activeCalls()).toBe(3);
    const admin = { ...jsonHeaders, host: `127.0.0.1:${small.port}`, authorization: `Bearer ${small.tokens.admin}` };
    expect((await ask({ version: 1, port: small.port }, { ...request, headers: admin })).status, 'not of another').toBe(200);
    watches[0]?.close();
    await until(() => ask({ version: 1, path: small.path }, request).then(({ status }) => status === 200), { what: 'a place' });
    session.destroy();
  });

  test('what the calls of one caller hold together', async () => {
    await using small = await openWire({ limits: { heldBytes: 1_048_576 } });
    const session = sessionTo(small.path);
    const headers = { ...jsonHeaders, ':method': 'POST', ':path': getTask };
    const large = { ...request, body: `${body}${' '.repeat(600_000)}` };
    const begun = session.request(headers);
    begun.on('error', () => undefined);
    await new Promise((resolve) => begun.write(large.body, resolve));
    const refused = async (): Promise<boolean> => (await ask({ version: 1, path: small.path }, large)).status !== 200;
    await until(refused, { what: 'a refusal' });
    for (const version of [1, 2] as const)
      expect(told(await ask({ version, path: small.path }, large))).toEqual(['ResourceExhausted', 'TOO_MANY_CALLS']);
    expect((await ask({ version: 1, path: small.path }, request)).status, 'a small one').toBe(200);
    begun.close();
    await until(async () => !(await refused()), { what: 'room' });
    session.destroy();
  });

  test('a reader who stops and comes back is told where to go on, and meanwhile nothing is made for it', async () => {
    // After twice this time it would be cut off: a machine with much to do has to come back before.
    const slowReaderMs = 1_500;
    await using hasty = await openWire({ limits: { slowReaderMs } });
    const session = sessionTo(hasty.path);
    const watch = session.request({ ':method': 'POST', ':path': watchTask, 'content-type': 'application/grpc' }).end(envelope(asked));
    await once(watch, 'response');
    const made = await standstill();
    await new Promise((resolve) => setTimeout(resolve, slowReaderMs + 50));
    expect(watched.length).toBe(made);
    const answer = await readToTheEnd(watch);
    const error = errorIn(answer);
    expect(error).toMatchObject({ code: Code.ResourceExhausted, infos: [{ reason: 'SLOW_READER' }] });
    expect(error?.infos[0]?.metadata).toEqual({
      after_sequence: String(watched.at(-1)),
      hint: `watch again with after_sequence ${watched.at(-1)}`,
    });
    session.destroy();
  });

  test('a refusal and a page that nobody takes are cut off as well, and the connection ends', async () => {
    await using hasty = await openWire({ limits: { slowReaderMs: 100, idleMs: 200 }, texts: { '/metrics': async () => 'x 1\n' } });
    const session = http2.connect(`http://127.0.0.1:${hasty.port}`, { settings: { initialWindowSize: 0 } });
    await once(session, 'localSettings');
    const page = { ':path': '/metrics', ...bearer(hasty, 'read') };
    for (const headers of [{ ':method': 'POST', ':path': getTask, ...jsonHeaders }, page])
      session
        .request(headers)
        .on('error', () => undefined)
        .resume();
    await closed(session);
  });

  test.each([1, 2] as const)('a reader who never comes back is cut off: HTTP/%d', async (version) => {
    await using hasty = await openWire({ limits: { slowReaderMs: 150 } });
    const target: Target = { version, path: hasty.path };
    const socket = connectTo(target);
    socket.on('error', () => undefined);
    const head = `POST ${watchTask} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/connect+proto\r\nconnect-protocol-version: 1\r\n`;
    if (version === 1) {
      socket.pause();
      socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${5 + asked.length}\r\n\r\n`), envelope(asked)]));
      await until(() => hasty.server.activeCalls() === 1, { what: 'the watch' });
      await until(() => hasty.server.activeCalls() === 0, { what: 'the end of the watch' });
    } else {
      const session = http2.connect('http://localhost', { createConnection: () => socket });
      session.on('error', () => undefined);
      const watch = session.request({ ':method': 'POST', ':path': watchTask, 'content-type': 'application/grpc' }).end(envelope(asked));
      watch.on('error', () => undefined);
      await closed(watch);
      expect(watch.rstCode).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      session.destroy();
    }
    socket.destroy();
    await until(() => hasty.calls().length === 1, { what: 'the line of the log' });
    expect(hasty.calls()).toMatchObject([{ code: 'resource_exhausted' }]);
  });
});

/** How many events were made when no more come. */
async function standstill(): Promise<number> {
  let before = -1;
  await until(
    () => {
      const isStill = before === watched.length;
      before = watched.length;
      return isStill;
    },
    { what: 'a standstill', everyMs: 50 },
  );
  return before;
}

async function readToTheEnd(stream: http2.ClientHttp2Stream): Promise<RawAnswer> {
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on('trailers', (given) => (trailers = given));
  stream.resume();
  await closed(stream);
  const flat = Object.entries(trailers).map(([name, value]): [string, string] => [name, String(value)]);
  return { status: 200, headers: { 'content-type': 'application/grpc', ...Object.fromEntries(flat) }, body: Buffer.alloc(0) };
}
