import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { withoutContent } from './attributes.ts';
import { openOutbox, type Outbox, type OutboxParts } from './outbox.ts';
import { aGate, anAttempt, aTask, fields, MemoryOutbox, noMetrics, noon, spanBytes } from './stand-ins.testsuite.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Receiver {
  readonly url: string;
  /** Bodies as they came, unpacked. */
  readonly bodies: Buffer[];
}

/** Takes every request whole, and breaks off the connection instead of acknowledging the one with this number. */
async function aReceiver(dropped: number): Promise<Receiver> {
  const bodies: Buffer[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    bodies.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    if (bodies.length === dropped) response.destroy();
    else response.end();
  };
  const server = createServer((request, response) => void receive(request, response));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}

async function started(
  store: MemoryOutbox,
  environment: Record<string, string>,
  version = '1.0.0',
  destinations: OutboxParts['destinations'] = {},
): Promise<Outbox> {
  const outbox = await openOutbox({
    environment: { OTEL_METRICS_EXPORTER: 'none', ...environment },
    version,
    destinations,
    harnesses: [],
    store,
    metrics: noMetrics,
    now: () => noon,
    spans: { tools: false, modelCalls: false, most: 10 },
    privacy: withoutContent,
    random: () => 0,
    onHint: store.onHint,
  });
  outbox.start();
  closing.push(() => outbox.stop(0));
  return outbox;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await sleep(5);
  }
  throw new Error('not within 2.5 s');
}

function outboxWith(rows: number): MemoryOutbox {
  const store = new MemoryOutbox();
  for (let number = 1; number <= rows; number++) {
    store.add(aTask(number, { attempts: [anAttempt(1), anAttempt(2)], gateResults: [aGate(1, 0, 'failed'), aGate(2, 0, 'passed')] }));
  }
  return store;
}

/** Trace id of the one task in a request. */
function traceIn(body: Buffer): string {
  const ids = new Set(spanBytes(body).map((span) => Buffer.from(fields(span, 1)[0]!).toString('hex')));
  expect(ids.size).toBe(1);
  return [...ids][0]!;
}

const tasks = 4;

describe.each(Array.from({ length: tasks }, (_, index) => index + 1))('the acknowledgement of request %i is lost', (k) => {
  test('after a restart with another version, other attributes and compression the same bytes come again', async () => {
    const receiver = await aReceiver(k);
    const store = outboxWith(tasks);
    const before = await started(store, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_RESOURCE_ATTRIBUTES: 'region=before' }, '1.0.0');
    await until(async () => (await before.status()).state === 'failing');
    await before.stop(0);
    expect(store.states.filter((state) => state === 'delivered')).toHaveLength(k - 1);

    const after = await started(
      store,
      {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/elsewhere`,
        OTEL_RESOURCE_ATTRIBUTES: 'region=after',
        OTEL_SERVICE_NAME: 'another',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      },
      '2.0.0',
    );
    await until(async () => (await after.status()).pending === 0);
    expect(store.states).toEqual(Array(tasks).fill('delivered'));

    const expected = Array.from({ length: tasks }, (_, index) => aTask(index + 1).id.replaceAll('-', ''));
    expected.splice(k, 0, expected[k - 1]!);
    expect(receiver.bodies.map(traceIn)).toEqual(expected);
    expect(receiver.bodies[k]?.equals(receiver.bodies[k - 1]!)).toBe(true);
    // The restart did change what is written: a row first sent after it has the new attributes, the repeated one the old.
    expect(receiver.bodies.map((body) => body.includes('before'))).toEqual(expected.map((_, index) => index <= k));
    expect(receiver.bodies.map((body) => body.includes('2.0.0'))).toEqual(expected.map((_, index) => index > k));
  });
});

test('without an endpoint nothing is sent, completions get no destination, and stop and status work', async () => {
  const store = outboxWith(1);
  const outbox = await started(store, {});
  expect(outbox.destinations).toEqual([]);
  expect(await outbox.status()).toMatchObject({ state: 'off', why: 'no OTEL_EXPORTER_OTLP_ENDPOINT', pending: 0 });
  // It is kept for a destination that is not there now.
  expect(await outbox.status()).toMatchObject({ unsent: { undirected: 1 } });
  await outbox.stop(1_000);
  expect(store.rows[0]).toMatchObject({ state: 'pending', row: { attempts: 0 } });
  expect(store.rows[0]?.row.payload).toBeUndefined();
});

test('a row that waited for one address goes to the next', async () => {
  const store = outboxWith(1);
  const away = await started(store, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  await until(async () => (await away.status()).state === 'failing');
  expect(await away.status()).toMatchObject({
    destinations: [{ traces: { target: 'http://127.0.0.1:1/v1/traces' } }],
    pending: 1,
    oldest: noon + 9_000,
  });
  await away.stop(0);
  const receiver = await aReceiver(0);
  await started(store, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  await until(() => store.states[0] === 'delivered');
  expect(receiver.bodies).toHaveLength(1);
});

test('the receiver comes back and is found without a restart', async () => {
  const receiver = await aReceiver(1);
  const store = outboxWith(2);
  const outbox = await started(store, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  expect(outbox.destinations).toEqual(['otlp']);
  await until(async () => (await outbox.status()).pending === 0);
  expect(receiver.bodies).toHaveLength(3);
  expect(receiver.bodies[2]?.equals(receiver.bodies[0]!)).toBe(true);
  expect(await outbox.status()).toMatchObject({ state: 'ok', destinations: [{ delivered: 2 }] });
});

test('one that never answers holds up no other, and has its own row', async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    silent.closeAllConnections();
    return new Promise((resolve) => silent.close(resolve));
  });
  const receiver = await aReceiver(0);
  const store = new MemoryOutbox();
  for (let number = 1; number <= 3; number++) store.add(aTask(number), ['otlp', 'lab']);
  const outbox = await started(
    store,
    { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` },
    '1.0.0',
    {
      lab: { endpoint: receiver.url, signals: ['traces'] },
    },
  );
  expect(outbox.destinations).toEqual(['otlp', 'lab']);
  await until(() => receiver.bodies.length === 3);
  await until(async () => (await outbox.status()).pending === 3);
  expect(await outbox.status()).toMatchObject({
    state: 'ok',
    destinations: [
      { name: 'otlp', pending: 3, delivered: 0 },
      { name: 'lab', pending: 0, delivered: 3, metrics: { state: 'off', why: 'telemetry.destinations.lab.signals does not name metrics' } },
    ],
  });
});

test('a configuration that could not work is refused before anything runs', async () => {
  await expect(
    started(outboxWith(0), { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }),
  ).rejects.toThrow('"http/json" is not supported');
});
