import type { ReceivedSpan } from '@singletree/testing';
import { duration } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { paint } from '../terminal/marks.ts';
import { padEnd, widthOf } from '../terminal/text.ts';

interface Branch {
  /** What leads from the root to here. */
  readonly rails: string;
  readonly span: ReceivedSpan;
}

/** The spans as a tree, each once however often it came, children in the order in which they began. */
export function traceTree(spans: readonly ReceivedSpan[], look: Look): string[] {
  const once = [...new Map(spans.map((span) => [span.spanId, span])).values()];
  const known = new Set(once.map(({ spanId }) => spanId));
  const roots = once.filter(({ parentSpanId }) => parentSpanId === undefined || !known.has(parentSpanId));
  const rows = roots
    .flatMap((root) => branchesOf(root, once, look, '', ''))
    .map(({ rails, span }) => [rails + span.name, aside(span), duration(lengthMs(span))]);
  const width = (column: number): number => Math.max(...rows.map((row) => widthOf(row[column] ?? '')));
  const [name, note, time] = [width(0), width(1), width(2)];
  return rows.map(
    (row) => `${padEnd(row[0] ?? '', name)}  ${paint(look, 'dim', padEnd(row[1] ?? '', note))}  ${(row[2] ?? '').padStart(time)}`,
  );
}

function branchesOf(span: ReceivedSpan, all: readonly ReceivedSpan[], look: Look, rails: string, below: string): Branch[] {
  const children = all.filter(({ parentSpanId }) => parentSpanId === span.spanId).sort((a, b) => Number(a.start - b.start));
  const [fork, last, rail] = look.unicode ? ['├─ ', '└─ ', '│  '] : ['|- ', '`- ', '|  '];
  return [
    { rails, span },
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
