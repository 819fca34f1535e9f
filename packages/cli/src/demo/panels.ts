import type { Look } from '../terminal/look.ts';
import { paint } from '../terminal/marks.ts';
import { cut, padEnd, widthOf } from '../terminal/text.ts';

export interface Panel {
  readonly title: string;
  readonly lines: readonly string[];
}

const gap = 5;
const indent = '  ';

/** Panels side by side where the terminal has room for them, as many as fit; below one another where it has not, and where there is none. */
export function layOut(panels: readonly Panel[], look: Look): string[] {
  const lines: string[] = [];
  for (let left = panels; left.length > 0;) {
    const row = Number.isFinite(look.width) ? left.slice(0, Math.max(1, fitting(left, look.width))) : left.slice(0, 1);
    if (lines.length > 0) lines.push('');
    lines.push(...abreast(row, look));
    left = left.slice(row.length);
  }
  return lines;
}

function fitting(panels: readonly Panel[], width: number): number {
  let used = indent.length;
  const tooMany = panels.findIndex((panel, place) => (used += widthOfPanel(panel) + (place > 0 ? gap : 0)) > width);
  return tooMany < 0 ? panels.length : tooMany;
}

function abreast(panels: readonly Panel[], look: Look): string[] {
  const dots = look.unicode ? '…' : '...';
  const columns = panels.map((panel) => ({ width: widthOfPanel(panel), lines: [paint(look, 'bold', panel.title), ...panel.lines] }));
  const height = Math.max(...columns.map(({ lines }) => lines.length));
  return Array.from({ length: height }, (_, at) => {
    const line = columns.map(({ lines, width }) => padEnd(lines[at] ?? '', width)).join(' '.repeat(gap));
    return cut((indent + line).trimEnd(), look.width, dots);
  });
}

function widthOfPanel({ title, lines }: Panel): number {
  return Math.max(widthOf(title), ...lines.map(widthOf));
}
