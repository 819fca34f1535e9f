import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { findAddress, type Singletree } from '@singletree/sdk';
import {
  decodePoints,
  repository,
  startOtlpReceiver,
  temporaryFolder,
  until,
  type OtlpReceiver,
  type ReceivedSpan,
} from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

const stack = new AsyncDisposableStack();
let receiver: OtlpReceiver;
let daemon: TestDaemon;
let client: Singletree;
let workspace: string;

beforeAll(async () => {
  const folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  receiver = stack.use(await startOtlpReceiver());
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRIC_EXPORT_INTERVAL: '500' };
  daemon = stack.use(new TestDaemon({ folder, environment, configuration: { telemetry: { health: true } } }));
  daemon.follow([{ say: 'Done.' }]);
  client = await daemon.start();
});
afterAll(async () => await stack.disposeAsync());

const calls = (): ReceivedSpan[] => receiver.spans().filter(({ scope }) => scope.name === 'singletree.rpc');

/** A call with a header of its own; gives its status. */
async function post(method: string, body: object, headers: Record<string, string>): Promise<number | undefined> {
  const socketPath = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath,
        path: `/singletree.v1.${method}`,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-protocol-version': '1', ...headers },
      },
      (response) => void buffer(response).then(() => resolve(response.statusCode), reject),
    );
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

test('each call is a span of its own service instance, below the span of its caller', async () => {
  const [traceId, parent] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
  expect(await post('TaskService/GetTask', { taskId: 'ffff' }, { traceparent: `00-${traceId}-${parent}-01` })).toBe(404);
  const { id } = await client.tasks.create(aTask(workspace, { gates: [] }));
  for await (const event of client.tasks.watch(id)) if (event.kind === 'completed') break;
  const names = ['GetTask', 'CreateTask', 'WatchTask'].map((name) => `singletree.v1.TaskService/${name}`);
  await until(() => names.every((name) => calls().some((span) => span.name === name)), { what: 'the spans of the calls' });
  const [refused] = calls().filter((span) => span.traceId === traceId);
  expect(refused).toMatchObject({
    name: names[0],
    kind: 'server',
    parentSpanId: parent,
    status: { code: 'unset' },
    attributes: {
      'rpc.system.name': 'connectrpc',
      'rpc.method': names[0],
      'rpc.response.status_code': 'not_found',
      'error.type': 'not_found',
    },
    resource: { 'service.name': 'singletree' },
  });
  const root = await until(() => receiver.spans().find((span) => span.attributes['singletree.task.id'] === id), {
    what: 'the trace of the task',
  });
  expect(root.resource['service.name']).toBe('singletree');
  expect(refused?.resource['service.instance.id']).not.toBe(root.resource['service.instance.id']);
  // What was asked for and what was done is no matter of these spans.
  for (const span of calls()) expect(Object.keys(span.attributes).every((name) => /^(rpc\.|error\.type$)/.test(name))).toBe(true);
});

test('the process tells of its time, its memory and its event loop', async () => {
  const points = await until(
    () => {
      const found = receiver.requests.filter(({ path }) => path === '/v1/metrics').flatMap(({ body }) => decodePoints(body));
      return ['process.memory.usage', 'nodejs.eventloop.delay.p99'].every((name) => found.some(({ metric }) => metric === name))
        ? found
        : undefined;
    },
    { what: 'the figures of the process' },
  );
  expect(new Set(points.map(({ metric }) => metric).filter((metric) => /^(process|nodejs|v8js)\./.test(metric)))).toEqual(
    new Set([
      'process.cpu.time',
      'process.memory.usage',
      'process.unix.file_descriptor.count',
      'process.uptime',
      ...['mean', 'p50', 'p99', 'max'].map((name) => `nodejs.eventloop.delay.${name}`),
      'v8js.gc.duration',
    ]),
  );
});

test('a receiver that hangs delays no call, no task and no end', async () => {
  receiver.setBehaviour({ delayMs: 600_000 });
  const times: number[] = [];
  for (let count = 0; count < 50; count++) {
    const begun = performance.now();
    await client.daemon.status();
    times.push(performance.now() - begun);
  }
  // The second of them would wait for the export of the first, if any did.
  expect(times.toSorted((a, b) => a - b)[45]).toBeLessThan(500);
  const { id } = await client.tasks.create(aTask(workspace, { gates: [] }));
  expect((await finished(client, id)).state).toBe('completed');
  const begun = performance.now();
  await daemon.stop();
  // Its own records have 3 s; an export that hangs would take 10.
  expect(performance.now() - begun).toBeLessThan(8_000);
});
