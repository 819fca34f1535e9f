import { join } from 'node:path';
import type { Singletree } from '@singletree/sdk';
import { startOtlpReceiver, until, type OtlpReceiver } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { variableQueries } from '../../tools/dashboard/grafana.ts';
import { rows } from '../../tools/dashboard/panels.ts';
import { alerts, recordings } from '../../tools/dashboard/rules.ts';
import { aTask, finished } from '../support/daemon.ts';
import { fixtureNames, openScene, type Scene } from './support/fixture.ts';
import { startPrometheus, type Prometheus } from './support/prometheus.ts';
import { missing } from './support/server.ts';

/** Every question of the dashboard, the rules and the alerts has an answer in a real Prometheus, once tasks have ended in every way. */

const limitMs = 30_000;
const deployed = join(import.meta.dirname, '../../deploy/prometheus');
const everyRule = [...recordings.map(({ record }) => record), ...alerts.map(({ alert }) => alert)].toSorted();
const reason = missing('prometheus');
const panels = rows.flatMap(({ panels: each }) => each);
const questions = panels.flatMap(({ title, kind, queries }) =>
  queries.map(({ expression, legend }) => ({ title, kind, legend, expression })),
);

/** Of what nothing is there when all went well. The others have to see something. */
const usuallyZero = new Set([
  'Active',
  'Queued',
  'Blocked',
  'fresh sessions',
  'Age of the oldest record to deliver',
  'Records to deliver',
  'records refused',
  'spans left out',
]);

interface Rule {
  readonly name: string;
  readonly type: 'recording' | 'alerting';
  readonly health: string;
  readonly lastError?: string;
  /** Of alerts. */
  readonly state?: string;
}

interface Groups {
  readonly groups: readonly { readonly lastEvaluation: string; readonly rules: readonly Rule[] }[];
}

describe.skipIf(reason !== undefined)(`the dashboard, rules and alerts${reason === undefined ? '' : ` (${reason})`}`, () => {
  const stack = new AsyncDisposableStack();
  let scene: Scene;
  let prometheus: Prometheus;
  let receiver: OtlpReceiver;
  let client: Singletree;

  beforeAll(async () => {
    scene = stack.use(await openScene());
    receiver = stack.use(await startOtlpReceiver());
    prometheus = stack.use(
      await startPrometheus(join(scene.folder, 'prometheus'), {
        global: { evaluation_interval: '1s' },
        rule_files: [join(deployed, 'rules.yaml')],
        storage: { tsdb: { out_of_order_time_window: '2h' } },
      }),
    );
    client = await scene.daemon.start({
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlp,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    });
    await scene.run(client);
    await arrived('singletree_outbox_delivered_total', fixtureNames.length);
    await arrived('singletree_task_completions_total', fixtureNames.length);
    await evaluated();
  });
  afterAll(() => stack.disposeAsync());

  test.each(questions)('$title $legend', async ({ expression, kind, title, legend }) => {
    const samples = await prometheus.query(filled(expression));
    expect(samples).not.toEqual([]);
    for (const { value } of samples) expect(Number.isFinite(value)).toBe(true);
    if (kind === 'number') expect(samples).toHaveLength(1);
    expect(samples.some(({ value }) => value !== 0)).toBe(!usuallyZero.has(title) && !usuallyZero.has(legend));
  });

  test.each(variableQueries)('values of the variable $name', async ({ query }) => {
    const [, metric = '', label = ''] = /^label_values\((.*), (.*)\)$/.exec(query) ?? [];
    const values = await prometheus.get<string[]>(`/api/v1/label/${label}/values?${new URLSearchParams({ 'match[]': metric }).toString()}`);
    expect(values).not.toEqual([]);
  });

  test.each(recordings)('$record', async ({ record, expression }) => {
    const samples = await prometheus.query(record);
    expect(samples).not.toEqual([]);
    expect(samples).toHaveLength((await prometheus.query(expression)).length);
  });

  test.each(alerts.filter(({ quantity }) => !quantity.startsWith('absent')))(
    '$alert has something to look at',
    async ({ quantity, enough }) => {
      for (const expression of [quantity, ...(enough === undefined ? [] : [enough.replace(/ >= .*/, '')])]) {
        const samples = await prometheus.query(expression);
        expect(samples).not.toEqual([]);
        for (const { value } of samples) expect(Number.isFinite(value)).toBe(true);
      }
    },
  );

  test('no rule has an error, and no alert is raised', async () => {
    const found = await rules();
    expect(found.map(({ name }) => name).toSorted()).toEqual(everyRule);
    expect(found.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(found.filter(({ type, state }) => type === 'alerting' && state !== 'inactive')).toEqual([]);
  });

  test('the configuration of deploy/ loads them', async () => {
    await using other = await startPrometheus(join(scene.folder, 'deployed'), join(deployed, 'prometheus.yaml'));
    const { groups: loaded } = await other.get<Groups>('/api/v1/rules');
    expect(loaded.flatMap((group) => group.rules.map(({ name }) => name)).toSorted()).toEqual(everyRule);
  });

  test('alerts are raised when most tasks fail, when a receiver refuses records, and when no metrics come', async () => {
    receiver.setBehaviour({ status: 400, message: 'not like this' });
    const { id } = await client.tasks.create(
      aTask(scene.workspace, { instructions: 'LOOK ONLY', taskType: 'refactoring', limits: { maxAttempts: 1 } }),
    );
    expect((await finished(client, id)).completion?.outcome).toBe('failure');
    await arrived('singletree_outbox_dead_total', 1);
    await arrived('singletree_task_completions_total', fixtureNames.length + 1);
    await evaluated();
    const states = Object.fromEntries((await rules()).flatMap(({ name, state }) => (state === undefined ? [] : [[name, state]])));
    expect(states).toEqual({
      ...Object.fromEntries(alerts.map(({ alert }) => [alert, 'inactive'])),
      SingletreeRecordsRefused: 'firing',
      // It has to last.
      SingletreeTasksFail: 'pending',
    });

    await scene.daemon.stop();
    const silent = alerts.find(({ alert }) => alert === 'SingletreeSilent');
    const soon = silent?.quantity.replace('[10m]', '[3s]') ?? '';
    await until(async () => (await prometheus.query(soon))[0]?.value === 1, { what: 'silence', timeoutMs: limitMs, everyMs: 100 });
  });

  /** Waits for a sum over all series. */
  async function arrived(metric: string, value: number): Promise<void> {
    await until(async () => (await prometheus.query(`sum(${metric})`))[0]?.value === value, {
      what: `${metric} ${value}`,
      timeoutMs: limitMs,
      everyMs: 100,
    });
  }

  /** Waits until the rules have been evaluated with what is there now. */
  async function evaluated(): Promise<void> {
    const begin = Date.now();
    await until(async () => (await groups()).every(({ lastEvaluation }) => Date.parse(lastEvaluation) > begin + 1_000), {
      what: 'the rules to be evaluated',
      timeoutMs: limitMs,
      everyMs: 100,
    });
  }

  async function groups(): Promise<Groups['groups']> {
    return (await prometheus.get<Groups>('/api/v1/rules')).groups;
  }

  async function rules(): Promise<Rule[]> {
    return (await groups()).flatMap((group) => group.rules);
  }
});

/** As Grafana asks when everything is chosen. */
function filled(expression: string): string {
  return expression
    .replaceAll('$__range', '1h')
    .replaceAll('$window', '1h')
    .replaceAll(/\$(harness|model|task_type)/g, '.*');
}
