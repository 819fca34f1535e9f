import { once } from 'node:events';
import http2 from 'node:http2';
import { Code } from '@connectrpc/connect';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestWire } from '../../packages/core/src/rpc/wire.testsuite.ts';
import { ask, connectTo, envelope, errorIn, type RawRequest } from '../support/raw-http.ts';
import { abandoned, bearer, cancelTask, jsonHeaders, openWire, taskId, watchTask, waysInto } from './quiet-wire.testsuite.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await openWire();
});
afterAll(() => wire[Symbol.asyncDispose]());

const ways = ['TCP, HTTP/1.1', 'TCP, h2c', 'the socket, HTTP/1.1', 'the socket, h2c'];
const message = Buffer.concat([Buffer.from([0x0a, taskId.length]), Buffer.from(taskId)]);

/** A call that has no end of its own, by each protocol. */
const endless = (path: string, timeout?: string): Readonly<Record<string, RawRequest>> => {
  const connect = timeout === undefined ? {} : { 'connect-timeout-ms': timeout };
  const grpc = timeout === undefined ? {} : { 'grpc-timeout': `${timeout}m` };
  const isStream = path === watchTask;
  return {
    Connect: {
      path,
      headers: { ...jsonHeaders, 'content-type': `application/${isStream ? 'connect+proto' : 'proto'}`, ...bearer(wire), ...connect },
      body: isStream ? envelope(message) : message,
    },
    gRPC: { path, headers: { 'content-type': 'application/grpc', ...bearer(wire), ...grpc }, body: envelope(message) },
    'gRPC-Web': { path, headers: { 'content-type': 'application/grpc-web+proto', ...bearer(wire), ...grpc }, body: envelope(message) },
  };
};

describe('a call ends at the time that its caller gave it', () => {
  test.each(ways)('%s', async (name) => {
    const target = waysInto(wire).find((way) => way.name === name)!;
    for (const path of [watchTask, cancelTask]) {
      for (const [protocol, request] of Object.entries(endless(path, '60'))) {
        const error = errorIn(await ask(target, request));
        expect(error, `${protocol} ${path}`).toMatchObject({
          code: Code.DeadlineExceeded,
          details: 1,
          infos: [{ reason: 'DEADLINE_EXCEEDED' }],
        });
      }
    }
    await until(() => wire.server.activeCalls() === 0, { what: 'the end of the calls' });
  });

  test('and what it had begun is told', () => expect(abandoned).not.toHaveLength(0));
});

test.each([1, 2] as const)('a call whose caller leaves is given up: HTTP/%d', async (version) => {
  abandoned.splice(0);
  const { path, headers = {}, body = '' } = endless(cancelTask)['Connect']!;
  const socket = connectTo({ version, path: wire.path });
  if (version === 2) {
    const session = http2.connect('http://localhost', { createConnection: () => socket });
    const { host: _, ...others } = headers;
    const stream = session.request({ ':method': 'POST', ':path': path, ...others }).end(body);
    stream.on('error', () => undefined);
    await until(() => wire.server.activeCalls() === 1, { what: 'the call' });
    stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    await until(() => abandoned.length === 1, { what: 'the handler to hear of it' });
    session.destroy();
  } else {
    const lines = [`POST ${path} HTTP/1.1`, ...Object.entries(headers).map(([header, value]) => `${header}: ${String(value)}`)];
    socket.write(`${lines.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
    await until(() => wire.server.activeCalls() === 1, { what: 'the call' });
    socket.destroy();
    await until(() => abandoned.length === 1, { what: 'the handler to hear of it' });
  }
  await until(() => wire.server.activeCalls() === 0, { what: 'the end of the call' });
  expect(wire.calls().at(-1)).toMatchObject({ code: 'canceled' });
});

test('a stream that the daemon ends at its stop says so, and does not look whole', async () => {
  const stopping = await openWire();
  const calls = Object.values(endless(watchTask)).map(async (request) => {
    const { authorization: _, ...headers } = request.headers ?? {};
    return errorIn(await ask({ version: 2, path: stopping.path }, { ...request, headers }));
  });
  await until(() => stopping.server.activeCalls() === 3, { what: 'three watches' });
  await stopping[Symbol.asyncDispose]();
  for (const error of await Promise.all(calls))
    expect(error).toMatchObject({ code: Code.Unavailable, infos: [{ reason: 'SHUTTING_DOWN' }] });
});

test('a stop waits for no connection that says nothing', async () => {
  const stopping = await openWire();
  const idle = connectTo({ version: 1, path: stopping.path });
  await once(idle, 'connect');
  const since = performance.now();
  await stopping[Symbol.asyncDispose]();
  expect(performance.now() - since).toBeLessThan(1_900);
  idle.destroy();
});
