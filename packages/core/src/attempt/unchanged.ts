/** Between two looks at a workspace: longer where they take longer, and they never take more than half of the time. */
const shortestMs = 1_000;
const longestMs = 10_000;
const share = 20;

/** Finds out for how many model calls nothing in a workspace has changed. Looks only where enough of them have passed for anybody to care. */
export class Unchanged {
  readonly #glance: () => Promise<string | undefined>;
  readonly #least: number;
  readonly #monotonicMs: () => number;
  /** Nothing differs from the workspace that the attempt was given. */
  #seen = '';
  #turns = 0;
  #changedAt = 0;
  /** Calls without a change, when it last looked. */
  #confirmed = 0;
  #isLooking = false;
  #nextLook = 0;

  /**
   * @param glance what differs now, as text; undefined if nobody can tell
   * @param least calls below which it does not look
   */
  constructor(glance: () => Promise<string | undefined>, least: number, monotonicMs: () => number) {
    this.#glance = glance;
    this.#least = least;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Calls without a change, as far as it has looked: it does so in the background, since whoever asks has more to do.
   *
   * @param turns model calls so far
   * @param sinceChange how many of them since the CLI last told of a change
   */
  count(turns: number, sinceChange: number): number {
    this.#turns = turns;
    const count = Math.min(sinceChange, turns - this.#changedAt);
    if (count >= this.#least && !this.#isLooking && this.#monotonicMs() >= this.#nextLook) void this.#look(count);
    return Math.min(this.#confirmed, count);
  }

  async #look(count: number): Promise<void> {
    this.#isLooking = true;
    const began = this.#monotonicMs();
    const found = await this.#glance();
    const tookMs = this.#monotonicMs() - began;
    if (found === this.#seen) this.#confirmed = count;
    else {
      this.#confirmed = 0;
      this.#changedAt = this.#turns;
      this.#seen = found ?? this.#seen;
    }
    this.#nextLook = this.#monotonicMs() + Math.max(shortestMs, Math.min(tookMs * share, longestMs), tookMs);
    this.#isLooking = false;
  }
}
