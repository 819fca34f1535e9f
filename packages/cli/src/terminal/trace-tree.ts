import type { AttributeValue, ReceivedSpan } from '@singletree/testing';
import { duration } from './figures.ts';
import type { Look } from './look.ts';
import { paint } from './marks.ts';
import { oneLine, padEnd, widthOf } from './text.ts';

interface Branch {
  /** What leads from the root to here. */
  readonly rails: string;
  /** What leads on to the children. */
  readonly below: string;
  readonly span: ReceivedSpan;
}

/** The spans as a tree, each once however often it came, children in the order in which they began. */
export function traceTree(spans: readonly ReceivedSpan[], look: Look): string[] {
  const rows = branches(spans, look).map((branch) => rowOf(branch));
  return rows.map((row) => lineOf(row, widthsOf(rows), look));
}

/** The same, and below each span everything that it says. */
export function traceTreeInFull(spans: readonly ReceivedSpan[], look: Look): string[] {
  const all = branches(spans, look);
  const rows = all.map((branch) => rowOf(branch));
  const widths = widthsOf(rows);
  return all.flatMap((branch) => [
    lineOf(rowOf(branch), widths, look),
    ...said(branch).map((text) => paint(look, 'dim', branch.below) + text),
  ]);
}

type Row = readonly [name: string, note: string, time: string];

function rowOf({ rails, span }: Branch): Row {
  return [rails + oneLine(span.name), aside(span), duration(lengthMs(span))];
}

function widthsOf(rows: readonly Row[]): readonly [number, number, number] {
  const width = (column: 0 | 1 | 2): number => Math.max(...rows.map((row) => widthOf(row[column])));
  return [width(0), width(1), width(2)];
}

function lineOf([name, note, time]: Row, [nameWidth, noteWidth, timeWidth]: readonly [number, number, number], look: Look): string {
  return `${padEnd(name, nameWidth)}  ${paint(look, 'dim', padEnd(note, noteWidth))}  ${time.padStart(timeWidth)}`;
}

function said({ span: { attributes, links, status } }: Branch): string[] {
  const pairs: (readonly [string, string])[] = [
    ...Object.entries(attributes).map(([name, value]) => [name, valueText(value)] as const),
    ...links.map((link) => ['link', [...Object.values(link.attributes).map(valueText), link.spanId].join(' ')] as const),
    ...(status.message === '' ? [] : [['status', oneLine(status.message)] as const]),
  ];
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

/** A value as one line; a text as it is, since every other kind is told by its form. */
export function valueText(value: AttributeValue): string {
  return oneLine(
    typeof value === 'string' ? value : JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)),
  );
}

function branches(spans: readonly ReceivedSpan[], look: Look): Branch[] {
  const once = [...new Map(spans.map((span) => [span.spanId, span])).values()];
  const known = new Set(once.map(({ spanId }) => spanId));
  const roots = once.filter(({ parentSpanId }) => parentSpanId === undefined || !known.has(parentSpanId));
  return roots.flatMap((root) => branchesOf(root, once, look, '', ''));
}

function branchesOf(span: ReceivedSpan, all: readonly ReceivedSpan[], look: Look, rails: string, below: string): Branch[] {
  const children = all.filter(({ parentSpanId }) => parentSpanId === span.spanId).sort((a, b) => Number(a.start - b.start));
  const [fork, last, rail] = look.unicode ? ['├─ ', '└─ ', '│  '] : ['|- ', '`- ', '|  '];
  return [
    { rails, below: below + (children.length > 0 ? rail : '   '), span },
    ...children.flatMap((child, place) => {
      const isLast = place === children.length - 1;
      return branchesOf(child, all, look, below + (isLast ? last : fork), below + (isLast ? '   ' : rail));
    }),
  ];
}

const verdicts: Readonly<Record<string, string>> = { success: 'passed', failure: 'failed', error: 'could not run' };

function aside({ attributes }: ReceivedSpan): string {
  const verdict = attributes['cicd.pipeline.task.run.result'];
  if (typeof verdict === 'string') return verdicts[verdict] ?? verdict;
  const attempt = attributes['singletree.attempt.number'];
  if (typeof attempt === 'number') return `attempt ${attempt}`;
  const outcome = attributes['singletree.task.outcome'];
  return typeof outcome === 'string' ? outcome : '';
}

function lengthMs({ start, end }: ReceivedSpan): number {
  return Number(end - start) / 1e6;
}
