/** How long a call's figures have been told before a second call may begin. Real models take longer to answer, and are not held back. */
const noticeMs = 1_000;

interface Told {
  readonly at: number;
  /** A call has begun since. */
  followed: boolean;
}

/** Holds calls back until whoever reads the figures of the calls before had time to say stop: after each that is told, one begins at once. */
export class Pace {
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  #told: Told[] = [];

  /** @param now the milliseconds of a clock that is never set back */
  constructor(now: () => number, wait: (ms: number) => Promise<void>) {
    this.#now = now;
    this.#wait = wait;
  }

  told(): void {
    this.#told.push({ at: this.#now(), followed: false });
  }

  /** Resolves when another call may begin. */
  async begin(): Promise<void> {
    for (;;) {
      const now = this.#now();
      this.#told = this.#told.filter(({ at }) => now - at < noticeMs);
      const newest = this.#told.findLast(({ followed }) => followed);
      if (!newest) break;
      await this.#wait(newest.at + noticeMs - now);
    }
    for (const told of this.#told) told.followed = true;
  }
}
