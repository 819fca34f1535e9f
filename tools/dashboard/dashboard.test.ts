import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { prometheusName } from '../../packages/core/src/outbox/metrics/text.ts';
import { metrics } from '../../packages/core/src/outbox/registry.ts';
import { generated } from './generate.ts';
import { dashboard, variableQueries } from './grafana.ts';
import { rows } from './panels.ts';
import { labelName } from './promql.ts';
import { alerts, recordings } from './rules.ts';

/** The dashboard, the rules, the registry and what Grafana is provisioned with agree. Whether the queries have answers is asked of a real Prometheus. */

const deploy = join(import.meta.dirname, '../../deploy');
const read = (path: string): unknown => parse(readFileSync(join(deploy, path), 'utf8'));

test.each(Object.entries(generated))('%s is fresh: else run `pnpm generate`', (file, text) => {
  expect(readFileSync(file, 'utf8')).toBe(text);
});

const queries = rows.flatMap(({ panels }) =>
  panels.flatMap(({ title, queries: each }) => each.map(({ expression }) => [title, expression] as const)),
);
const functions = ['absent_over_time', 'and', 'by', 'histogram_quantile', 'increase', 'le', 'max', 'on', 'or', 'sum'];

test.each([
  ...queries,
  ...variableQueries.map(({ name, query }) => [name, query.replace('label_values', '')] as const),
  ...recordings.map(({ record, expression }) => [record, expression] as const),
  ...alerts.map(({ alert, quantity, enough = '' }) => [alert, `${quantity} ${enough}`] as const),
])('%s asks for metrics and labels that the registry has', (_title, expression) => {
  const names = Object.entries(metrics).flatMap(([metric, { instrument, unit }]) => {
    const name = prometheusName(metric, instrument, unit);
    return instrument === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
  });
  const labels = Object.values(metrics).flatMap((metric) => metric.labels.map(labelName));
  const known = new Set([...names, ...labels, ...functions, ...recordings.map(({ record }) => record)]);
  const words = expression.replaceAll(/"[^"]*"|\[[^\]]*\]/g, '').match(/[a-zA-Z_][\w:]*/g) ?? [];
  expect(words.filter((word) => !known.has(word))).toEqual([]);
  expect(words.filter((word) => names.includes(word) || word.includes(':'))).not.toEqual([]);
});

interface Board {
  readonly panels: readonly {
    readonly id: number;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly current: { readonly value: string } }[];
  };
}

test('every panel has an id and a place of its own, and every variable that is used is there', () => {
  const board = dashboard() as Board;
  expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
  const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...cells.map((cell) => Number(cell.split(' ')[0])))).toBe(23);
  const used = new Set([...JSON.stringify(board.panels).matchAll(/\$\{?(\w+)\}?/g)].map(([, name]) => name));
  used.delete('__range');
  expect(used).toEqual(new Set(board.templating.list.map(({ name }) => name)));
});

test('Grafana is provisioned with the data sources that the dashboard asks for', () => {
  const { datasources } = read('grafana/provisioning/datasources/singletree.yaml') as {
    datasources: { uid: string; type: string; url: string }[];
  };
  const sources = (dashboard() as Board).templating.list.filter(({ type }) => type === 'datasource');
  expect(sources.map(({ current }) => current.value)).toEqual(datasources.map(({ uid }) => uid));
  const { services } = read('compose.yaml') as { services: Record<string, { volumes: string[] }> };
  for (const { url } of datasources) expect(services).toHaveProperty(new URL(url).hostname);

  const { providers } = read('grafana/provisioning/dashboards/singletree.yaml') as { providers: { options: { path: string } }[] };
  const mounted = services['grafana']?.volumes.map((volume) => volume.split(':')) ?? [];
  const [folder = ''] = mounted.find(([, inside]) => inside === providers[0]?.options.path) ?? [];
  expect(existsSync(join(deploy, folder, 'singletree.json'))).toBe(true);
  expect(mounted.map(([, inside]) => inside)).toContain('/etc/grafana/provisioning');
});

test('Prometheus reads the rules', () => {
  const { rule_files: files } = read('prometheus/prometheus.yaml') as { rule_files: string[] };
  expect(files).toEqual(['rules.yaml']);
});
