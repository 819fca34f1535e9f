import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusal, ScriptedDaemon, type Listen, type Script } from '../test/scripted-daemon.ts';
import { connect } from './client.ts';
import type { ConnectOptions } from './credentials.ts';
import { NoDaemonError, TlsError, TokenError } from './errors.ts';

const certificates = join(import.meta.dirname, '../../core/fixtures/tls');
const file = (name: string): string => join(certificates, `${name}.pem`);
const pem = (name: string): string => readFileSync(file(name), 'utf8');
const server = { cert: pem('server'), key: pem('server-key') };

const host = '127.0.0.1';
const script: Script = { daemon: { getStatus: () => ({ pid: 7 }) } };
const pidBy = async (options: ConnectOptions): Promise<number> => (await connect({ env: {}, ...options }).daemon.status()).pid;
const failureBy = async (options: ConnectOptions): Promise<unknown> =>
  await pidBy(options).then(
    (pid) => expect.fail(`daemon ${pid} answered`),
    (error: unknown) => error,
  );

describe('the token', () => {
  let daemon: ScriptedDaemon;
  beforeAll(async () => (daemon = await ScriptedDaemon.start(script, { host })));
  afterAll(() => daemon[Symbol.asyncDispose]());

  const shown = (): string | undefined => daemon.requests.at(-1)?.authorization;
  function folder(name: string, files: Readonly<Record<string, string>>): string {
    const path = join(daemon.folder, name);
    mkdirSync(path, { recursive: true });
    for (const [each, content] of Object.entries(files)) writeFileSync(join(path, each), content);
    return path;
  }

  test('is the option, its file, the variable, or what a daemon of this machine has left', async () => {
    const { address } = daemon;
    const tokens = folder('tokens', { a: 'st_of-the-file\n', b: 'st_of-the-daemon\n' });
    const own = folder('own', {
      'address.json': JSON.stringify({ address: 'unix:/x', tcp: address, token_file: join(tokens, 'b') }),
      token: 'st_no',
    });
    const other = folder('other', { 'address.json': JSON.stringify({ address: 'unix:/x' }), token: 'st_of-the-folder' });
    const env = { SINGLETREE_TOKEN: 'st_of-the-variable', SINGLETREE_STATE: own };
    await pidBy({ address, token: 'st_of-the-option', tokenFile: join(tokens, 'a'), env });
    expect(shown()).toBe('Bearer st_of-the-option');
    await pidBy({ address, tokenFile: join(tokens, 'a'), env });
    expect(shown()).toBe('Bearer st_of-the-file');
    await pidBy({ address, env });
    expect(shown()).toBe('Bearer st_of-the-variable');
    await pidBy({ address, env: { SINGLETREE_STATE: own } });
    expect(shown()).toBe('Bearer st_of-the-daemon');
    await pidBy({ env: { SINGLETREE_ADDRESS: address.replace(host, 'localhost'), SINGLETREE_STATE: own } });
    expect(shown()).toBe('Bearer st_of-the-daemon');
    await pidBy({ address, env: { SINGLETREE_STATE: other } });
    expect(shown()).toBe('Bearer st_of-the-folder');
  });

  test('is found with nothing said where the daemon has no socket', async () => {
    const token = join(folder('lone', { token: 'st_lone' }), 'token');
    const state = folder('lone', { 'address.json': JSON.stringify({ address: daemon.address, tcp: daemon.address, token_file: token }) });
    expect(await pidBy({ env: { SINGLETREE_STATE: state } })).toBe(7);
    expect(shown()).toBe('Bearer st_lone');
  });

  test('of this machine is for no other one', async () => {
    const tcp = 'https://build.example:7470';
    const state = folder('here', { 'address.json': JSON.stringify({ address: 'unix:/x', tcp: daemon.address }), token: 'st_here' });
    expect(await failureBy({ address: tcp, env: { SINGLETREE_STATE: state } })).toMatchObject({
      name: 'TokenError',
      code: 'unauthenticated',
      reason: 'TOKEN_MISSING',
      message: 'https://build.example:7470 asks for a token, and none was named',
      hint: expect.stringContaining('--token-file'),
    });
    expect(await failureBy({ address: 'http://build.example:7470', token: 'st_x' })).toMatchObject({ reason: 'INSECURE_ADDRESS' });
  });

  test('that is not there, or cannot be one, is told without being shown', async () => {
    const { address } = daemon;
    const before = daemon.requests.length;
    expect(await failureBy({ address, env: { SINGLETREE_STATE: '/nowhere' } })).toMatchObject({
      reason: 'TOKEN_MISSING',
      message: 'the daemon asks for a token, and there is no file /nowhere/token',
    });
    expect(await failureBy({ address, tokenFile: daemon.folder })).toMatchObject({
      reason: 'TOKEN_MISSING',
      message: expect.stringContaining('EISDIR'),
    });
    const empty = join(folder('empty', { token: '\n' }), 'token');
    expect(await failureBy({ address, tokenFile: empty })).toMatchObject({
      reason: 'TOKEN_INVALID',
      message: `the token from ${empty} is empty`,
    });
    const error = await failureBy({ address, token: 'st_sécret\n' });
    expect(error).toBeInstanceOf(TokenError);
    expect(error).toMatchObject({
      reason: 'TOKEN_INVALID',
      message: 'the token from the option token holds a character that no token has',
    });
    expect(daemon.requests).toHaveLength(before);
  });

  test('goes to no socket', async () => {
    await using local = await ScriptedDaemon.start(script);
    await pidBy({ address: local.address, token: 'st_x' });
    expect(local.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test.each([
    { reason: 'TOKEN_INVALID', code: Code.Unauthenticated, name: 'TokenError', word: 'unauthenticated' },
    { reason: 'TOKEN_MISSING', code: Code.Unauthenticated, name: 'TokenError', word: 'unauthenticated' },
    { reason: 'SCOPE_MISSING', code: Code.PermissionDenied, name: 'TokenError', word: 'permission_denied' },
  ])('that is refused with $reason is told with where it came from', async ({ reason, code, name, word }) => {
    const getStatus = () => {
      throw refusal(code, reason, 'not this token', { hint: 'another one', scope: 'admin' });
    };
    await using refusing = await ScriptedDaemon.start({ daemon: { getStatus } }, { host });
    const error = await failureBy({ address: refusing.address, token: 'st_secret' });
    const hint = 'another one\nthe token came from the option token';
    expect(error).toMatchObject({ name, code: word, reason, message: 'not this token', hint, metadata: { scope: 'admin' } });
    expect(JSON.stringify(error)).not.toContain('st_secret');
  });

  test('that was tried too often is an error of its own, and no passing one', async () => {
    const getStatus = () => {
      throw refusal(Code.ResourceExhausted, 'THROTTLED', 'too many tries', { retry_after: '30' });
    };
    await using throttling = await ScriptedDaemon.start({ daemon: { getStatus } }, { host });
    expect(await failureBy({ address: throttling.address, token: 'st_x' })).toMatchObject({
      code: 'resource_exhausted',
      reason: 'THROTTLED',
      metadata: { retry_after: '30' },
    });
    expect(throttling.requests).toHaveLength(1);
  });
});

describe('TLS', () => {
  async function daemonWith(tls: Listen['tls'], at = host): Promise<ScriptedDaemon> {
    return await ScriptedDaemon.start(script, { host: at, ...(tls ? { tls } : {}) });
  }

  test('to a daemon whose authority is named: as text, by a file, by a variable', async () => {
    await using daemon = await daemonWith(server);
    const { address } = daemon;
    expect(await pidBy({ address, token: 'st_x', ca: pem('ca') })).toBe(7);
    expect(await pidBy({ address, token: 'st_x', caFile: file('ca') })).toBe(7);
    expect(await pidBy({ address, token: 'st_x', env: { SINGLETREE_CA_FILE: file('ca') } })).toBe(7);
    expect(await pidBy({ address: address.replace(host, 'localhost'), token: 'st_x', ca: pem('ca') })).toBe(7);
    expect(daemon.requests.every(({ authorization }) => authorization === 'Bearer st_x')).toBe(true);
  });

  test.each([
    {
      what: 'an authority that nobody named',
      options: {},
      expected: { reason: 'CERTIFICATE_UNTRUSTED', hint: expect.stringContaining('--ca-file') },
    },
    {
      what: 'another authority',
      options: { caFile: file('expired') },
      expected: { reason: 'CERTIFICATE_UNTRUSTED', message: expect.stringContaining('vouches for the certificate of https://127.0.0.1:') },
    },
    {
      what: 'a certificate signed by itself',
      tls: { cert: pem('self-signed'), key: pem('self-signed-key') },
      options: { ca: pem('ca') },
      expected: { reason: 'CERTIFICATE_UNTRUSTED', message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT') },
    },
    {
      what: 'a certificate that has expired',
      tls: { cert: pem('expired'), key: pem('expired-key') },
      options: { ca: pem('expired') },
      expected: { reason: 'CERTIFICATE_EXPIRED', message: expect.stringMatching(/^the certificate of .* has expired$/) },
    },
    {
      what: 'a certificate for another name',
      at: '127.0.0.2',
      options: { ca: pem('ca') },
      expected: {
        reason: 'CERTIFICATE_WRONG_NAME',
        message: expect.stringMatching(/is not for 127\.0\.0\.2, but for localhost, 127\.0\.0\.1, 0:0:0:0:0:0:0:1$/),
      },
    },
    {
      what: 'a daemon that wants a certificate of the client too',
      tls: { ...server, ca: pem('ca'), requestCert: true, rejectUnauthorized: true },
      options: { ca: pem('ca') },
      expected: { reason: 'CLIENT_CERTIFICATE_REFUSED', hint: expect.stringContaining('$SINGLETREE_CLIENT_CERTIFICATE_FILE') },
    },
  ])('is refused, with what would be right and before anything was sent: $what', async ({ tls = server, at, options, expected }) => {
    await using daemon = await daemonWith(tls, at);
    const error = await failureBy({ address: daemon.address, token: 'st_x', ...options });
    expect(error).toBeInstanceOf(TlsError);
    expect(error).toMatchObject({ code: 'unavailable', ...expected });
    expect(daemon.requests).toEqual([]);
  });

  test('shows a certificate of its own where files are named', async () => {
    await using daemon = await daemonWith({ ...server, ca: pem('ca'), requestCert: true, rejectUnauthorized: true });
    const env = { SINGLETREE_CLIENT_CERTIFICATE_FILE: file('client'), SINGLETREE_CLIENT_KEY_FILE: file('client-key') };
    expect(await pidBy({ address: daemon.address, token: 'st_x', ca: pem('ca'), env })).toBe(7);
  });

  test('is not taken for no TLS', async () => {
    await using plain = await daemonWith(undefined);
    const https = plain.address.replace('http:', 'https:');
    expect(await failureBy({ address: https, token: 'st_x' })).toMatchObject({
      reason: 'NOT_TLS',
      message: `${https} speaks no TLS`,
      hint: `try ${plain.address}`,
    });
  });

  test('files that hold no certificate are told before anything is tried', async () => {
    const options = { address: 'https://127.0.0.1:1', token: 'st_x' };
    expect(await failureBy({ ...options, caFile: '/nowhere' })).toMatchObject({
      reason: 'INVALID_CERTIFICATE_FILE',
      message: 'the certificate authority: there is no file /nowhere',
    });
    expect(await failureBy({ ...options, caFile: import.meta.filename })).toMatchObject({
      message: expect.stringContaining('is no PEM file'),
    });
  });
});

describe('nobody there', () => {
  test.each([
    { address: 'http://127.0.0.1:1', hint: 'singletree up --detach, with listen.tcp in the configuration' },
    { address: 'http://localhost:1', hint: 'singletree up --detach, with listen.tcp in the configuration' },
    { address: 'https://nobody.invalid:1', hint: 'look whether nobody.invalid is right' },
  ])('$address', async ({ address, hint }) => {
    const error = await failureBy({ address, token: 'st_x' });
    expect(error).toBeInstanceOf(NoDaemonError);
    expect(error).toMatchObject({ message: expect.stringContaining(`no daemon answers at ${address} (`), hint });
  });

  test('another program', async () => {
    const another = createServer((socket) =>
      socket
        .resume()
        .on('error', () => {})
        .end('SSH-2.0-OpenSSH_9.9\r\n'),
    );
    await new Promise<void>((done) => void another.listen(0, host, done));
    const bound = another.address();
    const address = `http://${host}:${typeof bound === 'object' ? bound?.port : ''}`;
    expect(await failureBy({ address, token: 'st_x' })).toMatchObject({ message: `${address} does not answer in HTTP` });
    await new Promise((done) => another.close(done));
  });
});

describe('connections over TCP', () => {
  test('are kept for the next call; one that was closed meanwhile costs nobody an error', async () => {
    await using daemon = await ScriptedDaemon.start(script, { host });
    const client = connect({ address: daemon.address, token: 'st_x', env: {} });
    for (let call = 0; call < 3; call++) await client.daemon.status();
    expect(daemon.connections).toBe(1);
    daemon.cut();
    // At once: the client has not heard of it yet.
    await client.daemon.status();
    expect(daemon.connections).toBe(2);
  });

  test('keep no program from ending', async () => {
    await using daemon = await ScriptedDaemon.start(script, { host });
    const options = { address: daemon.address, token: 'st_x', env: {} };
    const program = `import { connect } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
      console.log((await connect(${JSON.stringify(options)}).daemon.status()).pid);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 25_000 });
    expect(stdout.trim()).toBe('7');
  });

  test('to a daemon that is started again are made anew, with its new token', async () => {
    await using daemon = await ScriptedDaemon.start(script, { host });
    const tokenFile = join(daemon.folder, 'token');
    writeFileSync(tokenFile, 'st_one');
    const client = connect({ address: daemon.address, tokenFile, env: {} });
    await client.daemon.status();
    await daemon.stop();
    // A connection that was kept breaks at most once.
    await client.daemon.status().catch(() => undefined);
    await expect(client.daemon.status()).rejects.toThrow(NoDaemonError);
    writeFileSync(tokenFile, 'st_two');
    await daemon.listen(script);
    await client.daemon.status();
    expect(daemon.requests.map(({ authorization }) => authorization)).toEqual(['Bearer st_one', 'Bearer st_two']);
  });
});
