/** The panels as Grafana's provisioning reads them: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/. */
import { prometheusName } from '../../packages/core/src/outbox/metrics/text.ts';
import { metrics } from '../../packages/core/src/outbox/registry.ts';
import { rows, type choices, type Panel, type Query } from './panels.ts';
import { labelName } from './promql.ts';

/** Uids of deploy/grafana/provisioning/datasources. */
const prometheus = { type: 'prometheus', uid: '${metrics}' };
const jaeger = { type: 'jaeger', uid: '${traces}' };

const types = { number: 'stat', lines: 'timeseries', bars: 'timeseries', list: 'bargauge', table: 'table', heatmap: 'heatmap' } as const;
const heights = { number: 4, lines: 8, bars: 8, list: 8, table: 8, heatmap: 8 } as const;
const wholeRow = 24;
const refIds = 'ABCDEFGH';

export function dashboard(): object {
  let [x, y, tallest] = [0, 0, 0];
  let id = 0;
  /** From left to right, and in a new line where there is no more space. */
  const place = (width: number, height: number): object => {
    if (x + width > wholeRow) [x, y, tallest] = [0, y + tallest, 0];
    const at = { h: height, w: width, x, y };
    x += width;
    tallest = Math.max(tallest, height);
    return at;
  };
  const panels = rows.flatMap(({ title, panels: ofRow }) => [
    { id: ++id, type: 'row', title, collapsed: false, panels: [], gridPos: place(wholeRow, 1) },
    ...ofRow.map((panel) => ({ id: ++id, ...panelJson(panel), gridPos: place(panel.width, heights[panel.kind]) })),
  ]);
  const row = { id: ++id, type: 'row', title: 'Traces', collapsed: false, panels: [], gridPos: place(wholeRow, 1) };
  const traces = { id: ++id, ...tracesJson, gridPos: place(wholeRow, 10) };
  return {
    uid: 'singletree',
    id: null,
    title: 'Singletree',
    description: 'What coding agents were asked for, what came of it, and what it cost.',
    tags: ['singletree'],
    schemaVersion: 41,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels: [...panels, row, traces],
  };
}

function panelJson({ title, about, kind, unit, queries }: Panel): object {
  // What Prometheus adds at the ends of a range makes fractions of them.
  const isCount = unit === 'none' && kind !== 'lines';
  return {
    type: types[kind],
    title,
    description: about,
    datasource: prometheus,
    fieldConfig: { defaults: { unit, ...(isCount ? { decimals: 0 } : {}), ...fields[kind] }, overrides: [] },
    options: options[kind],
    ...(kind === 'table' ? { transformations: tableOf(queries) } : {}),
    targets: queries.map((query, index) => target(kind, query, refIds.charAt(index))),
  };
}

/** What is of now or of the whole range is asked once; a curve is asked for each of its points. */
function target(kind: Panel['kind'], { expression, legend }: Query, refId: string): object {
  const instant = kind === 'number' || kind === 'list' || kind === 'table';
  const formats = {
    number: 'time_series',
    lines: 'time_series',
    bars: 'time_series',
    list: 'time_series',
    table: 'table',
    heatmap: 'heatmap',
  };
  return {
    refId,
    datasource: prometheus,
    expr: expression,
    legendFormat: legend || '__auto',
    instant,
    range: !instant,
    format: formats[kind],
  };
}

const fields: Readonly<Record<Panel['kind'], object>> = {
  number: {},
  lines: { min: 0, custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'auto', spanNulls: true } },
  bars: { min: 0, custom: { drawStyle: 'bars', lineWidth: 0, fillOpacity: 80, stacking: { mode: 'normal', group: 'A' } } },
  list: { min: 0 },
  table: {},
  heatmap: {},
};

const reduced = { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } };
const legend = { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } };
const options: Readonly<Record<Panel['kind'], object>> = {
  number: { ...reduced, colorMode: 'none', graphMode: 'none' },
  lines: legend,
  bars: legend,
  list: { ...reduced, orientation: 'horizontal', displayMode: 'basic' },
  table: { showHeader: true },
  heatmap: { calculate: false, color: { mode: 'scheme', scheme: 'Blues' }, yAxis: { unit: 'percentunit' }, cellGap: 1 },
};

/** One line for each set of labels; its columns are the labels, in plain words, and the queries. */
function tableOf(queries: readonly Query[]): readonly object[] {
  const columns = queries.map(({ legend: head }, index) => [`Value #${refIds.charAt(index)}`, head] as const);
  const only = columns.length === 1 ? ([['Value', queries[0]?.legend ?? '']] as const) : columns;
  const labels = {
    gen_ai_agent_name: 'harness',
    gen_ai_response_model: 'model',
    singletree_task_type: 'task type',
    cicd_pipeline_task_name: 'gate',
    singletree_outbox_destination: 'destination',
  };
  return [
    { id: 'merge', options: {} },
    { id: 'organize', options: { excludeByName: { Time: true }, renameByName: { ...labels, ...Object.fromEntries(only) } } },
  ];
}

const tracesJson = {
  type: 'table',
  title: 'Latest traces',
  description: 'Each of a finished task. Follow one to see its attempts, gates and waits.',
  datasource: jaeger,
  fieldConfig: { defaults: {}, overrides: [] },
  options: { showHeader: true },
  targets: [{ refId: 'A', datasource: jaeger, queryType: 'search', service: 'singletree', limit: 20 }],
};

/** Where the values of a variable are read. */
function variables(): readonly object[] {
  const source = (name: string, label: string, type: string): object => ({
    name,
    label,
    type: 'datasource',
    query: type,
    current: { text: name === 'metrics' ? 'Prometheus' : 'Jaeger', value: type },
    hide: 0,
    refresh: 1,
    options: [],
  });
  const chosen = (name: string, label: string, values: string): object => ({
    name,
    label,
    type: 'query',
    datasource: prometheus,
    definition: values,
    query: { query: values, refId: name },
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { text: 'All', value: '$__all' },
    refresh: 2,
    sort: 1,
    options: [],
  });
  const windows = ['15m', '1h', '6h', '1d', '7d'];
  return [
    source('metrics', 'Metrics', 'prometheus'),
    source('traces', 'Traces', 'jaeger'),
    ...variableQueries.map(({ name, label, query }) => chosen(name, label, query)),
    {
      name: 'window',
      label: 'Window',
      description: 'What each point of a curve looks back on. Tasks are rare: minutes would show nothing.',
      type: 'custom',
      query: windows.join(','),
      current: { text: '1h', value: '1h' },
      options: windows.map((value) => ({ text: value, value, selected: value === '1h' })),
    },
  ];
}

const valuesOf = (label: keyof typeof choices): string => {
  const { instrument, unit } = metrics['singletree.task.completions'];
  return `label_values(${prometheusName('singletree.task.completions', instrument, unit)}, ${labelName(label)})`;
};

export const variableQueries = [
  { name: 'harness', label: 'Harness', query: valuesOf('gen_ai.agent.name') },
  { name: 'model', label: 'Model', query: valuesOf('gen_ai.response.model') },
  { name: 'task_type', label: 'Task type', query: valuesOf('singletree.task.type') },
] as const;
