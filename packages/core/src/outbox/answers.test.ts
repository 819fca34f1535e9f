import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Instant } from '../task/task.ts';
import { readDestination } from './destinations/destination.ts';
import { grpcSend } from './send/grpc-send.ts';
import { grpcReceiver, halfOpen, httpReceiver, pemFile, type Reply } from './receivers.testsuite.ts';
import { Relay, type RelayEvent } from './relay.ts';
import { httpSend } from './send/send.ts';
import { aTask, MemoryOutbox, noon } from './stand-ins.testsuite.ts';

/** The relay, its senders and a receiver over the network, together: what becomes of three records when the receiver does something to one of them. */
const protocols = [
  { protocol: 'http/protobuf', receiverOf: httpReceiver },
  { protocol: 'grpc', receiverOf: grpcReceiver },
] as const;
type Protocol = (typeof protocols)[number]['protocol'];

/** Of a request that gets no answer; others may take their time on a machine with much to do. */
const timeoutMs = 500;
/** How long the relay waits for work: then there is nothing left to do. */
const idleMs = 30_000;

/** A relay that waits for nothing but its receiver. */
class Scene implements AsyncDisposable {
  readonly store: MemoryOutbox;
  readonly events: RelayEvent[] = [];
  /** Between failures. */
  readonly waits: number[] = [];
  readonly #relay: Relay;
  #now: Instant;
  #idle = false;

  constructor(
    protocol: Protocol,
    port: number,
    environment: Readonly<Record<string, string>> = {},
    store = new MemoryOutbox(),
    begin = noon,
  ) {
    this.store = store;
    this.#now = begin;
    while (store.rows.length < 3) store.add(aTask(store.rows.length + 1));
    const { destination } = readDestination(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_TIMEOUT: '10000',
        ...environment,
      },
      'traces',
    );
    if (destination.kind === 'off') throw new Error(destination.why);
    const options = { now: () => this.#now, userAgent: 'singletree/test' };
    this.#relay = new Relay({
      store,
      destination: 'otlp',
      wanted: { tools: false, modelCalls: false },
      serialise: ({ taskId }) => Buffer.from(`record ${taskId.slice(-1)}`),
      send: protocol === 'grpc' ? grpcSend(destination, 'traces', options) : httpSend(destination, options),
      now: () => this.#now,
      random: () => 1,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      onHint: store.onHint,
      report: (event) => this.events.push(event),
    });
    this.#relay.start();
  }

  /** It goes on as it has waited. */
  get now(): Instant {
    return this.#now;
  }

  /** Until all that can be sent was sent. */
  async done(): Promise<this> {
    await this.when(() => this.#idle);
    return this;
  }

  async when(condition: () => boolean): Promise<void> {
    for (let tries = 0; !condition(); tries++) {
      if (tries > 1_000) throw new Error(`it does not come to that: ${JSON.stringify([this.store.states, this.waits, this.events])}`);
      await sleep(10);
    }
  }

  async again(): Promise<this> {
    this.#idle = false;
    this.#relay.hint();
    return await this.done();
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === idleMs) {
      this.#idle = true;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return;
    }
    await turn();
    if (signal.aborted) return;
    this.waits.push(ms);
    this.#now += ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop(timeoutMs);
  }
}

interface Row {
  readonly name: string;
  /** The record that it happens to. */
  readonly of?: 1 | 2 | 3;
  /** What the receiver does when it gets the record, time after time, and then takes it. */
  readonly replies?: readonly Reply[];
  /** Or for ever. */
  readonly always?: Reply;
  readonly sent: string;
  /** The test waits until a request is given up. */
  readonly givesUp?: true;
  /** Between failures, in milliseconds. */
  readonly waits?: readonly number[];
  readonly dead?: RegExp;
  readonly rejected?: number;
  /** What is told of the failure. */
  readonly error?: RegExp;
}

const refuse = (status: number, code: number, words = '', retryInMs?: number): Reply => ({
  http: { status, body: words, ...(retryInMs === undefined ? {} : { headers: { 'retry-after': String(retryInMs / 1_000) } }) },
  grpc: { code, details: words, ...(retryInMs === undefined ? {} : { retryInMs }) },
});
const [invalidArgument, permissionDenied, resourceExhausted, unavailable, unauthenticated] = [3, 7, 8, 14, 16];

