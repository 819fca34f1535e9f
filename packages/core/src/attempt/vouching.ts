import { vouch } from '../supervision/directory.ts';
import { monotonicMs } from '../supervision/shim/monotonic.ts';

const longestPauseMs = 5_000;

/** Vouches for a process that has limits which need the daemon, so that its shim lets it run on. */
export class Vouching {
  readonly #directory: string;
  #nextAt = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param unsupervisedMs how long the process may then be without a daemon; undefined where it needs none */
  async renew(unsupervisedMs: number | undefined): Promise<void> {
    const now = monotonicMs();
    if (unsupervisedMs === undefined || now < this.#nextAt) return;
    try {
      await vouch(this.#directory, process.hrtime.bigint() + BigInt(Math.round(unsupervisedMs * 1e6)));
      this.#nextAt = now + Math.min(longestPauseMs, unsupervisedMs / 4);
    } catch {
      // A disk that is full now may not be so at the next look, and the shim waits for longer than that.
    }
  }
}
