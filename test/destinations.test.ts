import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { findAddress, type Singletree } from '@singletree/sdk';
import {
  decodePoints,
  repository,
  startOtlpReceiver,
  temporaryFolder,
  until,
  type OtlpReceiver,
  type ReceivedPoint,
} from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

const secret = 'b64canaryOfAHeader==';
const stack = new AsyncDisposableStack();
let daemon: TestDaemon;
let workspace: string;
let client: Singletree;
/** Named by the OTEL_ variables; by the configuration, for traces alone; the same, and away at first. */
let main: OtlpReceiver;
let lab: OtlpReceiver;
let away: OtlpReceiver;
const ids: string[] = [];

beforeAll(async () => {
  const folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  [main, lab, away] = [stack.use(await startOtlpReceiver()), stack.use(await startOtlpReceiver()), stack.use(await startOtlpReceiver())];
  await away.close();
  daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow([{ say: 'Done.' }]);
});
afterAll(async () => await stack.disposeAsync());

async function start(telemetry: Readonly<Record<string, unknown>>): Promise<void> {
  daemon.configure({ telemetry });
  client = await daemon.start({ OTEL_EXPORTER_OTLP_ENDPOINT: main.url, OTEL_METRIC_EXPORT_INTERVAL: '200', LAB_KEY: secret });
}

async function runOne(): Promise<string> {
  const { id } = await client.tasks.create(aTask(workspace, { gates: [] }));
  await finished(client, id);
  ids.push(id);
  return id;
}

function traces(receiver: OtlpReceiver): Buffer[] {
  return receiver.requests.filter(({ path }) => path === '/v1/traces').map(({ body }) => Buffer.from(body));
}

async function standing(): Promise<Record<string, { traces: string; metrics: string; waiting: number; delivered: number }>> {
  const { destinations } = (await client.daemon.status()).telemetry;
  return Object.fromEntries(
    destinations.map(({ name, traces: spans, metrics, undeliveredRows: waiting, deliveredRows: delivered }) => [
      name,
      { traces: spans.state, metrics: metrics.state, waiting, delivered },
    ]),
  );
}

async function metricsPage(): Promise<string> {
  const socketPath = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    get({ socketPath, path: '/metrics' }, (response) => void text(response).then(resolve, reject)).on('error', reject);
  });
}

test('one that is away holds up no other, and each is told of by itself', async () => {
  await start({
    destinations: {
      lab: { endpoint: lab.url, headers: { 'x-key': { env: 'LAB_KEY' } }, compression: 'gzip', signals: ['traces'] },
      away: { endpoint: away.url, signals: ['traces'] },
    },
  });
  await runOne();
  await until(() => traces(main).length === 1 && traces(lab).length === 1, { what: 'the trace at both that are there' });
  expect(traces(lab)[0]?.equals(traces(main)[0]!), 'the same bytes').toBe(true);
  const [request] = lab.requests;
  expect([request?.headers['x-key'], request?.contentEncoding]).toEqual([secret, 'gzip']);
  const told = await until(async () => ((await standing())['away']?.traces === 'failing' ? await standing() : undefined), {
    what: 'the failure',
  });
  expect(told).toEqual({
    otlp: { traces: 'ok', metrics: 'ok', waiting: 0, delivered: 1 },
    lab: { traces: 'ok', metrics: 'off', waiting: 0, delivered: 1 },
    away: { traces: 'failing', metrics: 'off', waiting: 1, delivered: 0 },
  });
  const { telemetry } = await client.daemon.status();
  expect(telemetry).toMatchObject({
    state: 'failing',
    undeliveredRows: 1,
    endpoint: `${main.url}/v1/traces`,
    lastError: expect.stringMatching(/^away: /) as string,
  });
});

