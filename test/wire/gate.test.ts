import { status, type ServiceError } from '@grpc/grpc-js';
import { DaemonService, TaskService } from '@singletree/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestWire } from '../../packages/core/src/rpc/wire.testsuite.ts';
import { ask, envelope, errorIn, open, writeBytes, type RawAnswer, type RawRequest, type Target } from '../support/raw-http.ts';
import { errorInfosOf, GrpcClient } from '../support/grpc.ts';
import { bearer, body, getTask, jsonHeaders, openWire, reached, taskId, told, waysInto } from './quiet-wire.testsuite.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
let wire: TestWire;
beforeAll(async () => {
  wire = await openWire({ texts: { '/metrics': async () => 'x 1\n' }, limits: { failedTries: { burst: 1e9, refillMs: 1 } } });
});
afterAll(() => wire[Symbol.asyncDispose]());

describe('S4 one gate stands before every path: host, origin, token, method, content type', () => {
  test.each(['TCP, HTTP/1.1', 'TCP, h2c', 'the socket, HTTP/1.1', 'the socket, h2c'])('%s', async (name) => {
    const target = waysInto(wire).find((way) => way.name === name)!;
    const isTcp = 'port' in target;
    using connection = open(target);
    const right = {
      hosts: [`127.0.0.1:${wire.port}`, `localhost:${wire.port}`, ...(full ? [`[::1]:${wire.port}`, `LOCALHOST:${wire.port}`] : [])],
    };
    const hosts = [
      ...right.hosts,
      `evil.example:${wire.port}`,
      '127.0.0.1:1',
      ...(full ? ['localhost', `127.0.0.1.evil.example:${wire.port}`] : []),
    ];
    // HTTP/2 knows what a name may be.
    if (full && target.version === 1) hosts.push('', 'a b');
    const origins = [undefined, 'null', `http://127.0.0.1:${wire.port}`, ...(full ? ['https://evil.example', 'http://localhost', ''] : [])];
    const methods = ['POST', 'GET', 'OPTIONS', ...(full ? ['PUT', 'DELETE', 'PATCH', 'HEAD'] : [])];
    const types = [
      'application/json',
      'application/grpc',
      'text/plain',
      ...(full ? ['application/proto', 'application/grpc-web+proto', 'multipart/form-data', undefined] : []),
    ];
    const tokens = [
      `Bearer ${wire.tokens.read}`,
      undefined,
      `Bearer st_${'x'.repeat(43)}`,
      ...(full ? [`Bearer ${wire.tokens.admin}`, `Basic ${wire.tokens.admin}`, 'Bearer', 'Bearer '] : []),
    ];
    const rows = hosts.flatMap((host) =>
      origins.flatMap((origin) =>
        methods.flatMap((method) => types.flatMap((type) => tokens.map((shown) => ({ host, origin, method, type, shown })))),
      ),
    );
    const wrong: unknown[] = [];
    let passed = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let row = rows.pop(); row; row = rows.pop()) {
          const { host, origin, method, type, shown } = row;
          const headers = {
            ...jsonHeaders,
            host,
            'content-type': type,
            origin,
            authorization: shown,
          };
          const given = Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined));
          const isMessage = type?.startsWith('application/grpc') === true;
          const id = `01890000-0000-7000-8000-${String(rows.length).padStart(12, '0')}`;
          const binary = Buffer.concat([Buffer.from([0x0a, id.length]), Buffer.from(id)]);
          const message = type === 'application/json' ? JSON.stringify({ taskId: id }) : isMessage ? envelope(binary) : binary;
          const isKnown = Object.values(wire.tokens).some((one) => shown === `Bearer ${one}`);
          const isSpoken = ['application/json', 'application/proto', 'application/grpc', 'application/grpc-web+proto'].includes(type ?? '');
          const isAllowed = (!isTcp || (right.hosts.includes(host) && isKnown)) && origin === undefined && method === 'POST' && isSpoken;
          const answer = await connection.ask({ method, path: getTask, headers: given, ...(method === 'POST' ? { body: message } : {}) });
          const error = method === 'HEAD' ? undefined : errorIn(answer);
          if (isAllowed) passed += 1;
          const hasPassed = reached.includes(id);
          const isTold = hasPassed || method === 'HEAD' ? answer.status === 200 || answer.status >= 400 : error?.infos.length === 1;
          const isSilent = Object.keys(answer.headers).every((header) => !header.startsWith('access-control-'));
          if (hasPassed !== isAllowed || !isTold || !isSilent) wrong.push({ ...row, hasPassed, isAllowed, error, status: answer.status });
        }
      }),
    );
    expect(wrong).toEqual([]);
    expect(passed).toBeGreaterThan(0);
  });

  test('a path that is none, and one that is no call, are behind it too', async () => {
    for (const path of ['/', '/nope', '/metrics', '/grpc.health.v1.Health/Check', '/favicon.ico']) {
      for (const method of ['GET', 'POST']) {
        const answer = await ask(
          { version: 1, port: wire.port },
          { method, path, headers: { ...jsonHeaders, host: `127.0.0.1:${wire.port}` } },
        );
        expect(told(answer), `${method} ${path}`).toEqual(['Unauthenticated', 'TOKEN_MISSING']);
      }
    }
    const metrics = await ask({ version: 1, port: wire.port }, { method: 'GET', path: '/metrics', headers: bearer(wire, 'read') });
    expect([metrics.status, metrics.body.toString()]).toEqual([200, 'x 1\n']);
  });

  test('a stock gRPC client reads why', async () => {
    const address = `127.0.0.1:${wire.port}`;
    using nobody = new GrpcClient(address);
    using reader = new GrpcClient(address, { token: wire.tokens.read });
    const refused = async (call: Promise<unknown>): Promise<ServiceError> =>
      await call.then(
        () => {
          throw new Error('it was answered');
        },
        (error: ServiceError) => error,
      );
    const missing = await refused(nobody.call(TaskService.method.getTask, { taskId }));
    expect([missing.code, errorInfosOf(missing).map(({ reason }) => reason)]).toEqual([status.UNAUTHENTICATED, ['TOKEN_MISSING']]);
    const scope = await refused(reader.call(DaemonService.method.stopDaemon, {}));
    expect([scope.code, errorInfosOf(scope).map(({ reason }) => reason)]).toEqual([status.PERMISSION_DENIED, ['SCOPE_MISSING']]);
    await reader.call(TaskService.method.getTask, { taskId });
  });

  test('a header that is sent twice hides nothing', async () => {
    const target: Target = { version: 1, port: wire.port };
    const twice = (headers: RawRequest['headers']): Promise<RawAnswer> =>
      ask(target, { path: getTask, headers: { ...jsonHeaders, ...bearer(wire), ...headers }, body });
    const lines = [
      `POST ${getTask} HTTP/1.1`,
      `host: 127.0.0.1:${wire.port}`,
      'host: evil.example',
      `authorization: Bearer ${wire.tokens.admin}`,
    ];
    const hosts = await writeBytes(target, [...lines, 'content-type: application/json', 'content-length: 0', '', ''].join('\r\n'));
    expect(hosts.toString()).toMatch(/^HTTP\/1\.1 40[03] .*(HOST_REFUSED|INVALID_REQUEST)/s);
    expect(told(await twice({ 'content-type': ['application/json', 'text/plain'] }))[1]).toBe('INVALID_REQUEST');
    expect(told(await twice({ authorization: [`Bearer ${wire.tokens.admin}`, 'Bearer x'] }))[1]).toBe('TOKEN_INVALID');
    expect(told(await twice({ origin: ['null', 'null'] }))[1]).toBe('ORIGIN_REFUSED');
  });
});
