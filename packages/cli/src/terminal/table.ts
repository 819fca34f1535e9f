import type { Look } from './look.ts';
import { paint } from './marks.ts';
import { cut, padEnd, widthOf } from './text.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** Is cut where the terminal is too narrow; of several the widest first. */
  readonly flexible?: true;
}

/** A column of less says nothing. */
const narrowest = 8;

/** Lines of a table without rules: two spaces between columns, heads in small. A column that is empty in every row is left out. */
export function table(look: Look, columns: readonly Column[], rows: readonly (readonly string[])[], indent = '  '): string[] {
  const shown = columns.map((column, at) => ({ column, at })).filter(({ at }) => rows.some((row) => row[at]));
  const widths = shown.map(({ column, at }) => Math.max(widthOf(column.head), ...rows.map((row) => widthOf(row[at] ?? ''))));
  let tooWide = indent.length + widths.reduce((sum, width) => sum + width + 2, -2) - look.width;
  for (; tooWide > 0; tooWide--) {
    const flexible = widths.map((width, place) => (shown[place]?.column.flexible ? width : 0));
    const widest = Math.max(...flexible);
    if (widest <= narrowest) break;
    widths[flexible.indexOf(widest)] = widest - 1;
  }
  const line = (cells: readonly string[]): string =>
    shown
      .map(({ column, at }, place) => {
        const width = widths[place] ?? 0;
        const cell = cut(cells[at] ?? '', width, look.unicode ? '…' : '...');
        return column.align === 'right' ? ' '.repeat(Math.max(0, width - widthOf(cell))) + cell : padEnd(cell, width);
      })
      .join('  ')
      .trimEnd();
  return [paint(look, 'dim', line(columns.map(({ head }) => head))), ...rows.map(line)].map((text) => indent + text);
}

/** Aligned label/value lines. A value that is absent is left out. */
export function labelled(look: Look, pairs: readonly (readonly [label: string, value: string | undefined])[], indent = '  '): string[] {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(...known.map(([label]) => widthOf(label)));
  return known.map(([label, value]) => `${indent}${paint(look, 'dim', padEnd(label, width))}   ${value}`);
}
