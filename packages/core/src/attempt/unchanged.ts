import { monotonicMs } from '../supervision/shim/monotonic.ts';

/** Looks at a workspace take at most a hundredth of the time, and are at least so far apart. */
const shortestMs = 1_000;
const share = 100;

/** Finds out for how many model calls nothing in a workspace has changed. Looks only where enough of them have passed for anybody to care. */
export class Unchanged {
  readonly #glance: () => Promise<string | undefined>;
  readonly #least: number;
  /** Nothing differs from the workspace that the attempt was given. */
  #seen = '';
  #changedAt = 0;
  #nextLook = 0;

  /**
   * @param glance what differs now, as text; undefined if nobody can tell
   * @param least calls below which it does not look
   */
  constructor(glance: () => Promise<string | undefined>, least: number) {
    this.#glance = glance;
    this.#least = least;
  }

  /**
   * @param turns model calls so far
   * @param sinceChange how many of them since the CLI last told of a change
   * @returns calls without a change; fewer where it has not looked again
   */
  async turns(turns: number, sinceChange: number): Promise<number> {
    const count = Math.min(sinceChange, turns - this.#changedAt);
    const now = monotonicMs();
    if (count < this.#least || now < this.#nextLook) return 0;
    const found = await this.#glance();
    const took = monotonicMs() - now;
    this.#nextLook = now + took + Math.max(shortestMs, took * share);
    if (found === this.#seen) return count;
    if (found !== undefined) this.#seen = found;
    this.#changedAt = turns;
    return 0;
  }
}
