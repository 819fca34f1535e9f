import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  decodePoints,
  decodeSpans,
  randomFrom,
  repository,
  seedOf,
  startOtlpReceiver,
  temporaryFolder,
  until,
  type OtlpReceiver,
  type OtlpRequest,
  type ReceivedPoint,
} from '@singletree/testing';
import { findAddress, type Singletree } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { failpointNames } from '../../packages/core/src/failpoints.ts';
import { grpcReceiver } from '../../packages/core/src/outbox/receivers.testsuite.ts';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { both, endTasks, type Truth } from '../support/ended-tasks.testsuite.ts';

/**
 * A collector is away while a thousand tasks end and the daemon is killed again and again, and comes back. The daemon dies at every place between the
 * commit of a final state and the acknowledgement: some while the collector is away, others in the middle of the delivery. Some tasks really run; most
 * are ended by the engine while the daemon is dead, and are to the next one what any daemon before it has left.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const events = full ? 10_000 : 1_000;
const running = full ? 40 : 6;
/** Of traces and totals, beside those that a death loses. Each costs the relay a wait of up to a second. */
const lostAcknowledgements = full ? 100 : 1;
const limitMs = full ? 900_000 : 180_000;
/** Beside the collector another destination, by gRPC, which is there all the time. */
const destinations = full ? ['otlp', 'second'] : ['otlp'];
const reachLimitMs = 40_000;

/** What the tasks that run meet on their way to their end. */
const committing = ['store.commit.before', 'store.commit.after'];
const away = [...around('outbox.send'), ...around('metrics.fold'), ...around('metrics.send')];
const delivering = [...around('outbox.freeze'), 'outbox.send.after', ...around('outbox.delivered'), 'metrics.send.after'];

function around(place: string): string[] {
  return [`${place}.before`, `${place}.after`];
}

test(
  `${events} events arrive, and the totals are true, although the collector was away and the daemon died everywhere`,
  { timeout: limitMs },
  async () => {
    const random = randomFrom(seedOf('delivery'));
    const from = (least: number, most: number): number => least + Math.floor(random() * (most - least));
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
    const receiver = stack.use(await startOtlpReceiver());
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRIC_EXPORT_INTERVAL: '300' };
    const second: Buffer[] = [];
    const { port } = stack.use(await grpcReceiver((body) => (second.push(body), 'ok')));
    const telemetry = full
      ? { destinations: { second: { endpoint: `http://127.0.0.1:${port}`, protocol: 'grpc', signals: ['traces'] } }, max_pending: 0 }
      : {};
    const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 4 }, telemetry }, environment }));
    daemon.follow([{ call: { input: 10, output: 5, costUsd: 0.25 } }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
    const dead = async (place: string): Promise<void> => {
      await until(() => daemon.hasEnded, { what: `the death at ${place}`, timeoutMs: reachLimitMs });
    };
    let lives = 0;
    /** Each daemon would write its records otherwise than the one before. */
    const life = (): Record<string, string> => ({ OTEL_RESOURCE_ATTRIBUTES: `life=${(lives += 1)}` });
    const dieAt = async (place: string, nth: number): Promise<void> => {
      daemon.launch({ ...life(), SINGLETREE_FAILPOINTS: `${place}=kill@${nth}` });
      await dead(place);
    };
    const end = (count: number): Promise<Truth> => endTasks({ state: daemon.state, count, random, destinations });

    await receiver.close();
    let truth: Truth | undefined;
    for (const place of committing) {
      const client = await daemon.start({ ...life(), SINGLETREE_FAILPOINTS: `${place}=kill@${from(5, 15)}` });
      // Whether the answers still come is what nobody can know: the same request ids are sent again.
      void create(client, workspace).catch(() => undefined);
      await dead(place);
      const ended = await end(Math.floor(events / 4));
      truth = truth ? both(truth, ended) : ended;
    }
    const client = await daemon.start(life());
    const ids = await create(client, workspace);
    for (const id of ids) expect(await finished(client, id, 60_000)).toMatchObject({ completion: { outcome: 'success', attemptCount: 1 } });
    const used = { inputTokens: 10 * running, outputTokens: 5 * running, costUsdMicros: 250_000 * running };
    truth = both(truth!, { ids, dispatched: running, attempts: running, ...used });
    const { telemetry: outbox } = await client.daemon.status();
    expect(outbox.state).toBe('failing');
    expect(outbox.undeliveredRows).toBeGreaterThanOrEqual(truth.ids.length);
    await daemon.kill();
    truth = both(truth, await end(events - truth.ids.length));
    for (const place of away) await dieAt(place, 1);

    await receiver.reopen();
    for (const place of delivering) await dieAt(place, place.startsWith('metrics') ? from(2, 4) : from(1, events / 20));
    const last = await daemon.start({ ...life(), ...smallNursery });
    const samples = watchMemory(receiver, daemon.pid);
    await until(async () => (await last.daemon.status()).telemetry.undeliveredRows === 0, {
      what: 'an empty outbox',
      timeoutMs: limitMs,
      everyMs: 200,
    });
    expect((await last.daemon.status()).telemetry).toMatchObject({ state: 'ok', deadRows: 0, undirectedRows: 0 });
    expectFlat(samples);
    const traces = receiver.requests.filter(({ path }) => path === '/v1/traces');
    expectArrived(traces, truth);
    if (full) expectArrived([...traces, ...second.map((body) => ({ body, acknowledged: true }))], truth);
    if (full) expect(new Set(second.map((body) => decodeSpans(body)[0]?.traceId)).size, 'at the second destination').toBe(events);
    await until(() => valueOf(receiver.points(), 'singletree.task.completions') === events, { what: 'the totals', timeoutMs: 20_000 });
    expectTrue(receiver.points(), truth);
    expectMonotone(receiver);
    const told = (await page(daemon)).matchAll(/^singletree_task_completions_total\{.*\} (?<value>\d+)$/gm);
    expect(
      [...told].reduce((sum, { groups }) => sum + Number(groups?.['value']), 0),
      'on the page for Prometheus',
    ).toBe(events);
  },
);

