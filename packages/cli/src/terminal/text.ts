import { createRequire } from 'node:module';
import { stripVTControlCharacters } from 'node:util';
import type stringWidth from 'string-width';

/** Control characters of both ranges except tab and line feed, and the signs that turn the direction of what follows them. */
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** What an agent or a repository wrote, harmless for a terminal: no colours, no titles, no cursor, no reversed text. */
export function clean(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\r\n', '\n')).replace(unsafe, '');
}

/** The same on one line. */
export function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

const require = createRequire(import.meta.url);
const colorCodes = /\u001b\[[0-9;]*m/g;
/** ASCII and our own marks: one column each. */
const narrow = /^[ -~\u00a0·…–−≥→✓●◐✗⏱↻‖⊘▁-█├└│─]*$/;

/** Columns that a text takes, colours not counted. */
export function widthOf(text: string): number {
  const bare = text.includes('\u001b') ? text.replace(colorCodes, '') : text;
  return narrow.test(bare) ? bare.length : widthOfAny(bare);
}

/** Loaded when it is needed: the tables of Unicode take longer than most commands. */
function widthOfAny(text: string): number {
  const loaded = require('string-width') as { readonly default: typeof stringWidth };
  return loaded.default(text);
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

let graphemes: Intl.Segmenter | undefined;
const colorCode = /(\u001b\[[0-9;]*m)/;

/** The text within a width, with an ellipsis where it was cut. Colour codes take no room, and those after the cut are kept: they end colours. */
export function cut(text: string, width: number, ellipsis = '…'): string {
  if (widthOf(text) <= width) return text;
  graphemes ??= new Intl.Segmenter();
  const room = width - widthOf(ellipsis);
  let kept = '';
  let used = 0;
  let full = false;
  for (const [index, piece] of text.split(colorCode).entries()) {
    if (index % 2 === 1) {
      kept += piece;
      continue;
    }
    for (const { segment } of graphemes.segment(piece)) {
      if (full) break;
      const next = used + widthOf(segment);
      full = next > room;
      if (full) kept += ellipsis;
      else [kept, used] = [kept + segment, next];
    }
  }
  return kept;
}

/** Lines of at most so many columns, broken at spaces. A single word may be longer. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => {
    const lines = [''];
    for (const word of line.split(' ')) {
      const last = lines.at(-1) ?? '';
      if (last === '') lines[lines.length - 1] = word;
      else if (widthOf(last) + 1 + widthOf(word) <= width) lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    return lines;
  });
}
