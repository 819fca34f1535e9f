import type { Look, Output } from './look.ts';
import { headingLines, linesOf, type Row } from './row.ts';

/** A row that goes on changing until it is settled. */
export interface OpenRow {
  update(row: Row): void;
  /** The row as it stays. It says less or more than the last update, or the same. */
  settle(row?: Row): void;
}

/** Motion that the eye can follow costs no more than this. */
const repaintMs = 100;

/**
 * Rows, one below the other, in the order in which they began. On a terminal an open row is painted again in its place, with whatever
 * came below it; elsewhere it is one line when it begins and one when it is settled with something new to say.
 */
export class Screen {
  readonly #look: Look;
  readonly #output: Output;
  /** From the first open row on: what may still be painted again. */
  #pending: { lines: () => string[]; open: boolean }[] = [];
  #painted = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output, look: Look) {
    this.#output = output;
    this.#look = look;
  }

  /** What can be shown now: a window may have become narrower. */
  get look(): Look {
    return this.#look.live ? { ...this.#look, width: this.#output.columns || this.#look.width } : this.#look;
  }

  /** The first line of a task. */
  heading(title: string, facts: string, of?: string): void {
    this.lines(headingLines(title, facts, this.look, of));
  }

  /** A row that stays as it is. */
  row(row: Row): void {
    this.lines(linesOf(row, this.look));
  }

  /** Lines that are laid out already. */
  lines(lines: readonly string[]): void {
    this.#pending.push({ lines: () => [...lines], open: false });
    this.#paint();
  }

  /** A row that changes. With `tick` it is made anew at each repaint, for figures that grow by themselves such as the time. */
  open(first: Row, tick?: () => Row): OpenRow {
    let row = first;
    const entry = { lines: () => linesOf(tick && entry.open && this.#look.live ? tick() : row, this.look), open: true };
    this.#pending.push(entry);
    this.#paint();
    if (!this.look.live) return this.#plainRow(entry, first);
    this.#timer ??= setInterval(() => this.#paint(), repaintMs);
    // What is watched keeps the process alive, not the clock beside it.
    this.#timer.unref();
    return {
      update: (next) => {
        row = next;
      },
      settle: (last) => {
        row = last ?? (tick ? tick() : row);
        entry.open = false;
        this.#paint();
      },
    };
  }

  /** Leaves what is there as it is; nothing moves any more. */
  close(): void {
    for (const entry of this.#pending) entry.open = false;
    this.#paint();
  }

  /** Without motion a row is told when it begins and when it ends; what happens in between is not. */
  #plainRow(entry: { open: boolean }, first: Row): OpenRow {
    let said = linesOf(first, this.look).join('\n');
    return {
      update: () => {},
      settle: (last) => {
        if (!entry.open) return;
        entry.open = false;
        const lines = last ? linesOf(last, this.look) : [];
        if (lines.length > 0 && lines.join('\n') !== said) this.#write(lines);
        said = '';
      },
    };
  }

  #paint(): void {
    if (!this.look.live) {
      for (const { lines } of this.#pending.splice(0)) this.#write(lines());
      return;
    }
    const firstOpen = this.#pending.findIndex(({ open }) => open);
    const settled = this.#pending.splice(0, firstOpen < 0 ? this.#pending.length : firstOpen);
    const above = settled.flatMap(({ lines }) => lines());
    // What has scrolled away cannot be painted again.
    const live = this.#pending.flatMap(({ lines }) => lines()).slice(1 - (this.#output.rows || 24));
    const back = this.#painted > 0 ? `\u001b[${this.#painted}A\r\u001b[J` : '';
    this.#painted = live.length;
    // In one write, so that the terminal never shows the gap.
    this.#output.write(back + [...above, ...live].map((line) => `${line}\n`).join(''));
    if (this.#pending.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #write(lines: readonly string[]): void {
    if (lines.length > 0) this.#output.write(lines.map((line) => `${line}\n`).join(''));
  }
}
