import type { ModelCall } from '@singletree/sdk';
import { cost, exact, facts } from './figures.ts';
import type { Look } from './look.ts';
import { paint } from './marks.ts';
import { table, type Column } from './table.ts';
import { oneLine } from './text.ts';
import { atLeast, sumKnown } from './usage.ts';

const columns: readonly Column[] = [
  { head: 'attempt', align: 'right' },
  { head: 'when', spare: 2 },
  { head: 'thread', least: 10 },
  { head: 'model', least: 8, spare: 1 },
  { head: 'input', align: 'right' },
  { head: 'cached', align: 'right' },
  { head: 'written', align: 'right' },
  { head: 'output', align: 'right' },
  { head: 'reasoning', align: 'right' },
  { head: 'cost', align: 'right' },
  { head: 'source', least: 8, spare: 0 },
];

const kinds = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
] as const satisfies readonly (keyof NonNullable<ModelCall['usage']>)[];

/**
 * The usage ledger of a task as a table, with the sums of its columns. A figure that is unknown is a dash, and no part of a sum.
 *
 * @param partial of which more was used, or cost, than is known
 */
export function modelCallLines(
  calls: readonly ModelCall[],
  partial: { readonly tokens: boolean; readonly cost: boolean },
  look: Look,
): string[] {
  if (calls.length === 0) return ['  no model call is known'];
  const unknown = look.unicode ? '–' : '-';
  const rows = calls.map((call) => [
    `${call.attempt}`,
    call.at === undefined ? unknown : timeOf(call.at),
    threadOf(call),
    call.model === undefined ? unknown : oneLine(call.model),
    ...kinds.map((kind) => figure(call.usage?.[kind], exact, unknown)),
    figure(call.costUsdMicros, cost, unknown),
    sourceOf(call),
  ]);
  const sums = [
    'all',
    '',
    '',
    '',
    ...kinds.map((kind) =>
      figure(sumKnown(calls.map(({ usage }) => usage?.[kind])), (sum) => atLeast(partial.tokens) + exact(sum), unknown),
    ),
    figure(sumKnown(calls.map(({ costUsdMicros }) => costUsdMicros)), (sum) => atLeast(partial.cost) + cost(sum), unknown),
    '',
  ];
  const lines = table(look, columns, [...rows, sums]);
  return [...lines.slice(0, -1), ...lines.slice(-1).map((line) => paint(look, 'bold', line))];
}

/** An entry without an id is no call: what the harness counts beyond all that it has told one by one. */
function threadOf({ callId, subagentId, compaction }: ModelCall): string {
  if (callId === undefined) return 'told in sum only';
  return facts(subagentId === undefined ? 'main' : `sub-agent ${oneLine(subagentId)}`, compaction && 'compaction');
}

function sourceOf({ usage, costSource, provisional }: ModelCall): string {
  return facts(
    usage?.provenance,
    costSource !== undefined && costSource !== 'harness' && costSource.replaceAll('_', ' '),
    provisional && 'not all yet',
  );
}

function figure(value: number | undefined, show: (value: number) => string, unknown: string): string {
  return value === undefined ? unknown : show(value);
}

function timeOf(at: Date): string {
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
