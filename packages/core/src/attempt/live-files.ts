/** Shortest time between two readings. */
const shortestMs = 25;
/** Of the time, reading takes at most one part in so many; a half once there is a new call. */
const share = 10;
const longestMs = 5_000;

/** Reads the files of a session while it goes on: often enough to notice what nobody tells, and as seldom as they are slow to read. */
export class LiveFiles implements Disposable {
  readonly #read: () => Promise<void>;
  readonly #monotonicMs: () => number;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  #endedAt = -Infinity;
  #tookMs = 0;
  /** Readings since anything was told. */
  #idle = 0;

  constructor(read: () => Promise<void>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /** Something may have changed. @param news a call has begun since the last time */
  look(news: boolean): void {
    if (news) this.#idle = 0;
    if (this.#reading || this.#failure || this.#isOver) return;
    const gap = news ? this.#tookMs : Math.max(shortestMs * 2 ** this.#idle, this.#tookMs * share);
    const waitMs = this.#endedAt + Math.min(gap, longestMs) - this.#monotonicMs();
    clearTimeout(this.#timer);
    if (waitMs > 0) this.#timer = setTimeout(() => this.#start(), waitMs);
    else this.#start();
  }

  /** Throws what went wrong with the last reading. */
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
    this.#idle = Math.min(this.#idle + 1, 8);
    this.#reading = this.#read()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#endedAt = this.#monotonicMs();
        this.#tookMs = this.#endedAt - began;
        this.#reading = undefined;
      });
  }
}