test('a new series comes with the 0 that it was just before, and the page has the names and values of the export', async () => {
  /** Finished tasks, request by request. */
  const received = (): ReceivedPoint[][] =>
    main.requests
      .filter(({ path }) => path === '/v1/metrics')
      .map(({ body }) => decodePoints(body).filter(({ metric }) => metric === 'singletree.task.completions'));
  const counted = await until(
    () => {
      const found = received().flatMap((points) => {
        const series = points.find(({ value }) => value === 1)?.attributes;
        return series ? [points.filter(({ attributes }) => isDeepStrictEqual(attributes, series))] : [];
      });
      return found.length > 1 ? found : undefined;
    },
    { what: 'the series of the task, twice' },
  );
  expect(counted[0]?.map(({ value }) => value)).toEqual([0, 1]);
  expect(
    counted[1]?.map(({ value }) => value),
    'the 0 is told once',
  ).toEqual([1]);
  const [zero, one] = counted[0]!;
  expect((one?.time ?? 0n) - (zero?.time ?? 0n)).toBe(1_000_000n);

  await until(() => pointOf('singletree.outbox.delivered', 'lab') === 1, { what: 'the figures of the outbox' });
  const page = await metricsPage();
  expect(page).toContain('# TYPE singletree_task_active gauge\nsingletree_task_active{gen_ai_agent_name="claude_code"} 0\n');
  expect(page).toContain('singletree_outbox_pending{singletree_outbox_destination="away"} 1\n');
  expect(page).toContain('singletree_outbox_delivered_total{singletree_outbox_destination="lab"} 1\n');
  expect(Number(/^singletree_outbox_oldest_age_seconds\{singletree_outbox_destination="away"\} (.*)$/m.exec(page)?.[1])).toBeGreaterThan(0);
  expect(page).toContain('singletree_task_completions_total{gen_ai_agent_name="fake",singletree_task_outcome="timeout"} 0\n');
  const exported = new Set(main.points().map(({ metric }) => metric.replaceAll('.', '_')));
  const told = [...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name.replace(/(_seconds|_USD)?(_total)?$/, ''));
  expect(new Set(told)).toEqual(exported);
});

/** The newest value of a metric of the outbox. */
function pointOf(metric: string, destination: string): number | undefined {
  return main.points().find((point) => point.metric === metric && point.attributes['singletree.outbox.destination'] === destination)?.value;
}

test('one that comes back gets what it missed', async () => {
  await away.reopen();
  await until(() => traces(away).length === 1, { what: 'the record at the one that was away', timeoutMs: 40_000 });
  expect(traces(away)[0]?.equals(traces(main)[0]!), 'the same bytes').toBe(true);
});

test('nothing tells the secret', async () => {
  const told = [JSON.stringify(await client.daemon.status()), JSON.stringify(await client.telemetry.preview(ids[0]!)), daemon.log];
  for (const text of told) expect(text).not.toContain(secret);
});

test('a destination that is gone is waited for no more; a new one gets what it has not, when somebody asks', async () => {
  await away.close();
  await runOne();
  await until(() => traces(lab).length === 2, { what: 'the second record' });
  await daemon.stop();
  const fresh = stack.use(await startOtlpReceiver());
  await start({ destinations: { fresh: { endpoint: fresh.url } } });
  const { telemetry } = await client.daemon.status();
  expect([telemetry.undeliveredRows, telemetry.undirectedRows]).toEqual([0, 1]);
  expect(await client.telemetry.send({ since: new Date(0), to: 'fresh' })).toBe(2);
  await until(() => traces(fresh).length === 2, { what: 'both records' });
  expect(
    traces(fresh)
      .map((body) => body.toString('hex'))
      .sort(),
  ).toEqual(
    traces(main)
      .map((body) => body.toString('hex'))
      .sort(),
  );
  expect((await client.daemon.status()).telemetry.undirectedRows).toBe(0);
  await expect(client.telemetry.send({ since: new Date(0), to: 'lab' })).rejects.toMatchObject({ reason: 'UNKNOWN_DESTINATION' });
  const { records } = await client.telemetry.preview(ids[0]!);
  expect(Object.fromEntries(records.map(({ destination, state }) => [destination, state]))).toEqual({
    otlp: 'delivered',
    fresh: 'delivered',
    lab: 'delivered',
    away: 'delivered',
  });
});

test('where too much waits, new tasks are refused and told why, and what was asked before is still answered', async () => {
  expect((await client.telemetry.preview(ids[0]!)).frozen).toBe(true);
  await daemon.stop();
  await start({ destinations: { away: { endpoint: away.url, signals: ['traces'] } }, max_pending: 1, redact: ['never-said'] });
  expect((await client.telemetry.preview(ids[0]!)).frozen, 'what was made by other rules of privacy is never sent').toBe(false);
  const requestId = 'the-one-that-was-taken';
  const task = aTask(workspace, { gates: [] });
  const { id } = await client.tasks.create({ ...task, requestId });
  await finished(client, id);
  await expect(client.tasks.create(task)).rejects.toMatchObject({
    reason: 'OUTBOX_FULL',
    code: 'resource_exhausted',
    hint: expect.stringContaining('telemetry.max_pending') as string,
  });
  expect((await client.tasks.create({ ...task, requestId })).id).toBe(id);
  expect((await client.daemon.status()).telemetry).toMatchObject({ undeliveredRows: 1, undeliveredRowsLimit: 1 });
  await away.reopen();
  await until(async () => (await client.daemon.status()).telemetry.undeliveredRows === 0, { what: 'the delivery', timeoutMs: 40_000 });
  await runOne();
});
