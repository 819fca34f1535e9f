/** Longer than this between two looks, and nobody was looking: the machine or the shim stood still, and perhaps the child with it. */
const longestGapMs = 1_000;

/** How long the logs have not grown, as far as somebody looked. */
export class Silence {
  ms = 0;
  hasSpoken = false;
  #total = 0;
  #lookedAt: number;

  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** A growth that is found now ends the silence now, however long it had lasted. */
  look(total: number, now: number): void {
    this.ms = total === this.#total ? this.ms + Math.min(now - this.#lookedAt, longestGapMs) : 0;
    this.hasSpoken ||= total > 0;
    this.#total = total;
    this.#lookedAt = now;
  }
}
