/**
 * PromQL of the metrics that the registry has: a metric or a label that it does not have is no type. Tasks are rare, so that windows are of hours,
 * and what counts is `increase`.
 */
import { prometheusName } from '../../packages/core/src/outbox/metrics/text.ts';
import { metrics } from '../../packages/core/src/outbox/registry.ts';

type Metrics = typeof metrics;
export type MetricName = keyof Metrics;
type Label<Name extends MetricName> = Metrics[Name]['labels'][number];
type Named<Instrument extends string> = { [Name in MetricName]: Metrics[Name]['instrument'] extends Instrument ? Name : never }[MetricName];
/** Values of labels: `=`, `!=`, `=~` or `!~` and the value. */
type Where<Name extends MetricName> = { readonly [Only in Label<Name>]?: `${'=' | '!=' | '=~' | '!~'}${string}` };

/** An expression and the labels that its series have. */
export interface Expression<Of extends string> {
  readonly text: string;
  /** Keeps the labels in the type. */
  readonly labels?: Of;
}

/** Makes expressions whose series are all chosen by the same values, by label; a metric without that label is not chosen by it. */
export function promql(choices: Readonly<Record<string, string>>) {
  function select<Name extends MetricName>(name: Name, where: Where<Name>, part = ''): string {
    const { instrument, unit, labels } = metrics[name];
    const chosen = labels.flatMap((label): [string, string][] => (label in choices ? [[label, `=~${choices[label]}`]] : []));
    const pairs = [...chosen, ...Object.entries(where)].map(([label, matcher]) => {
      const [, operator = '', value = ''] = /^(=~|!~|!=|=)(.*)$/.exec(String(matcher)) ?? [];
      return `${labelName(label)}${operator}"${value}"`;
    });
    return `${prometheusName(name, instrument, unit)}${part}${pairs.length > 0 ? `{${pairs.join(', ')}}` : ''}`;
  }
  return {
    /** What a counter has grown by. */
    grown: <Name extends Named<'counter'>>(name: Name, window: string, where: Where<Name> = {}): Expression<Label<Name>> => ({
      text: `increase(${select(name, where)}[${window}])`,
    }),
    /** How often a histogram was given a value. */
    counted: <Name extends Named<'histogram'>>(name: Name, window: string, where: Where<Name> = {}): Expression<Label<Name>> => ({
      text: `increase(${select(name, where, '_count')}[${window}])`,
    }),
    /** The sum of what it was given. */
    summed: <Name extends Named<'histogram'>>(name: Name, window: string, where: Where<Name> = {}): Expression<Label<Name>> => ({
      text: `increase(${select(name, where, '_sum')}[${window}])`,
    }),
    /** What lies in its buckets. */
    spread: <Name extends Named<'histogram'>>(name: Name, window: string, where: Where<Name> = {}): Expression<Label<Name> | 'le'> => ({
      text: `increase(${select(name, where, '_bucket')}[${window}])`,
    }),
    /** The value now. */
    now: <Name extends Named<'gauge' | 'updowncounter'>>(name: Name, where: Where<Name> = {}): Expression<Label<Name>> => ({
      text: select(name, where),
    }),
  };
}

/** An attribute's name as a label of Prometheus. */
export function labelName(attribute: string): string {
  return attribute.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

export function sum<Of extends string>({ text }: Expression<Of>, by: readonly NoInfer<Of>[] = []): string {
  return `sum${grouping(by)}(${text})`;
}

export function max<Of extends string>({ text }: Expression<Of>, by: readonly NoInfer<Of>[] = []): string {
  return `max${grouping(by)}(${text})`;
}

/** @param share from 0 to 1 */
export function quantile<Of extends string>(share: number, { text }: Expression<Of | 'le'>, by: readonly NoInfer<Of>[] = []): string {
  return `histogram_quantile(${share}, sum${grouping(['le', ...by])}(${text}))`;
}

/** What part has of whole; 0 where there is no part at all, nothing where there is no whole. */
export function share(part: string, whole: string): string {
  return `(${part} or 0 * ${whole}) / (${whole} > 0)`;
}

/** Nothing where the dividend is unknown, and nothing, not infinity, where the divisor is 0. */
export function ratio(dividend: string, divisor: string): string {
  return `${dividend} / (${divisor} > 0)`;
}

function grouping(labels: readonly string[]): string {
  return labels.length === 0 ? '' : ` by (${labels.map(labelName).join(', ')}) `;
}
