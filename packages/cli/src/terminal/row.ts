import type { Look } from './look.ts';
import { markOf, paint, typeset, type MarkName } from './marks.ts';
import { cut, padEnd, widthOf, wrap } from './text.ts';

/** One thing that happened or happens: a mark, what it is about, what is to be said of it. */
export interface Row {
  readonly mark?: MarkName;
  /** What it is about, such as `attempt 1` or `gate test`. */
  readonly label: string;
  readonly text?: string;
  /** At the right edge, such as how long it took. */
  readonly note?: string;
  /** Lines below it. */
  readonly details?: readonly string[];
  /** Which of several tasks it belongs to. */
  readonly of?: string;
}

const labelWidth = 11;
/** Beyond this a line is hard to follow with the eye. */
const widest = 120;

/** The lines of a row. On a terminal nothing is wider than it; elsewhere nothing is cut. */
export function linesOf(row: Row, look: Look): string[] {
  const of = row.of === undefined ? '' : `${paint(look, 'dim', row.of)} `;
  const mark = row.mark === undefined ? ' ' : markOf(row.mark, look);
  const head = `  ${of}${mark} ${padEnd(paint(look, row.mark === 'in_progress' ? 'bold' : 'dim', row.label), labelWidth)} `;
  const body = fit(head + typeset(look, row.text ?? ''), row.note, look);
  const indent = ' '.repeat(labelWidth + 5 + (row.of === undefined ? 0 : widthOf(row.of) + 1));
  return [body, ...(row.details ?? []).flatMap((detail) => below(detail, indent, look))];
}

/** The first line of a task: what is done, and under which rules. */
export function headingLines(title: string, facts: string, look: Look, of?: string): string[] {
  const left = `  ${of === undefined ? '' : `${paint(look, 'dim', of)} `}${paint(look, 'bold', title)}`;
  const right = typeset(look, facts);
  if (!Number.isFinite(look.width)) return [`${left}  ${right}`];
  const edge = Math.min(look.width, widest);
  if (widthOf(left) + widthOf(right) + 3 <= edge) return [`${padEnd(left, Math.min(60, edge - widthOf(right)))}${right}`.trimEnd()];
  return [cut(left, look.width, dots(look)), ...wrap(right, look.width - 4).map((line) => `    ${line}`)];
}

function fit(text: string, note: string | undefined, look: Look): string {
  const after = note === undefined ? '' : typeset(look, note);
  if (!Number.isFinite(look.width)) return after === '' ? text.trimEnd() : `${text}  ${after}`;
  if (after === '') return cut(text.trimEnd(), look.width, dots(look));
  const edge = Math.min(look.width, widest);
  const room = edge - widthOf(after) - 2;
  return `${padEnd(cut(text, room, dots(look)), room)}  ${paint(look, 'dim', after)}`;
}

function below(detail: string, indent: string, look: Look): string[] {
  const text = typeset(look, detail);
  return text.split('\n').map((line) => indent + paint(look, 'dim', cut(line, look.width - indent.length, dots(look))));
}

function dots(look: Look): string {
  return look.unicode ? '…' : '...';
}
