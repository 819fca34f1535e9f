import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import tls from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { GetTaskRequestSchema, GetTaskResponseSchema } from '@singletree/protocol';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caseNames, transportNames, type Cell, type MatrixProtocol, type MatrixTransport } from './cases.ts';
import { startMatrix, type Matrix, type MatrixTarget } from './daemon.ts';
import { making } from './drivers/cases.ts';
import type { Open, Way } from './drivers/client.ts';
import { openConnectNode, openConnectWeb } from './drivers/connect.ts';
import { openGrpcJs } from './drivers/grpc-js.ts';

/** Three protocols over six transports, by the clients that people have in TypeScript. Those of other languages make the same cases elsewhere. */

const isFull = process.env['SINGLETREE_TEST_FULL'] === '1';
const rounds = isFull ? 20 : 1;

const libraries = { 'connect-node': openConnectNode, 'connect-web': openConnectWeb, 'grpc-js': openGrpcJs } satisfies Record<string, Open>;
type Library = keyof typeof libraries;
const protocols: readonly MatrixProtocol[] = ['connect', 'grpc', 'grpc-web'];

interface Impossible {
  readonly client: Library;
  readonly protocols: readonly MatrixProtocol[];
  readonly transports: readonly MatrixTransport[];
  readonly why: string;
}

/** What no user of a library can do either. The daemon speaks each protocol over each transport: the last test has the one that is left over. */
const impossible: readonly Impossible[] = [
  {
    client: 'connect-node',
    protocols: ['grpc'],
    transports: ['socket h1', 'tcp h1', 'tls h1'],
    why: 'its gRPC transport speaks HTTP/2 only',
  },
  { client: 'connect-web', protocols: ['grpc'], transports: transportNames, why: 'browsers give no access to the trailers of gRPC' },
  { client: 'connect-web', protocols: ['connect', 'grpc-web'], transports: ['socket h1', 'socket h2c'], why: 'fetch knows no sockets' },
  { client: 'connect-web', protocols: ['connect', 'grpc-web'], transports: ['tcp h2c'], why: 'fetch speaks HTTP/2 over TLS only' },
  {
    client: 'connect-web',
    protocols: ['connect', 'grpc-web'],
    transports: ['tls h2'],
    why: "Node's fetch offers HTTP/1.1 only; browsers take HTTP/2",
  },
  { client: 'grpc-js', protocols: ['connect', 'grpc-web'], transports: transportNames, why: 'it speaks gRPC only' },
  { client: 'grpc-js', protocols: ['grpc'], transports: ['socket h1', 'tcp h1', 'tls h1'], why: 'it speaks HTTP/2 only' },
];

const everyWay = (Object.keys(libraries) as Library[]).flatMap((client) =>
  protocols.flatMap((protocol) => transportNames.map((transport) => ({ client, protocol, transport }))),
);
const ways = everyWay.filter(
  (way) =>
    !impossible.some((row) => row.client === way.client && row.protocols.includes(way.protocol) && row.transports.includes(way.transport)),
);

const stack = new AsyncDisposableStack();
const cells: Cell[] = [];
let matrix: Matrix;

beforeAll(async () => {
  matrix = stack.use(await startMatrix());
  // As NODE_EXTRA_CA_CERTS does at the start of a program: fetch has no option for it.
  const before = tls.getCACertificates();
  tls.setDefaultCACertificates([...before, readFileSync(targetOf('tls h1').ca_file ?? '', 'utf8')]);
  stack.defer(() => tls.setDefaultCACertificates(before));
});
afterAll(async () => {
  if (isFull) console.log(tableOf(cells));
  await stack.disposeAsync();
});

function targetOf(transport: MatrixTransport): MatrixTarget {
  const target = matrix.targets.find(({ name }) => transport.startsWith(name));
  if (!target) throw new Error(`no daemon listens for ${transport}`);
  return target;
}

test('every way is tried or cannot be', () => {
  const rows = impossible.flatMap((row) => row.protocols.flatMap(() => row.transports));
  expect(ways.length + rows.length).toBe(everyWay.length);
});