test('no failpoint of the outbox is left out', () => {
  // Records that are put into the queue by hand: ../delivery.test.ts
  const elsewhere = around('outbox.queue');
  const ours = failpointNames.filter((name) => /^(outbox|metrics)\./.test(name));
  expect(new Set([...away, ...delivering, ...elsewhere])).toEqual(new Set(ours));
});

async function create(client: Singletree, workspace: string): Promise<string[]> {
  const one = async (_: unknown, place: number): Promise<string> =>
    (await client.tasks.create(aTask(workspace, { title: `task ${place}`, requestId: `task-${place}` }))).id;
  return await Promise.all(Array.from({ length: running }, one));
}

interface Sample {
  /** How many requests have come. */
  readonly at: number;
  /** What the daemon's process holds, code and libraries included. */
  readonly residentKb: number;
}

/** V8 lets the space of new objects grow to 16 MiB and more before it clears it, which is much beside a thousand records. */
const smallNursery = { NODE_OPTIONS: '--max-semi-space-size=1' };

/**
 * Between the first and the last sample, which are taken at each twentieth of what arrives, and not by the clock. It grows by 3 to 6 MB while code is
 * compiled. A daemon that held on to what it has sent would grow by 20 MB over a thousand records, and by 200 MB over ten thousand.
 */
const mostGrowthKb = 12_000;

/** Samples the memory, and loses acknowledgements on the way. */
function watchMemory(receiver: OtlpReceiver, pid: number): Sample[] {
  const samples: Sample[] = [];
  const begin = receiver.requests.length;
  receiver.setBehaviour((number) => {
    const at = number - begin;
    if (at % (events / 20) === 0) samples.push({ at, residentKb: residentKb(pid) });
    return at % 17 === 0 && at / 17 <= lostAcknowledgements ? 'dropAcknowledgement' : 'ok';
  });
  return samples;
}

function expectFlat(samples: readonly Sample[]): void {
  const [first, last] = [samples[0]?.residentKb ?? Number.NaN, samples.at(-1)?.residentKb ?? Number.NaN];
  console.log(`memory of the daemon: ${first} kB at the first of ${samples.length} samples, ${last} kB at the last`);
  expect(samples.length).toBeGreaterThan(10);
  expect(last - first, JSON.stringify(samples)).toBeLessThan(mostGrowthKb);
}

