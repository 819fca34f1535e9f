import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { join } from 'node:path';
import { temporaryFolder } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli } from './cli.ts';

/** A daemon that was named by its address: nothing of here is taken for it, and what is wrong with the way to it is told. */

const stack = new AsyncDisposableStack();
let folder = '';
let address = '';
let answer: object = {};
const requests: IncomingHttpHeaders[] = [];
const elsewhere = 'https://build.example:1';

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  const server: Server = createServer((request, response) => {
    requests.push(request.headers);
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  stack.defer(async () => void (await new Promise((done) => void server.close(done))));
  stack.defer(() => server.closeAllConnections());
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  const bound = server.address();
  address = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`;
});
afterAll(() => stack.disposeAsync());

async function type(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({ isTTY: false, write: (data: string | Uint8Array) => void (said[name] += String(data)) });
  const code = await cli(argv, {
    env: { SINGLETREE_STATE: '/proc/none', HOME: folder, PATH: process.env['PATH'], ...env },
    cwd: folder,
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: into('stdout'),
    stderr: into('stderr'),
    onInterrupt: () => () => {},
  });
  return { code, ...said };
}

const commands = [['status'], ['ls'], ['get', '-'], ['run', '--detach', 'x'], ['kill-switch', 'status'], ['harnesses'], ['down'], []];

test.each(commands)('nobody there ends %j with 69 and what to look at, and starts nobody', async (...argv) => {
  const env = { SINGLETREE_ADDRESS: 'http://127.0.0.1:1', SINGLETREE_TOKEN: 'st_x' };
  const { code, stderr, stdout } = await type(argv, env);
  expect(stderr).toContain('error: no daemon answers at http://127.0.0.1:1 (ECONNREFUSED)\n  singletree up --detach, with listen.tcp');
  expect([code, stdout]).toEqual([69, '']);
});

test('a token that is refused, or is not there, ends with 77 and says where it came from', async () => {
  answer = { code: 'unauthenticated', message: 'there is no such token' };
  const file = join(folder, 'token');
  writeFileSync(file, 'st_secret\n');
  const refused = await type(['status', '--address', address, '--token-file', 'token']);
  expect(refused.stderr).toBe(`error: there is no such token\n  the token came from ${file}\n`);
  expect(refused.code).toBe(77);
  expect(requests.at(-1)?.authorization).toBe('Bearer st_secret');
  const missing = await type(['status', '--address', address, '--json']);
  expect(JSON.parse(missing.stderr)).toMatchObject({ error: { code: 'unauthenticated', reason: 'TOKEN_MISSING' } });
  expect(missing.code).toBe(77);
});

test('an address to which a token would go in the clear, or that is none, ends with 2', async () => {
  const clear = await type(['status', '--address', 'http://build.example:7470'], { SINGLETREE_TOKEN: 'st_x' });
  expect(clear.stderr).toContain(
    'http://build.example:7470 would be sent the token in the clear\n  https://build.example:7470, with listen.tls',
  );
  expect(clear.code).toBe(2);
  expect(await type(['status', '--address', 'build:7470'])).toMatchObject({ code: 2, stderr: expect.stringContaining('of no kind') });
  expect(await type(['status', '--address', elsewhere, '--ca-file', 'none.pem'], { SINGLETREE_TOKEN: 'x' })).toMatchObject({
    code: 2,
    stderr: `error: the certificate authority: there is no file ${join(folder, 'none.pem')}\n`,
  });
});

test.each([
  { argv: ['run', 'x'], says: 'the daemon is on build.example, where this folder is none', hint: '--workspace /path/there' },
  { argv: ['run', '--workspace', 'shop', 'x'], says: '--workspace shop is taken from here', hint: '--workspace /path/there' },
  { argv: ['run', '--workspace', '/shop', '--context', 'a.md', 'x'], says: '--context a.md is looked for here', hint: 'file of tasks' },
  { argv: ['trust'], says: 'what is trusted is recorded on the machine of the daemon', hint: 'type this on build.example' },
])('$argv names nothing of this machine to a daemon on another', async ({ argv, says, hint }) => {
  const { code, stderr } = await type([...argv, '--address', elsewhere], { SINGLETREE_TOKEN: 'st_x' });
  expect(stderr).toContain(`error: ${says}`);
  expect(stderr).toContain(hint);
  expect(code).toBe(2);
});

test('doctor tells what the daemon says of itself, and takes nothing of here for it', async () => {
  answer = { code: 'unauthenticated', message: 'there is no such token' };
  const refused = await type(['doctor', '--address', address], { SINGLETREE_TOKEN: 'st_x' });
  expect(refused.stdout).toContain('there is no such token\n');
  expect(refused.stdout).not.toMatch(/state folder|supervision|database/);
  expect(refused.code).toBe(1);
});

test('up starts one here, and takes no address', async () => {
  expect(await type(['up', '--address', elsewhere])).toMatchObject({ code: 2, stderr: expect.stringContaining('but up starts one') });
});
