import type { HarnessEventBody } from '@singletree/harness';

/**
 * Counts the model calls of the main thread. What a call says and does is told before it by some decoders and after it by others, so that what
 * stands between two calls belongs to one of them, whichever it is.
 */
export class Turns {
  readonly #calls = new Set<string>();
  readonly #open = new Set<string>();
  #sinceChange = 0;
  #empty = 0;
  #acted = true;
  #goesOn = false;

  add(event: HarnessEventBody): void {
    switch (event.kind) {
      case 'model.call':
        if (event.thread === 'main' && !event.compaction && !this.#calls.has(event.callId)) this.#call(event.callId);
        return;
      case 'tool.started':
        if (event.thread !== 'main') return;
        this.#open.add(event.toolId);
        this.#acted = true;
        this.#empty = 0;
        return;
      case 'tool.finished':
        if (event.thread === 'main' && this.#open.delete(event.toolId)) this.#goesOn = this.#open.size === 0;
        return;
      case 'file.changed':
        this.#sinceChange = 0;
        return;
      case 'ended':
        this.#open.clear();
        this.#acted = true;
        this.#empty = 0;
        this.#goesOn = false;
        return;
      default:
        return;
    }
  }

  get count(): number {
    return this.#calls.size;
  }

  /** Every tool of the last call has its result, which only another call can read. */
  get goesOn(): boolean {
    return this.#goesOn;
  }

  /** Calls since the CLI last told of a changed file. */
  get sinceChange(): number {
    return this.#sinceChange;
  }

  /** Calls in a row that called no tool, without the CLI's closing words after any of them. */
  get empty(): number {
    return this.#empty;
  }

  #call(id: string): void {
    this.#calls.add(id);
    this.#sinceChange += 1;
    this.#goesOn = false;
    if (!this.#acted) this.#empty += 1;
    this.#acted = false;
  }
}