function expectArrived(traces: readonly Pick<OtlpRequest, 'body' | 'acknowledged'>[], { ids }: Truth): void {
  const bodies = new Map<string, Set<string>>();
  for (const { body } of traces) {
    const id = decodeSpans(body)[0]?.traceId ?? '';
    bodies.set(id, (bodies.get(id) ?? new Set()).add(Buffer.from(body).toString('base64')));
  }
  expect(new Set(bodies.keys())).toEqual(new Set(ids.map((id) => id.replaceAll('-', ''))));
  expect(
    [...bodies].filter(([, seen]) => seen.size > 1).map(([id]) => id),
    'events that came twice, not the same to the byte',
  ).toEqual([]);
  const lost = traces.filter(({ acknowledged }) => !acknowledged).length;
  expect(traces.length - ids.length, 'what came twice').toBeGreaterThanOrEqual(Math.max(1, lost));
}

/** The value of a metric over all its series. */
function valueOf(points: readonly ReceivedPoint[], metric: string): number {
  return points.filter((point) => point.metric === metric).reduce((sum, { value }) => sum + value, 0);
}

function expectTrue(points: readonly ReceivedPoint[], truth: Truth): void {
  for (const { kind, count, buckets = [] } of points)
    if (kind === 'histogram') expect(buckets.reduce((sum, each) => sum + each, 0)).toBe(count);
  const countOf = (metric: string): number =>
    points.filter((each) => each.metric === metric).reduce((sum, { count = 0 }) => sum + count, 0);
  expect({
    completions: valueOf(points, 'singletree.task.completions'),
    inputTokens: valueOf(points, 'singletree.task.usage.input_tokens'),
    outputTokens: valueOf(points, 'singletree.task.usage.output_tokens'),
    costUsdMicros: Math.round(valueOf(points, 'singletree.task.cost') * 1e6),
    dispatched: countOf('gen_ai.invoke_workflow.duration'),
    attempts: countOf('gen_ai.invoke_agent.duration'),
  }).toEqual({
    completions: truth.ids.length,
    inputTokens: truth.inputTokens,
    outputTokens: truth.outputTokens,
    costUsdMicros: truth.costUsdMicros,
    dispatched: truth.dispatched,
    attempts: truth.attempts,
  });
}

/**
 * In the order of their times no total ever goes back, each time has one value, none is gone again, and all of them count from one start, whichever daemon
 * sent them and however often.
 */
function expectMonotone(receiver: OtlpReceiver): void {
  const series = new Map<string, Map<bigint, ReceivedPoint>>();
  const starts = new Set<bigint>();
  let known = new Set<string>();
  for (const { path, body } of receiver.requests) {
    if (path !== '/v1/metrics') continue;
    const totals = decodePoints(body).filter(({ cumulative, kind, monotonic }) => cumulative && (monotonic || kind === 'histogram'));
    for (const point of totals) {
      starts.add(point.start);
      const values = series.get(seriesOf(point)) ?? new Map<bigint, ReceivedPoint>();
      series.set(seriesOf(point), values);
      const same = values.get(point.time) ?? point;
      expect([point.value, point.count], `${seriesOf(point)} at ${point.time}`).toEqual([same.value, same.count]);
      values.set(point.time, point);
    }
    const told = new Set(totals.map(seriesOf));
    expect(
      [...known].filter((name) => !told.has(name)),
      'series that are gone',
    ).toEqual([]);
    known = told;
  }
  expect(starts.size, 'starts').toBe(1);
  for (const [name, values] of series) {
    const inOrder = [...values.values()].toSorted((a, b) => Number(a.time - b.time));
    for (const [index, { value, count = 0 }] of inOrder.entries()) {
      expect(value, name).toBeGreaterThanOrEqual(inOrder[index - 1]?.value ?? 0);
      expect(count, name).toBeGreaterThanOrEqual(inOrder[index - 1]?.count ?? 0);
    }
  }
}

function seriesOf({ metric, attributes }: ReceivedPoint): string {
  return `${metric} ${JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
}

async function page(daemon: TestDaemon): Promise<string> {
  const socketPath = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    get({ socketPath, path: '/metrics' }, (response) => void text(response).then(resolve, reject)).on('error', reject);
  });
}

function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
