import type { Point } from '../../store/metrics.ts';
import { definitionOf } from './points.ts';

/** The totals as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/. Its names are those that its OTLP receiver makes. */
export function prometheusText({ points }: { readonly points: readonly Point[] }): string {
  const byMetric = Map.groupBy(points, ({ metric }) => metric);
  const lines = [...byMetric].flatMap(([metric, series]) => {
    const definition = definitionOf(metric);
    if (!definition) return [];
    const { instrument, unit, description, scale, buckets } = definition;
    const name = prometheusName(metric, instrument, unit);
    const samples = series.flatMap((point) =>
      instrument === 'histogram' ? histogram(name, point, scale, buckets ?? []) : [sample(name, point.labels, point.sum / scale)],
    );
    return [
      `# HELP ${name} ${description.replaceAll('\\', '\\\\')}`,
      `# TYPE ${name} ${instrument === 'updowncounter' ? 'gauge' : instrument}`,
      ...samples,
    ];
  });
  return `${lines.join('\n')}\n`;
}

const unitNames: Readonly<Record<string, string>> = { s: 'seconds' };

/** A unit in braces is no unit; 1 is one of a gauge only, and makes it a ratio. */
export function prometheusName(metric: string, instrument: string, unit: string): string {
  const base = metric.replaceAll(/[^a-zA-Z0-9_]/g, '_');
  const suffix = suffixOf(instrument, unit);
  const named = base.endsWith(suffix) ? base : `${base}${suffix}`;
  return instrument === 'counter' ? `${named.replace(/_total$/, '')}_total` : named;
}

function suffixOf(instrument: string, unit: string): string {
  if (unit === '1') return instrument === 'gauge' ? '_ratio' : '';
  return unit.startsWith('{') ? '' : `_${unitNames[unit] ?? unit}`;
}

function histogram(name: string, { labels, count, sum, buckets = [] }: Point, scale: number, ends: readonly number[]): string[] {
  let below = 0;
  return [
    ...ends.map((end, index) => sample(`${name}_bucket`, { ...labels, le: String(end) }, (below += buckets[index] ?? 0))),
    sample(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
    sample(`${name}_sum`, labels, sum / scale),
    sample(`${name}_count`, labels, count),
  ];
}

function sample(name: string, labels: Point['labels'], value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