describe('each case by each client over each protocol and transport', () => {
  test.concurrent.for(ways)('$client · $protocol · $transport', async (way, { expect: expects }) => {
    const target = targetOf(way.transport);
    using client = libraries[way.client](way, target);
    for (let round = 0; round < rounds; round++) {
      const made = caseNames.map(async (name): Promise<Cell> => {
        const failure = await making[name](client, target).then(
          () => undefined,
          (error: unknown) => String(error),
        );
        return { ...way, case: name, ok: failure === undefined, ...(failure === undefined ? {} : { detail: failure }) };
      });
      const done = await Promise.all(made);
      cells.push(...done);
      expects(done.filter(({ ok }) => !ok)).toEqual([]);
    }
  });

  test('the daemons have noticed the end of each watch, and are the same as before', async () => {
    // Those to which a message came. What ended at its deadline may never have come to the daemon, on a busy machine.
    const watches = 3 * ways.length * rounds;
    const codes = await until(
      () => {
        const seen = matrix.daemons.flatMap(({ log }) => codesOfWatches(log));
        return seen.length >= watches && seen;
      },
      { what: `the end of ${watches} watches`, timeoutMs: 10_000, everyMs: 100 },
    );
    expect(codes.filter((code) => code === 'canceled').length).toBeGreaterThanOrEqual(ways.length * rounds);
    expect(codes).not.toContain('internal');
    expect(matrix.daemons.map(({ hasEnded }) => hasEnded)).toEqual([false, false]);
  });
});

test.each(['socket h1', 'tcp h1', 'tls h1'] as const)(
  'gRPC over %s, which no client here speaks, is answered with trailers',
  async (transport) => {
    const target = targetOf(transport);
    const message = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId: target.finished_task }));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const { response, body } = await post(target, '/singletree.v1.TaskService/GetTask', Buffer.concat([prefix, message]));
    expect(response.statusCode).toBe(200);
    expect(response.trailers).toMatchObject({ 'grpc-status': '0' });
    const { task } = fromBinary(GetTaskResponseSchema, body.subarray(5));
    expect(task?.id).toBe(target.finished_task);
  },
);

async function post(
  { address, token, ca_file: authority }: MatrixTarget,
  path: string,
  body: Buffer,
): Promise<{ response: IncomingMessage; body: Buffer }> {
  const headers = { 'content-type': 'application/grpc', te: 'trailers', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const options: RequestOptions = { method: 'POST', headers, agent: false, ...(authority ? { ca: readFileSync(authority) } : {}) };
  const request = address.startsWith('unix:')
    ? httpRequest({ ...options, path, socketPath: address.slice('unix:'.length) })
    : (address.startsWith('https:') ? httpsRequest : httpRequest)(`${address}${path}`, options);
  const response = await new Promise<IncomingMessage>(
    (resolve, reject) => void request.on('response', resolve).on('error', reject).end(body),
  );
  return { response, body: await buffer(response) };
}

/** By the access log, which has a line for each call that is over. */
function codesOfWatches(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes('/WatchTask')) return [];
    const { msg, code } = JSON.parse(line) as { msg?: string; code?: string };
    return msg === 'call' && code !== undefined ? [code] : [];
  });
}

/** One line for each way, a column for each case, and below it what cannot be. */
function tableOf(made: readonly Cell[]): string {
  const word = (way: Way, name: Cell['case']): string => {
    const of = made.filter((cell) => cell.client === way.client && cell.protocol === way.protocol && cell.transport === way.transport);
    const those = of.filter((cell) => cell.case === name);
    return those.every(({ ok }) => ok) ? `${those.length} ok` : 'FAILED';
  };
  const rows = ways.map((way) => [way.client, way.protocol, way.transport, ...caseNames.map((name) => word(way, name))]);
  const all = [['client', 'protocol', 'transport', ...caseNames], ...rows];
  const width = Math.max(...all.flat().map(({ length }) => length));
  const lines = all.map((row) =>
    row
      .map((cell) => cell.padEnd(width))
      .join('  ')
      .trimEnd(),
  );
  const not = impossible.map(
    ({ client, protocols: of, transports, why }) => `${client}: ${of.join(', ')} over ${transports.join(', ')}: ${why}`,
  );
  return ['', `the protocol matrix: ${made.length} cells`, ...lines, '', 'cannot be:', ...not].join('\n');
}