const rows: readonly Row[] = [
  ...([1, 2, 3] as const).map((of) => ({
    name: `the acknowledgement of record ${of} is lost`,
    of,
    replies: ['end' as const],
    sent: `123${of}`,
    waits: [1_000],
  })),
  {
    name: 'acknowledgements of one record are lost again and again',
    givesUp: true,
    replies: ['end', 'reset', 'silence'],
    sent: '123222',
    waits: [1_000, 1_000, 2_000],
  },
  { name: 'the connection is reset', replies: ['reset'], sent: '1232', waits: [1_000], error: /reset|ECONNRESET|UNAVAILABLE|hang up/ },
  { name: 'no answer comes', givesUp: true, replies: ['silence'], sent: '1232', waits: [1_000], error: /^no answer within 0\.5 s$/ },
  { name: 'the answer comes late, but in time', replies: [{ afterMs: timeoutMs / 5 }], sent: '123' },
  {
    name: 'the answer comes too late',
    givesUp: true,
    replies: [{ afterMs: 2 * timeoutMs }],
    sent: '1232',
    waits: [1_000],
    error: /^no answer within 0\.5 s$/,
  },
  { name: '429 with a time', replies: [refuse(429, resourceExhausted, 'slow', 7_000)], sent: '1232', waits: [7_000], error: /slow/ },
  { name: '429 without one', replies: [refuse(429, unavailable, 'slow')], sent: '1232', waits: [1_000], error: /slow/ },
  { name: '503 with a time', replies: [refuse(503, unavailable, 'full', 3_000)], sent: '1232', waits: [3_000], error: /full/ },
  { name: '503 without one, twice', replies: [refuse(503, unavailable), refuse(503, unavailable)], sent: '12322', waits: [1_000, 1_000] },
  { name: 'poison', always: refuse(400, invalidArgument, 'bad span'), sent: '123', dead: /(HTTP 400|gRPC INVALID_ARGUMENT): bad span$/ },
  {
    name: 'too large',
    always: refuse(413, resourceExhausted, 'larger than max (1 vs. 0)'),
    sent: '123',
    dead: /(HTTP 413|RESOURCE_EXHAUSTED): larger than max/,
  },
  { name: 'a partial success', replies: [{ rejected: 2 }], sent: '123', rejected: 2 },
  { name: 'a wrong key', replies: [refuse(401, unauthenticated, 'who?')], sent: '1232', waits: [60_000], error: /who\?/ },
  { name: 'a wrong key for this', replies: [refuse(403, permissionDenied)], sent: '1232', waits: [60_000], error: /403|PERMISSION_DENIED/ },
];

const givingUp = { OTEL_EXPORTER_OTLP_TIMEOUT: String(timeoutMs) };

describe.concurrent.each(protocols)('$protocol', ({ protocol, receiverOf }) => {
  test.each(rows)('$name', async ({ of = 2, replies = [], always, givesUp = false, sent: expected, waits = [], dead, rejected, error }) => {
    const sent: string[] = [];
    const bodies = new Set<string>();
    const left = [...replies];
    let isMended = false;
    await using receiver = await receiverOf((body) => {
      bodies.add(body.toString('hex'));
      const record = body.toString().replace('record ', '');
      sent.push(record);
      return (record === String(of) && !isMended && (always ?? left.shift())) || 'ok';
    });
    await using scene = await new Scene(protocol, receiver.port, givesUp ? givingUp : {}).done();
    expect(sent.join('')).toBe(expected);
    expect(scene.waits).toEqual(waits);
    expect(bodies.size, 'what comes twice is the same').toBe(3);
    expect(scene.store.states).toEqual([1, 2, 3].map((record) => (record === of && dead ? 'dead' : 'delivered')));
    if (error)
      expect(scene.events).toContainEqual(expect.objectContaining({ kind: 'state', error: expect.stringMatching(error) as string }));
    if (rejected !== undefined)
      expect(scene.events).toContainEqual(expect.objectContaining({ kind: 'rejected', spans: rejected, message: 'too old' }));
    if (!dead) return;

    expect(scene.store.rows[of - 1]?.error).toMatch(dead);
    isMended = true;
    Object.assign(scene.store.rows[of - 1]!, { state: 'pending', due: 0 });
    await scene.again();
    expect(scene.store.states, 'put into the queue again').toEqual(['delivered', 'delivered', 'delivered']);
    expect([sent.join(''), bodies.size]).toEqual([`${expected}${of}`, 3]);
  });

  test('a record at which the connection breaks each time stops no other, also none that comes later', async () => {
    const sent: string[] = [];
    await using receiver = await receiverOf((body) => (sent.push(body.toString()), body.toString() === 'record 1' ? 'end' : 'ok'));
    await using scene = new Scene(protocol, receiver.port);
    await scene.when(() => sent.length > 4);
    expect(scene.store.states).toEqual(['pending', 'delivered', 'delivered']);
    scene.store.add(aTask(4));
    await scene.when(() => scene.store.states[3] === 'delivered');
    expect(scene.store.states[0]).toBe('pending');
  });

  test('a connection that leads nowhere is given up after one record that got no answer', async () => {
    await using receiver = await receiverOf(() => 'ok');
    await using way = await halfOpen(receiver.port);
    await using scene = await new Scene(protocol, way.port, givingUp).done();
    expect(scene.waits).toEqual([1_000]);
  });

  test('a receiver that nobody vouches for gets nothing, until its authority is given', async () => {
    const sent: string[] = [];
    await using receiver = await receiverOf((body) => (sent.push(body.toString()), 'ok'), true);
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: `https://127.0.0.1:${receiver.port}` };
    const scene = new Scene(protocol, receiver.port, environment);
    await scene.when(() => scene.waits.length > 1);
    await scene[Symbol.asyncDispose]();
    expect(scene.events).toMatchObject([{ kind: 'state', state: 'failing', error: expect.stringMatching(/certificate|issuer/) as string }]);
    expect([sent, scene.store.states]).toEqual([[], ['pending', 'pending', 'pending']]);

    const authority = { ...environment, OTEL_EXPORTER_OTLP_CERTIFICATE: pemFile('ca') };
    await using believing = await new Scene(protocol, receiver.port, authority, scene.store, scene.now).done();
    expect([sent, believing.store.states]).toEqual([
      ['record 1', 'record 2', 'record 3'],
      ['delivered', 'delivered', 'delivered'],
    ]);
  });
});
