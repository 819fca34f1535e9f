import type { Look } from './look.ts';
import { paint } from './marks.ts';
import { cut, padEnd, widthOf } from './text.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** Is cut where the terminal is too narrow, to no less than this width while there is another way; of several the widest first. */
  readonly least?: number;
  /** Is left out where the others do not fit beside it; of several the lowest first. */
  readonly spare?: number;
}

/** A column of less says nothing. */
const narrowest = 8;

/** Lines of a table without rules: two spaces between columns, heads in small. A column that is empty in every row is left out. */
export function table(look: Look, columns: readonly Column[], rows: readonly (readonly string[])[], indent = '  '): string[] {
  const filled = columns.map((column, at) => ({ column, at })).filter(({ at }) => rows.some((row) => row[at]));
  const measured = filled.map(({ column, at }) => ({
    column,
    at,
    width: Math.max(widthOf(column.head), ...rows.map((row) => widthOf(row[at] ?? ''))),
  }));
  const shown = withoutSpare(measured, look.width - indent.length);
  const widths = shown.map(({ width }) => width);
  let tooWide = widths.reduce((sum, width) => sum + width + 2, indent.length - 2) - look.width;
  for (const floor of [undefined, narrowest]) {
    for (; tooWide > 0; tooWide--) {
      const excess = widths.map((width, place) => {
        const least = shown[place]?.column.least;
        return least !== undefined && width > (floor ?? least) ? width : 0;
      });
      const widest = Math.max(...excess);
      if (widest === 0) break;
      widths[excess.indexOf(widest)] = widest - 1;
    }
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

interface Measured {
  readonly column: Column;
  readonly at: number;
  readonly width: number;
}

/** The columns that fit when each is as narrow as it may be. */
function withoutSpare(columns: readonly Measured[], room: number): readonly Measured[] {
  const needed = columns.reduce((sum, { column, width }) => sum + Math.min(width, column.least ?? width) + 2, -2);
  if (needed <= room) return columns;
  const [next] = columns.filter(({ column }) => column.spare !== undefined).sort((a, b) => (a.column.spare ?? 0) - (b.column.spare ?? 0));
  if (next === undefined) return columns;
  const others = columns.filter((column) => column !== next);
  return withoutSpare(others, room);
}

/** Aligned label/value lines. A value that is absent is left out. */
export function labelled(look: Look, pairs: readonly (readonly [label: string, value: string | undefined])[], indent = '  '): string[] {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(...known.map(([label]) => widthOf(label)));
  return known.map(([label, value]) => `${indent}${paint(look, 'dim', padEnd(label, width))}   ${value}`);
}
