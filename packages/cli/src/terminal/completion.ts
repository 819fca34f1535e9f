import type { GateResult, Task, TaskCompletionEvent } from '@singletree/sdk';
import { cost, count, duration, exact, facts, plural } from './figures.ts';
import { gateReport } from './gate.ts';
import type { Look } from './look.ts';
import { markOfOutcome, paint, typeset } from './marks.ts';
import type { Row } from './row.ts';
import { clean, oneLine, padEnd, widthOf } from './text.ts';

/** How a task ended, in one row. */
export function completionRow(event: TaskCompletionEvent): Row {
  const { outcome, failure, attemptCount } = event;
  const mark = markOfOutcome(outcome, failure?.reason);
  const time = event.taskDurationMs ?? event.completedAt.getTime() - event.createdAt.getTime();
  const ended = mark === 'cancelled' ? 'cancelled' : outcome === 'success' || (outcome === 'partial' && !failure) ? 'completed' : 'failed';
  return {
    mark,
    label: ended,
    text: facts(
      outcome,
      mark !== 'cancelled' && failure && failure.reason !== outcome && failure.reason,
      duration(time),
      attemptCount > 0 && plural(attemptCount, 'attempt'),
      tokensOf(event),
      costOf(event),
    ),
  };
}

function tokensOf({ tokensPerTask, usage }: TaskCompletionEvent): string | undefined {
  return tokensPerTask === undefined ? undefined : `${usage?.lowerBound ? '≥ ' : ''}${count(tokensPerTask)} tokens`;
}

/** The cost, or why there is none. */
function costOf({ actualCostUsdMicros, costLowerBound, attemptCount, tokensPerTask }: TaskCompletionEvent): string | undefined {
  if (actualCostUsdMicros !== undefined) return `${costLowerBound ? '≥ ' : ''}${cost(actualCostUsdMicros)}`;
  if (attemptCount === 0) return undefined;
  return tokensPerTask === undefined ? 'cost – (the harness told no usage)' : 'cost – (the harness told no price)';
}

const mostFiles = 20;

/** What a finished task leaves: why it failed, with the failing output in full, and what was changed. */
export function completionLines(event: TaskCompletionEvent, task: Task, look: Look): string[] {
  const red = lastGates(task).filter((gate) => gate.status !== 'passed');
  const { failure, summary } = event;
  const why = failure ? [`  ${paint(look, 'bold', failure.reason)}  ${clean(failure.message).replaceAll('\n', '\n    ')}`] : [];
  const said = summary === undefined || summary.trim() === '' ? [] : [`  the agent says: ${oneLine(summary)}`];
  const parts = [...red.map((gate) => gateReport(gate, look)), why, said, unchecked(event), changeLines(event, look)];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines) => ['', ...lines])
    .map((line) => typeset(look, line));
}

/** A success on the agent's word alone must not look like one that was checked. */
function unchecked({ outcome, qualityGatesRun }: TaskCompletionEvent): string[] {
  return outcome === 'success' && qualityGatesRun.length === 0 ? ['  no gates: nothing was checked but that the agent ended well'] : [];
}

function lastGates({ gateResults }: Task): GateResult[] {
  const last = gateResults.at(-1)?.attempt;
  return gateResults.filter(({ attempt }) => attempt === last);
}

/** The files, and the ref that holds them. */
function changeLines({ artifacts, filesChanged, linesAdded, linesRemoved, frozenRef }: TaskCompletionEvent, look: Look): string[] {
  if (filesChanged === undefined) return [];
  if (filesChanged === 0) return ['  nothing was changed'];
  const files = artifacts.filter(({ kind, path }) => kind.startsWith('file_') && path !== undefined);
  const names = files.slice(0, mostFiles).map(({ path }) => oneLine(path ?? ''));
  const width = Math.max(0, ...names.map(widthOf));
  const lines = files
    .slice(0, mostFiles)
    .map((file, at) => `  ${padEnd(names[at] ?? '', width)}  ${kinds[file.kind] ?? ''}${linesOfChange(file, look)}`.trimEnd());
  const rest = filesChanged - lines.length;
  const total = facts(
    `${plural(filesChanged, 'file')} changed`,
    linesAdded !== undefined && `${plural(linesAdded, 'line')} added`,
    linesRemoved !== undefined && `${exact(linesRemoved)} removed`,
    frozenRef,
  );
  return [...lines, ...(rest > 0 && lines.length > 0 ? [`  … and ${rest} more`] : []), `  ${total}`];
}

const kinds: Readonly<Record<string, string>> = { file_created: 'new  ', file_deleted: 'deleted  ', file_renamed: 'renamed  ' };

function linesOfChange({ linesAdded, linesRemoved }: { linesAdded?: number; linesRemoved?: number }, look: Look): string {
  const added = linesAdded === undefined ? '' : paint(look, 'green', `+${exact(linesAdded)}`);
  const removed = linesRemoved === undefined ? '' : paint(look, 'red', `−${exact(linesRemoved)}`);
  return [added, removed].filter(Boolean).join(' ');
}
