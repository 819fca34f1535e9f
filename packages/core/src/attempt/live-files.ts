/** Shortest time between two readings. */
const shortestMs = 25;
const longestMs = 5_000;
/** Reading takes at most one part in so many of the time; a half where calls begin. */
const share = 10;
const mostDoublings = 8;

/** Reads the files of a session while it goes on: often enough to notice what nobody tells in time, and as seldom as they are slow to read. */
export class LiveFiles implements Disposable {
  readonly #read: () => Promise<void>;
  readonly #monotonicMs: () => number;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #endedAt = -Infinity;
  #tookMs = 0;
  /** Readings since a call began. */
  #idle = 0;
  /** Somebody has asked while it was read. */
  #isAsked = false;
  #isOver = false;

  constructor(read: () => Promise<void>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /** Something may have changed. @param news a call has begun since the last time */
  look(news: boolean): void {
    if (news) this.#idle = 0;
    this.#isAsked = true;
    if (this.#reading || this.#failure || this.#isOver) return;
    const gap = news ? this.#tookMs : Math.max(shortestMs * 2 ** this.#idle, this.#tookMs * share);
    const waitMs = this.#endedAt + Math.min(gap, longestMs) - this.#monotonicMs();
    clearTimeout(this.#timer);
    if (waitMs > 0) this.#timer = setTimeout(() => this.#start(), waitMs);
    else this.#start();
  }

  /** Throws what went wrong with the last reading, once. */
  check(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#isOver = true;
  }

  #start(): void {
    const began = this.#monotonicMs();
    this.#isAsked = false;
    this.#reading = this.#read()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#idle = Math.min(this.#idle + 1, mostDoublings);
        this.#endedAt = this.#monotonicMs();
        this.#tookMs = this.#endedAt - began;
        this.#reading = undefined;
        if (this.#isAsked) this.look(false);
      });
  }
}
