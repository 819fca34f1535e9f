import { Code } from '@connectrpc/connect';
import { ErrorReason } from '@singletree/protocol';
import type { Singletree } from '@singletree/sdk';
import { randomFrom, seedOf, temporaryFolder } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';
import { ask, errorIn, type Target } from '../support/raw-http.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { malformations, oversized, wellFormed, type Malformed } from './malformations.ts';

/** Whatever a caller sends, it is told what is wrong with it, and the daemon goes on. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const stack = new AsyncDisposableStack();
let daemon: TestDaemon;
let client: Singletree;
let token = '';
let targets: readonly (Target & { readonly name: string })[] = [];

beforeAll(async () => {
  const folder = stack.use(await temporaryFolder()).path;
  daemon = stack.use(new TestDaemon({ folder, configuration: { listen: { tcp: '127.0.0.1:0' } } }));
  client = await daemon.start();
  const address = JSON.parse(readFileSync(join(daemon.state, 'address.json'), 'utf8')) as {
    address: string;
    tcp: string;
    token_file: string;
  };
  token = readFileSync(address.token_file, 'utf8').trim();
  const path = address.address.slice('unix:'.length);
  const port = Number(new URL(address.tcp).port);
  targets = [
    { name: 'the socket, HTTP/1.1', version: 1, path },
    { name: 'the socket, HTTP/2', version: 2, path },
    { name: 'TCP, HTTP/1.1', version: 1, port },
    { name: 'TCP, HTTP/2', version: 2, port },
  ];
});
afterAll(() => stack.disposeAsync());

test('what is right is answered by each protocol', async () => {
  for (const target of targets) {
    for (const { what, request } of wellFormed()) {
      const error = errorIn(await ask(target, withToken(request, target)));
      expect([what, error?.code, error?.infos[0]?.reason], target.name).toEqual([what, Code.NotFound, 'TASK_NOT_FOUND']);
    }
  }
});

test(`${full ? 5_000 : 500} requests that are wrong are told so, and end nothing`, async () => {
  const seed = seedOf('malformed requests');
  const { pid } = await client.daemon.status();
  const wrong = [...oversized(), ...malformations(full ? 5_000 : 500, randomFrom(seed))];
  const problems: string[] = [];
  const queue = wrong.entries();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const [index, malformed] of queue) {
        const target = targets[index % targets.length];
        const problem = target && (await problemOf(malformed, target));
        if (problem !== undefined) problems.push(`${target?.name}: ${malformed.what}: ${problem}`);
      }
    }),
  );
  expect(problems).toEqual([]);
  expect((await client.daemon.status()).pid, 'the same daemon').toBe(pid);
  expect(daemon.hasEnded).toBe(false);
  expect(daemon.log).not.toContain('a call failed');
});

const reasons = new Set(Object.keys(ErrorReason));
/** File and line, as stacks and messages of a runtime have them. */
const insides = /node:internal|node_modules|\.[cm]?[jt]s:\d+|\n\s+at /;

async function problemOf({ request, codes }: Malformed, target: Target): Promise<string | undefined> {
  const answer = await ask(target, withToken(request, target)).catch((error: unknown) => String(error));
  if (typeof answer === 'string') return answer;
  const error = errorIn(answer);
  if (!error) return `HTTP ${answer.status} without an error: ${answer.body.toString('latin1').slice(0, 200)}`;
  if (!codes.includes(error.code)) return `${Code[error.code]}: ${error.message}`;
  const [info] = error.infos;
  if (error.details !== 1 || info?.domain !== 'singletree' || !reasons.has(info.reason)) return `details ${JSON.stringify(error.infos)}`;
  const text = `${JSON.stringify(answer.headers)}${answer.body.toString('latin1')}${error.message}`;
  return insides.test(text) ? `it tells of insides: ${error.message}` : undefined;
}

function withToken(request: Malformed['request'], target: Target): Malformed['request'] {
  const own = 'port' in target ? { host: `127.0.0.1:${target.port}`, authorization: `Bearer ${token}` } : { host: 'localhost' };
  return { ...request, headers: { ...own, ...request.headers } };
}
