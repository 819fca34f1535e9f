import { stripVTControlCharacters } from 'node:util';
import type { Look, Output } from './look.ts';

/** A terminal that only knows what a screen sends: line feeds, the cursor up, and clearing below. */
export class FakeTerminal implements Output {
  readonly isTTY: boolean;
  columns: number | undefined;
  readonly rows: number = 40;
  #lines: string[] = [''];
  #at = 0;

  constructor(columns?: number) {
    this.columns = columns;
    this.isTTY = columns !== undefined;
  }

  write(data: string | Uint8Array): void {
    for (const [, up, clear, line = ''] of String(data).matchAll(
      /\u001b\[(\d+)A|(\r\u001b\[J)|([^\n\r\u001b]*(?:\u001b\[[\d;]*m[^\n\r\u001b]*)*\n)/g,
    )) {
      if (up !== undefined) this.#at -= Number(up);
      else if (clear !== undefined) this.#lines.length = this.#at;
      else this.#lines[this.#at++] = stripVTControlCharacters(line.slice(0, -1));
    }
  }

  /** What is to be seen. */
  get lines(): string[] {
    return this.#lines.map((line) => line.trimEnd());
  }
}

export const plain: Look = { color: false, unicode: true, live: false, width: Number.POSITIVE_INFINITY };
export const wide: Look = { color: false, unicode: true, live: true, width: 100 };
