import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { findAddress, type Singletree } from '@singletree/sdk';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCollector, type Collector } from './support/collector.ts';
import { fixtureNames, openScene, outcomes, type Fixture, type Scene } from './support/fixture.ts';
import { startPrometheus, type Prometheus, type Sample } from './support/prometheus.ts';
import { freePorts, missing } from './support/server.ts';

/** A real Prometheus is fed in each of the ways that there are, from the same totals. */

const arrivalLimitMs = 30_000;
const everySecond = { OTEL_METRIC_EXPORT_INTERVAL: '1000', OTEL_TRACES_EXPORTER: 'none' };
const ours = '{__name__=~"singletree_.+|gen_ai_.+"';
const reasons = (['prometheus', 'collector'] as const).flatMap((name) => missing(name) ?? []);

describe.skipIf(reasons.length > 0)(`Prometheus${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`, () => {
  const stack = new AsyncDisposableStack();
  let scene: Scene;
  let collector: Collector;
  let prometheus: Prometheus;
  let client: Singletree;
  let tasks: Fixture;

  beforeAll(async () => {
    const { tcp } = await freePorts('tcp');
    scene = stack.use(await openScene({ listen: { tcp: `127.0.0.1:${tcp}` } }));
    collector = stack.use(await startCollector(join(scene.folder, 'collector'), {}));
    prometheus = stack.use(
      await startPrometheus(join(scene.folder, 'prometheus'), {
        // Without the time window of deploy/: it refuses what is older than what it has.
        scrape_configs: [
          { job_name: 'collector', scrape_interval: '1s', static_configs: [{ targets: [collector.scrape] }] },
          {
            job_name: 'daemon',
            scrape_interval: '1s',
            authorization: { credentials_file: join(scene.daemon.state, 'token.read') },
            static_configs: [{ targets: [`127.0.0.1:${tcp}`] }],
          },
        ],
      }),
    );
    client = await scene.daemon.start({ ...everySecond, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlp });
    tasks = await scene.run(client);
  });
  afterAll(() => stack.disposeAsync());

  test('by OTLP: every series of the store, with its value', async () => {
    const expected = samplesOf(await metricsPage(scene));
    expect(expected.size).toBeGreaterThan(50);
    await arrived('job="singletree"');
    expect(seriesOf(await prometheus.query(`${ours},job="singletree"}`))).toEqual(expected);
  });

  test('the totals are those of the tasks', async () => {
    const sum = async (metric: string, by: string): Promise<Record<string, number>> => {
      const samples = await prometheus.query(`sum by (${by}) (${metric}{job="singletree"})`);
      return Object.fromEntries(samples.map(({ labels, value }) => [labels[by] ?? '', value]).filter(([, value]) => value !== 0));
    };
    const count = (outcome: string): number => fixtureNames.filter((name) => outcomes[name] === outcome).length;
    expect(await sum('singletree_task_completions_total', 'singletree_task_outcome')).toEqual({
      success: count('success'),
      partial: count('partial'),
      failure: count('failure'),
      timeout: count('timeout'),
    });
    const total = (of: (task: Fixture[keyof Fixture]) => number | undefined): number =>
      fixtureNames.reduce((all, name) => all + (of(tasks[name]) ?? 0), 0);
    const inputs = await sum('singletree_task_usage_input_tokens_total', 'gen_ai_agent_name');
    expect(inputs).toEqual({ fake: total(({ completion }) => completion?.actualInputTokens) });
    const costs = await sum('singletree_task_cost_USD_total', 'gen_ai_agent_name');
    expect(costs['fake']).toBeCloseTo(total(({ completion }) => completion?.actualCostUsdMicros) / 1_000_000, 6);
    const gates = await sum('singletree_quality_gate_duration_seconds_count', 'cicd_pipeline_task_run_result');
    expect(gates).toEqual({ success: 3, failure: 2, error: 1 });
  });

  test('by the Collector, which it scrapes: the same names, the same values', async () => {
    await scene.daemon.kill();
    client = await scene.daemon.start({
      ...everySecond,
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: collector.grpc,
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc',
    });
    await arrived('job="collector"');
    const expected = samplesOf(await metricsPage(scene));
    expect(seriesOf(await prometheus.query(`${ours},job="collector"}`))).toEqual(expected);
    expect(await names('collector')).toEqual(await names('singletree'));
  });

  test('by the daemon itself, which it scrapes over TCP with a token: the same names, the same values', async () => {
    await arrived('job="daemon"');
    const expected = samplesOf(await metricsPage(scene));
    expect(seriesOf(await prometheus.query(`${ours},job="daemon"}`))).toEqual(expected);
    expect(await names('daemon')).toEqual(await names('singletree'));
  });

  test('a daemon that was killed counts on where it was: no reset, nothing twice', async () => {
    await scene.daemon.kill();
    client = await scene.daemon.start({ ...everySecond, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlp });
    await scene.run(client);
    const all = 2 * fixtureNames.length;
    await arrived('job="singletree"', all);
    expect(await prometheus.query('sum(resets(singletree_task_completions_total{job="singletree"}[1h]))')).toMatchObject([{ value: 0 }]);
    expect(await prometheus.query('count by (instance) (singletree_task_completions_total{job="singletree"})')).toHaveLength(1);
    // What is over is Prometheus's extrapolation to the ends of the hour.
    const [increase] = await prometheus.query('sum(increase(singletree_task_completions_total{job="singletree"}[1h]))');
    expect(increase!.value).toBeGreaterThanOrEqual(all);
    expect(seriesOf(await prometheus.query(`${ours},job="singletree"}`))).toEqual(samplesOf(await metricsPage(scene)));
  });

  test('a snapshot that comes after a newer one is refused by it, and nobody is troubled', async () => {
    await using proxy = await startProxy(prometheus.otlp);
    await scene.daemon.kill();
    client = await scene.daemon.start({ ...everySecond, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: proxy.url });
    await until(() => proxy.answers.length >= 2, { what: 'two snapshots', timeoutMs: arrivalLimitMs });
    proxy.replayFirst();
    const refused = await until(() => proxy.answers.find(({ status }) => status !== 200), { what: 'a refusal', timeoutMs: arrivalLimitMs });
    expect(refused).toMatchObject({ status: 400, body: expect.stringMatching(/out of order/) });
    const seen = proxy.answers.length;
    await until(() => proxy.answers.length >= seen + 2, { what: 'two more snapshots', timeoutMs: arrivalLimitMs });
    expect(proxy.answers.slice(seen).map(({ status }) => status)).not.toContain(400);
    expect(scene.daemon.log.split('\n').filter((line) => line.includes('"kind":"metrics"') && line.includes('failing'))).toEqual([]);
    expect(seriesOf(await prometheus.query(`${ours},job="singletree"}`))).toEqual(samplesOf(await metricsPage(scene)));
  });

  function names(job: string): Promise<string[]> {
    return prometheus.get(`/api/v1/label/__name__/values?${new URLSearchParams({ 'match[]': `${ours},job="${job}"}` }).toString()}`);
  }

  /** Waits until all finished tasks are counted there. */
  async function arrived(where: string, count: number = fixtureNames.length): Promise<void> {
    await until(async () => (await prometheus.query(`sum(singletree_task_completions_total{${where}})`))[0]?.value === count, {
      what: `${count} tasks at ${where}`,
      timeoutMs: arrivalLimitMs,
      everyMs: 100,
    });
  }
});

