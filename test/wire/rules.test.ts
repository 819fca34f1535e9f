import { once } from 'node:events';
import type http from 'node:http';
import https from 'node:https';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { TaskService } from '@singletree/protocol';
import { temporaryFolder, until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scopeOf } from '../../packages/core/src/rpc/method-scopes.ts';
import type { TestWire } from '../../packages/core/src/rpc/wire.testsuite.ts';
import { openStateFolder } from '../../packages/core/src/state-folder/state-folder.ts';
import { scopes, type Scope } from '../../packages/core/src/state-folder/tokens.ts';
import { TestDaemon } from '../support/daemon.ts';
import { Machine } from '../support/machine.ts';
import { ask, envelope, errorIn, open, type RawAnswer, type Target } from '../support/raw-http.ts';
import { bearer, body, getTask, jsonHeaders, openWire, services, told, waysInto } from './quiet-wire.testsuite.ts';

/** The rules of the wire by their numbers, as SECURITY.md tells them; S4 is in gate.test.ts, S10 to S12 are in attacks.test.ts. */

const stack = new AsyncDisposableStack();
afterAll(() => stack.disposeAsync());

let wire: TestWire;
let daemon: TestDaemon;
let [socket, token] = ['', ''];
let port = 0;
beforeAll(async () => {
  wire = stack.use(await openWire({ limits: { failedTries: { burst: 1e9, refillMs: 1 } } }));
  const folder = stack.use(await temporaryFolder()).path;
  daemon = stack.use(new TestDaemon({ folder, configuration: { listen: { tcp: '127.0.0.1:0' } } }));
  await daemon.start();
  const left = JSON.parse(readFileSync(join(daemon.state, 'address.json'), 'utf8')) as { address: string; tcp: string; token_file: string };
  socket = left.address.slice('unix:'.length);
  port = Number(new URL(left.tcp).port);
  token = readFileSync(left.token_file, 'utf8').trim();
});

test('S1 the socket is for its owner alone, in a folder that is, and that is no link', async () => {
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  expect([mode(daemon.state), mode(socket)]).toEqual(['700', '600']);
  expect(statSync(daemon.state).uid).toBe(process.getuid?.());
  const umaskOf = (pid: number | 'self'): string | undefined => /^Umask:.*$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[0];
  expect(umaskOf(daemon.pid), 'and what agents write is as the user wants it').toBe(umaskOf('self'));
  await using folder = await temporaryFolder();
  const [open_, link] = [join(folder.path, 'open'), join(folder.path, 'link')];
  mkdirSync(open_);
  chmodSync(open_, 0o750);
  symlinkSync(daemon.state, link);
  expect(() => openStateFolder(open_)).toThrow(/open to other users/);
  expect(() => openStateFolder(link)).toThrow(/is a symbolic link/);
});

