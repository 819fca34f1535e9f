/** What is generated from the registry in telemetry/registry: the constants of the code and the tables of docs/telemetry.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { conventions } from '../packages/core/src/outbox/conventions.ts';

const root: string = dirname(import.meta.dirname);
const registry: string = join(root, 'telemetry/registry');
const stability = z.literal('development');
const ownValue = z.object({ singletree: z.object({ value: z.enum(['id', 'name', 'text', 'texts']) }) });

const attribute = z
  .strictObject({
    key: z.string().startsWith('singletree.'),
    type: z.union([
      z.enum(['string', 'string[]', 'int', 'double', 'boolean']),
      z.object({ members: z.array(z.object({ id: z.string(), value: z.string(), stability })) }),
    ]),
    stability,
    brief: z.string().endsWith('.'),
    note: z.string().optional(),
    examples: z.array(z.unknown()).optional(),
    annotations: ownValue.optional(),
  })
  .refine(
    ({ type, annotations }) => (type === 'string' || type === 'string[]') === (annotations !== undefined),
    'a string says what it may hold, and nothing else does',
  )
  .refine(({ type, annotations }) => (type === 'string[]') === (annotations?.singletree.value === 'texts'), 'several strings are texts');

const reference = z.strictObject({
  ref: z.string(),
  requirement_level: z.union([z.enum(['required', 'recommended', 'opt_in']), z.object({ conditionally_required: z.string() })]),
  note: z.string().optional(),
});

const span = z.strictObject({
  type: z.string(),
  kind: z.enum(['internal', 'client']),
  name: z.object({ note: z.string() }),
  brief: z.string(),
  note: z.string().optional(),
  stability,
  attributes: z.array(reference),
});

const metric = z.strictObject({
  name: z.string(),
  instrument: z.enum(['counter', 'updowncounter', 'gauge', 'histogram']),
  unit: z.string(),
  brief: z.string().endsWith('.'),
  note: z.string().optional(),
  stability,
  annotations: z.object({
    code_generation: z.object({ metric_value_type: z.enum(['int', 'double']) }),
    singletree: z.object({ scale: z.int().positive().default(1), buckets: z.array(z.number()).optional() }).prefault({}),
  }),
  attributes: z.array(reference).default([]),
});

export interface Registry {
  readonly attributes: readonly z.output<typeof attribute>[];
  readonly spans: readonly z.output<typeof span>[];
  readonly metrics: readonly z.output<typeof metric>[];
}

const form = z.literal('definition/2');

/** Reads the registry. Throws where it is not of its form, or names an attribute that neither it nor a convention has. */
export function readRegistry(): Registry {
  const read = (file: string): unknown => parse(readFileSync(join(registry, file), 'utf8'));
  const { attributes } = z.object({ file_format: form, attributes: z.array(attribute) }).parse(read('attributes.yaml'));
  const { spans } = z.object({ file_format: form, spans: z.array(span) }).parse(read('spans.yaml'));
  const { metrics } = z.object({ file_format: form, metrics: z.array(metric) }).parse(read('metrics.yaml'));
  const known = new Set([...attributes.map(({ key }) => key), ...Object.keys(conventions)]);
  const used = [...spans, ...metrics].flatMap((each) => each.attributes.map(({ ref }) => ref));
  const unknown = used.find((ref) => !known.has(ref));
  if (unknown !== undefined) throw new Error(`telemetry/registry names the attribute ${unknown}, which nothing defines`);
  const silent = spans.flatMap((each) => each.attributes).find(({ ref, note }) => note === undefined && ref in conventions);
  if (silent) throw new Error(`telemetry/registry does not say what ${silent.ref} means here`);
  const content = new Set(attributes.filter((each) => each.annotations?.singletree.value.startsWith('text')).map(({ key }) => key));
  const open = [...spans, ...metrics]
    .flatMap((each) => each.attributes)
    .find(({ ref, requirement_level: level }) => content.has(ref) !== (level === 'opt_in'));
  if (open) throw new Error(`telemetry/registry: ${open.ref} is content and not opt_in, or the other way round`);
  const unused = attributes.find(({ key }) => !used.includes(key));
  if (unused) throw new Error(`telemetry/registry defines ${unused.key}, which no span and no metric has`);
  return { attributes, spans, metrics };
}

/** What a value of the attribute may be, in the words of the code. */
function kindOf({ type, annotations }: Registry['attributes'][number]): string {
  if (typeof type === 'object') return 'enum';
  if (type === 'string' || type === 'string[]') return annotations?.singletree.value ?? 'id';
  return type === 'boolean' ? 'boolean' : 'number';
}