/** The store's own totals, as the daemon's socket gives them. */
async function metricsPage({ daemon }: Scene): Promise<string> {
  const socketPath = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    get({ socketPath, path: '/metrics' }, (response) => void text(response).then(resolve, reject)).on('error', reject);
  });
}

/** What a series is called by us; what says where Prometheus got it is left out. */
function nameOf(metric: string, labels: Sample['labels']): string {
  const own = Object.entries(labels)
    .filter(([label]) => !/^(__name__|job|instance|exported_job|exported_instance|otel_scope_.*)$/.test(label))
    // Prometheus writes 5.0 for the 5 that it scrapes, and +Inf as it is.
    .map(([label, value]) => (label === 'le' ? `le=${Number(value.replace('+Inf', 'Infinity'))}` : `${label}=${value}`));
  return `${metric}{${own.toSorted().join(',')}}`;
}

function seriesOf(samples: readonly Sample[]): Map<string, number> {
  return new Map(samples.map(({ labels, value }) => [nameOf(labels['__name__'] ?? '', labels), value]));
}

function samplesOf(page: string): Map<string, number> {
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, metric = '', inner = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const labels = Object.fromEntries([...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', content = '']) => [label, content]));
      return [nameOf(metric, labels), Number(value)];
    }),
  );
}

describe.skipIf(missing('prometheus') !== undefined)('the first value of every series counts', () => {
  test.each([{ features: [] }, { features: ['created-timestamp-zero-ingestion'] }])(
    'for Prometheus with the features $features',
    async ({ features }) => {
      await using scene = await openScene();
      await using prometheus = await startPrometheus(join(scene.folder, 'prometheus'), {}, features);
      await using proxy = await startProxy(prometheus.otlp);
      const client = await scene.daemon.start({ ...everySecond, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: proxy.url });
      await until(() => proxy.answers.length > 0, { what: 'a snapshot before the first task', timeoutMs: arrivalLimitMs });
      const tasks = await scene.run(client);
      const completions = 'singletree_task_completions_total';
      const count = async (expression: string): Promise<number> => (await prometheus.query(expression))[0]?.value ?? 0;
      await until(async () => (await count(`sum(${completions})`)) === fixtureNames.length, {
        what: 'the tasks',
        timeoutMs: arrivalLimitMs,
      });
      // Extrapolation to the ends of the hour only adds.
      expect(await count(`sum(increase(${completions}[1h]))`)).toBeGreaterThanOrEqual(fixtureNames.length);
      const cost = fixtureNames.reduce((all, name) => all + (tasks[name].completion?.actualCostUsdMicros ?? 0), 0) / 1_000_000;
      expect(await count('sum(increase(singletree_task_cost_USD_total[1h]))')).toBeGreaterThanOrEqual(cost);
      expect(await count('sum(increase(gen_ai_invoke_workflow_duration_seconds_count[1h]))')).toBeGreaterThanOrEqual(fixtureNames.length);
      expect(proxy.answers.filter(({ status }) => status !== 200)).toEqual([]);
    },
  );
});

interface Proxy extends AsyncDisposable {
  readonly url: string;
  readonly answers: readonly { readonly status: number; readonly body: string }[];
  /** The next request is answered by what the receiver says to the first one, sent again. */
  replayFirst(): void;
}

/** Hands requests on to a receiver of OTLP over HTTP, and its answers back. */
async function startProxy(target: string): Promise<Proxy> {
  const answers: { status: number; body: string }[] = [];
  let first: Buffer | undefined;
  let replay = false;
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      first ??= body;
      const sent = replay ? first : body;
      replay = false;
      const answer = await fetch(target, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: new Uint8Array(sent),
      });
      const content = Buffer.from(await answer.arrayBuffer());
      answers.push({ status: answer.status, body: content.toString() });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(content);
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/v1/metrics`,
    answers,
    replayFirst: () => void (replay = true),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