describe('S2 TCP is opt-in, on loopback or with TLS, and nothing that is unsafe starts', () => {
  test('nothing listens on TCP unless somebody says so', async () => {
    await using alone = await openWire({ listen: { tcp: undefined } });
    expect(alone.url).toMatch(/^unix:/);
  });

  const tls = join(import.meta.dirname, '../../packages/core/fixtures/tls');
  const at = (name: string): string => join(tls, name);
  test.each([
    ['the key of another certificate', { certificate: at('server.pem'), key: at('client-key.pem') }, /is not the key of the certificate/],
    ['a certificate that is not there', { certificate: at('none.pem'), key: at('server-key.pem') }, /none\.pem cannot be read \(ENOENT\)/],
    ['a certificate that is none', { certificate: at('README.md'), key: at('server-key.pem') }, /README\.md holds no certificate/],
    ['a key that is none', { certificate: at('server.pem'), key: at('server.pem') }, /server\.pem holds no private key/],
    ['a certificate that ran out', { certificate: at('expired.pem'), key: at('expired-key.pem') }, /ran out on/],
    [
      'an authority that is none',
      { certificate: at('server.pem'), key: at('server-key.pem'), client_ca: at('README.md') },
      /client_ca: .* holds no/,
    ],
  ])('%s is refused', async (_, secure, message) => {
    const refused = openWire({ listen: { tls: secure } });
    await expect(refused).rejects.toMatchObject({ reason: 'LISTEN_REFUSED', message: expect.stringMatching(message) as string });
  });

  test('with an authority for clients, only those with a certificate of it are spoken to, and need a token all the same', async () => {
    const secure = { certificate: at('server.pem'), key: at('server-key.pem'), client_ca: at('ca.pem') };
    await using strict = await openWire({ listen: { tls: secure } });
    const options = { host: '127.0.0.1', port: strict.port, ca: readFileSync(at('ca.pem')), method: 'POST', path: getTask, agent: false };
    const send = async (more: https.RequestOptions): Promise<number | undefined> => {
      const request = https.request({ ...options, ...more }).end(body);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    const headers = { ...jsonHeaders, ...bearer(strict) };
    const own = { cert: readFileSync(at('client.pem')), key: readFileSync(at('client-key.pem')) };
    const others = { cert: readFileSync(at('self-signed.pem')), key: readFileSync(at('self-signed-key.pem')) };
    await expect(send({ headers })).rejects.toThrow();
    await expect(send({ headers, ...others })).rejects.toThrow();
    expect(await send({ headers: { ...jsonHeaders, host: `127.0.0.1:${strict.port}` }, ...own })).toBe(401);
    expect(await send({ headers, ...own })).toBe(200);
  });

  test('a port that is in use is told by its number', async () => {
    const refused = openWire({ listen: { tcp: { host: '127.0.0.1', port: wire.port } } });
    const message = `cannot listen on 127.0.0.1:${wire.port}: the port is in use by another program`;
    await expect(refused).rejects.toMatchObject({ reason: 'LISTEN_REFUSED', message });
  });

  test('the command says what would be right, ends with 78, and leaves nothing running', async () => {
    const unsafe = [
      [{ tcp: '0.0.0.0:7470' }, /0\.0\.0\.0 is reached from other machines.*set listen\.tls too/],
      [{ tcp: `127.0.0.1:${wire.port}` }, /the port is in use/],
    ] as const;
    await Promise.all(
      unsafe.map(async ([listen, message]) => {
        await using machine = await Machine.make();
        machine.configure({ listen });
        const { code, stderr } = await machine.type(['up']);
        expect([code, stderr]).toEqual([78, expect.stringMatching(message)]);
        expect(machine.daemons()).toEqual([]);
      }),
    );
  });
});

test('S3 TCP needs a token, which stands in its file and nowhere else', async () => {
  const names = ['token', 'token.read', 'token.submit'];
  const files = names.map((name) => join(daemon.state, name));
  for (const file of files) expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
  const secrets = files.map((file) => readFileSync(file, 'utf8').trim());
  for (const secret of secrets) expect(Buffer.from(secret.slice(3), 'base64url')).toHaveLength(32);
  const target: Target = { version: 1, port };
  const request = { path: getTask, headers: { ...jsonHeaders, host: `127.0.0.1:${port}` }, body };
  for (const other of [`?token=${token}`, `?access_token=${token}`])
    expect(told(await ask(target, { ...request, path: `${getTask}${other}` }))).toEqual(['Unauthenticated', 'TOKEN_MISSING']);
  const cookie = { ...request.headers, cookie: `token=${token}` };
  expect(told(await ask(target, { ...request, headers: cookie }))).toEqual(['Unauthenticated', 'TOKEN_MISSING']);
  const shown = { ...request.headers, authorization: `Bearer ${token}` };
  expect(told(await ask(target, { ...request, headers: shown }))).toEqual(['NotFound', 'TASK_NOT_FOUND']);
  const elsewhere = [
    ...readdirSync(daemon.state, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !names.includes(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
    ...['cmdline', 'environ'].map((name) => `/proc/${daemon.pid}/${name}`),
  ];
  for (const file of elsewhere) for (const secret of secrets) expect(readFileSync(file).includes(secret), file).toBe(false);
  for (const secret of secrets) expect(daemon.log).not.toContain(secret);
});

test('S5 no page of a browser is told that it may call, and Connect needs a header that none can send unasked', async () => {
  for (const target of waysInto(wire)) {
    const headers = {
      ...bearer(wire),
      origin: 'http://localhost:3000',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const preflight = await ask(target, { method: 'OPTIONS', path: getTask, headers });
    expect(preflight.status).toBe(403);
    expect(Object.keys(preflight.headers).filter((name) => name.startsWith('access-control-') || name === 'set-cookie')).toEqual([]);
    const simple = await ask(target, { path: getTask, headers: { ...bearer(wire), 'content-type': 'application/json' }, body });
    expect(told(simple)).toEqual(['InvalidArgument', 'INVALID_REQUEST']);
    expect(errorIn(simple)?.message).toContain('Connect-Protocol-Version');
  }
});

test('S6 tries that fail are throttled by address, and a right token comes through all the same', async () => {
  await using strict = await openWire({ limits: { failedTries: { burst: 5, refillMs: 60_000 } } });
  using connection = open({ version: 2, port: strict.port });
  const wrong = { ...jsonHeaders, host: `127.0.0.1:${strict.port}`, authorization: `Bearer st_${'x'.repeat(43)}` };
  const reasons: unknown[] = [];
  for (let n = 0; n < 8; n++) reasons.push(told(await connection.ask({ path: getTask, headers: wrong, body }))[1]);
  expect(reasons).toEqual([...Array<string>(5).fill('TOKEN_INVALID'), ...Array<string>(3).fill('THROTTLED')]);
  const throttled = await ask({ version: 1, port: strict.port }, { path: getTask, headers: wrong, body });
  expect([throttled.status, throttled.headers['retry-after'], told(throttled)]).toEqual([429, '60', ['ResourceExhausted', 'THROTTLED']]);
  const { authorization: _, ...none } = wrong;
  expect(told(await connection.ask({ path: '/', headers: none }))[1], 'whatever is tried').toBe('THROTTLED');
  const byGrpc = await connection.ask({ path: getTask, headers: { ...wrong, 'content-type': 'application/grpc' } });
  expect(told(byGrpc)).toEqual(['ResourceExhausted', 'THROTTLED']);
  const right = await connection.ask({ path: getTask, headers: { ...jsonHeaders, ...bearer(strict, 'read') }, body });
  expect(right.status).toBe(200);
  expect(strict.calls(), 'who is throttled fills no log').toHaveLength(6);
});

describe('S7 the daemon decides what a token allows', () => {
  test('every rpc that there is has its row', () => {
    const methods = services.flatMap((service) => service.methods);
    expect(methods.length).toBeGreaterThan(20);
    for (const method of methods) expect(scopes).toContain(scopeOf(method));
  });

  test.each(scopes)('%s', async (scope) => {
    using connection = open({ version: 2, port: wire.port });
    for (const method of services.flatMap((service) => service.methods)) {
      if (method.methodKind === 'server_streaming' && method.parent === TaskService) continue;
      const headers = { ...bearer(wire, scope), 'content-type': 'application/grpc' };
      const answer = await connection.ask({ path: `/${method.parent.typeName}/${method.name}`, headers, body: envelope('') });
      const needed = scopeOf(method);
      const error = errorIn(answer);
      if (scopes.indexOf(scope) >= scopes.indexOf(needed)) expect(error?.infos[0]?.reason, method.name).not.toBe('SCOPE_MISSING');
      else
        expect(error, method.name).toMatchObject({
          code: Code.PermissionDenied,
          infos: [{ reason: 'SCOPE_MISSING', metadata: { scope: needed } }],
        });
    }
  });

  test('what changes a task needs submit, what ends the daemon or all tasks needs admin', () => {
    const needs = (name: string): Scope => scopeOf(services.flatMap((service) => service.methods).find((method) => method.name === name)!);
    expect(['GetTask', 'WatchTask', 'CreateTask', 'CancelTask', 'StopDaemon', 'EngageKillSwitch'].map(needs)).toEqual([
      'read',
      'read',
      'submit',
      'submit',
      'admin',
      'admin',
    ]);
  });
});

test('S8 each call is one line of the log: who, what, how it ended, how much, how long, and nothing of what was said', async () => {
  await using quiet = await openWire();
  const said = 'confidential';
  const over = (target: Target, headers: object, path = getTask): Promise<RawAnswer> =>
    ask(target, { path, headers: { ...jsonHeaders, 'x-said': said, ...headers }, body });
  await over({ version: 1, port: quiet.port }, bearer(quiet, 'read'));
  await over({ version: 2, path: quiet.path }, {});
  await over({ version: 1, port: quiet.port }, { host: `127.0.0.1:${quiet.port}` });
  await over({ version: 2, port: quiet.port }, bearer(quiet, 'submit'), `/singletree.v1.DaemonService/StopDaemon?said=${said}`);
  await over({ version: 2, port: quiet.port }, bearer(quiet, 'submit'), `/${said}`);
  await until(() => quiet.calls().length === 5, { what: 'five lines' });
  const [first, ...others] = quiet.calls();
  expect(Object.keys(first ?? {}).toSorted()).toEqual([
    'bytes',
    'code',
    'hostname',
    'level',
    'method',
    'ms',
    'msg',
    'peer',
    'pid',
    'principal',
    'time',
  ]);
  expect(first).toMatchObject({ principal: 'token.read', peer: '127.0.0.1', method: getTask.slice(1), code: 'ok', bytes: 2 });
  expect(others).toMatchObject([
    { principal: 'socket', code: 'ok' },
    { principal: '-', code: 'unauthenticated' },
    { principal: 'token.submit', method: 'singletree.v1.DaemonService/StopDaemon', code: 'permission_denied' },
    { principal: 'token.submit', method: 'unknown', code: 'unimplemented' },
  ]);
  const log = quiet.log.join('');
  for (const secret of [said, ...Object.values(quiet.tokens)]) expect(log).not.toContain(secret);
});

describe('S9 what comes in is bounded', () => {
  const ways = [1, 2] as const;
  test.each(ways)('a request over HTTP/%d: as it comes, and unpacked', async (version) => {
    using connection = open({ version, path: wire.path });
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, 0x20);
    const send = (more: object, bytes: Uint8Array): Promise<RawAnswer> =>
      connection.ask({ path: getTask, headers: { ...jsonHeaders, host: 'localhost', ...more }, body: bytes });
    expect(told(await send({}, large))).toEqual(['ResourceExhausted', 'REQUEST_TOO_LARGE']);
    expect(told(await send({ 'content-encoding': 'gzip' }, gzipSync(large)))).toEqual(['ResourceExhausted', 'REQUEST_TOO_LARGE']);
    expect((await send({}, Buffer.from(body))).status, 'and the connection goes on').toBe(200);
  });

  test('a deadline', async () => {
    const headers = { ...jsonHeaders, host: 'localhost', 'connect-timeout-ms': String(8 * 86_400_000) };
    expect(told(await ask({ version: 1, path: wire.path }, { path: getTask, headers, body }))).toEqual([
      'InvalidArgument',
      'INVALID_REQUEST',
    ]);
  });

  test.each<[string, object]>([
    ['instructions', { instructions: 'x'.repeat(1024 * 1024 + 1) }],
    ['title', { title: 'x'.repeat(10_000) }],
    ['labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v'])) }],
    ['setup', { setup: Array<string>(10_000).fill('true') }],
    ['acceptance_criteria', { acceptanceCriteria: Array<string>(10_000).fill('x') }],
    ['gates', { gates: Array.from({ length: 1_000 }, (_, n) => ({ name: `g${n}`, command: 'true' })) }],
  ])('%s of a task', async (field, set) => {
    const request = { instructions: 'Do it.', workspace: { path: '/nowhere' }, ...set };
    const headers = { ...jsonHeaders, host: 'localhost' };
    const answer = await ask(
      { version: 1, path: socket },
      { path: '/singletree.v1.TaskService/CreateTask', headers, body: JSON.stringify(request) },
    );
    expect(errorIn(answer)).toMatchObject({
      code: Code.InvalidArgument,
      infos: [{ metadata: { field: expect.stringContaining(field) as string } }],
    });
  });
});
