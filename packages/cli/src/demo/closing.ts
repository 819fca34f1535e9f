import type { TaskCompletionEvent } from '@singletree/sdk';
import type { MarkedProcess, ReceivedSpan } from '@singletree/testing';
import { cost, count, exact, facts, percent } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { paint, typeset } from '../terminal/marks.ts';
import { labelled, table } from '../terminal/table.ts';
import { clean, padEnd, widthOf } from '../terminal/text.ts';
import type { Panel } from './panels.ts';
import { kinds, type Comparison, type Kind } from './served.ts';
import { traceTree } from '../terminal/trace-tree.ts';

/** What was changed, out of a diff in git's own format. */
export function changePanel(diff: string, look: Look): Panel {
  const lines = clean(diff)
    .split('\n')
    .filter((line) => /^[+-]/.test(line) && !/^(--- |\+\+\+ a?)/.test(line))
    .map((line) => paint(look, line.startsWith('+') ? 'green' : 'red', line));
  const files = [...diff.matchAll(/^\+\+\+ b\/(.+)$/gm)].map(([, path]) => paint(look, 'dim', clean(path ?? '')));
  return { title: 'the change', lines: [...files, ...lines] };
}

export function eventPanel(event: TaskCompletionEvent, look: Look): Panel {
  const unknown = '–';
  const causes = Object.keys(event.retriesByCause).join(', ');
  const { actualCostUsdMicros: micros, contextUtilizationFinal: context, turnsPerTask: turns, tokensPerTask: tokens } = event;
  const pairs: [string, string][] = [
    ['outcome', event.outcome],
    ['retry_count', causes === '' ? String(event.retryCount) : `${event.retryCount} (${causes})`],
    ['gates run / failed', `${event.qualityGatesRun.join(', ') || unknown} / ${event.qualityGatesFailed.join(', ') || unknown}`],
    ['turns', turns === undefined ? unknown : String(turns)],
    ['tokens', tokens === undefined ? unknown : count(tokens)],
    ['context at end', context === undefined ? unknown : percent(context)],
    ['cost', micros === undefined ? unknown : facts(cost(micros), event.costSource && `by ${event.costSource}`)],
  ];
  return { title: 'the completion event', lines: labelled(look, pairs, '').map((line) => typeset(look, line)) };
}

/** Of a wait that is worth a line. */
const leastWaitNs = 1_000_000_000n;

export function tracePanel(spans: readonly ReceivedSpan[], look: Look): Panel {
  // In a demonstration nothing waits for longer than it takes to be claimed.
  const shown = spans.filter(({ name, start, end }) => !name.startsWith('wait ') || end - start >= leastWaitNs);
  return { title: 'the trace that the receiver got', lines: traceTree(shown, look) };
}

const heads: Readonly<Record<Kind, string>> = { input: 'input', cacheRead: 'cache read', cacheWrite: 'cache write', output: 'output' };

/** The proof at the end: what was served, what the event says, and what is left running. */
export function proofLines({ served, told, unequal }: Comparison, left: readonly MarkedProcess[], look: Look): string[] {
  const figure = (value: number | undefined): string => (value === undefined ? typeset(look, '–') : exact(value));
  const verdict =
    unequal.length === 0
      ? paint(look, 'green', 'equal')
      : paint(look, 'red', `not equal: ${unequal.map((kind) => heads[kind]).join(', ')}`);
  const columns = [{ head: '' }, ...kinds.map((kind) => ({ head: heads[kind], align: 'right' as const })), { head: '' }];
  const rows = [
    ['the model served', ...kinds.map((kind) => figure(served[kind])), ''],
    ['the event says', ...kinds.map((kind) => figure(told[kind])), verdict],
    ['processes left', paint(look, left.length === 0 ? 'green' : 'red', String(left.length)), ...kinds.map(() => ''), ''],
  ];
  return [...table(look, columns, rows), ...left.map(({ pid, command }) => `    ${pid}  ${clean(command)}`)];
}

/** How to go on with a repository of one's own. `program` is what the person types to start this command. */
export function nextLines(program: string, look: Look): string[] {
  const steps: [string, string][] = [
    [`${program} run --workspace ~/your/repo --gate test="npm test" "what should be done"`, ''],
    [`${program} harnesses`, 'which agents are installed and logged in'],
    [`OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 ${program} up`, 'to your own Jaeger or Grafana'],
  ];
  const width = Math.max(...steps.slice(1).map(([command]) => widthOf(command)));
  return steps.map(([command, what], place) => {
    const head = place === 0 ? paint(look, 'bold', 'next') : '    ';
    return `  ${head}   ${padEnd(command, width)}   ${paint(look, 'dim', what)}`.trimEnd();
  });
}