/** As the formatter writes it, with what else stands on its line. */
function listOf(items: readonly string[], beside: string, indent: string): string {
  const line = `[${items.join(', ')}]`;
  return line.length <= 140 - beside.length ? line : `[\n${items.map((item) => `${indent}  ${item},\n`).join('')}${indent}]`;
}

const generatedBy = '// Generated from telemetry/registry by `pnpm generate`; do not edit.';

/** packages/core/src/outbox/registry.ts as the registry gives it. */
export function constantsOf({ attributes, metrics }: Registry): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const kinds = attributes.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map((each) => `  ${quoted(each.key)}: ${quoted(kindOf(each))},`);
  const members = attributes.flatMap(({ key, type }) =>
    typeof type === 'object'
      ? [
          `  ${quoted(key)}: ${listOf(
            type.members.map(({ value }) => quoted(value)),
            `  ${quoted(key)}: ,`,
            '  ',
          )},`,
        ]
      : [],
  );
  const definitions = metrics.map(({ name, instrument, unit, brief, annotations, attributes: labels }) => {
    const { scale, buckets } = annotations.singletree;
    return [
      `  ${quoted(name)}: {`,
      `    instrument: ${quoted(instrument)},`,
      `    unit: ${quoted(unit)},`,
      `    description: ${quoted(brief)},`,
      `    scale: ${scale},`,
      ...(buckets ? [`    buckets: [${buckets.join(', ')}],`] : []),
      `    labels: ${listOf(
        labels.map(({ ref }) => quoted(ref)),
        '    labels: ,',
        '    ',
      )},`,
      '  },',
    ].join('\n');
  });
  return [
    generatedBy,
    '',
    '/** Attributes that no convention has a name for, and what their values may be. */',
    `export const ownAttributes = {\n${kinds.join('\n')}\n} as const;`,
    '',
    '/** The values of those that have a closed set of them. */',
    `export const members = {\n${members.join('\n')}\n} as const;`,
    '',
    '/** Every metric: how its total is kept, as whole numbers of which `scale` are one of the unit, and the labels of its points. */',
    `export const metrics = {\n${definitions.join('\n')}\n} as const;`,
    '',
  ].join('\n');
}

const page: string = join(root, 'docs/telemetry.md');
const constants: string = join(root, 'packages/core/src/outbox/registry.ts');

/** docs/telemetry.md with its generated parts as the registry has them now. */
export function withTables(text: string, { attributes, spans, metrics }: Registry): string {
  const briefs = new Map(attributes.map(({ key, brief }) => [key, brief]));
  const tables: Readonly<Record<string, string>> = {
    spans: spans
      .map(({ name, brief, attributes: refs }) =>
        [
          `### ${name.note.replace(/^Span name is /, '').replace(/\.$/, '')}`,
          '',
          brief,
          '',
          table(
            ['attribute', 'what it says', 'set'],
            refs.map(({ ref, note, requirement_level: level }) => [`\`${ref}\``, note ?? briefs.get(ref) ?? '', whenSet(level)]),
          ),
        ].join('\n'),
      )
      .join('\n\n'),
    metrics: table(
      ['metric', 'kind', 'unit', 'labels', 'what it counts'],
      metrics.map(({ name, instrument, unit, brief, attributes: refs }) => [
        `\`${name}\``,
        instrument,
        `\`${unit}\``,
        refs.map(({ ref }) => `\`${ref}\``).join(', '),
        brief,
      ]),
    ),
  };
  return Object.entries(tables).reduce((whole, [name, content]) => {
    const part = new RegExp(`(<!-- generated: ${name} -->\\n).*?(<!-- end -->)`, 's');
    if (!part.test(whole)) throw new Error(`docs/telemetry.md has no part "generated: ${name}"`);
    return whole.replace(part, (_, begin: string, end: string) => `${begin}\n${content}\n\n${end}`);
  }, text);
}

function whenSet(level: z.output<typeof reference>['requirement_level']): string {
  if (level === 'required') return 'always';
  if (level === 'opt_in') return 'only with `telemetry.content`';
  return level === 'recommended' ? 'if known' : level.conditionally_required;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

if (import.meta.main) {
  const read = readRegistry();
  writeFileSync(constants, constantsOf(read));
  writeFileSync(page, withTables(readFileSync(page, 'utf8'), read));
}
