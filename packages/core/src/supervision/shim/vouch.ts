import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessFile } from '../protocol.ts';
import { hasCode } from './error-code.ts';

/** Longer than this between two looks, and nobody was looking: the machine stood still, and perhaps the daemon with it. */
const longestGapMs = 1_000;
/** What the daemon then gets to vouch again. */
const wakeMs = 1_500;

/** How long nobody has vouched for a process any more. */
export class Unvouched {
  readonly #directory: string;
  readonly #atFirst: number;
  #lookedAt: number;
  #sparedUntil = -Infinity;

  /** @param forMs how long it may run before somebody vouches for it for the first time, and its start by the monotonic clock */
  constructor(directory: string, started: number, forMs: number) {
    this.#directory = directory;
    this.#atFirst = started + forMs;
    this.#lookedAt = started;
  }

  /** Negative as long as somebody does. */
  ms(now: number): number {
    if (now - this.#lookedAt > longestGapMs) this.#sparedUntil = now + wakeMs;
    this.#lookedAt = now;
    return now - Math.max(vouchedUntil(this.#directory) ?? this.#atFirst, this.#sparedUntil);
  }
}

/** Until when the daemon vouches for a process, in milliseconds of the monotonic clock; absent where it never did. */
function vouchedUntil(directory: string): number | undefined {
  try {
    const until = Number(readFileSync(join(directory, 'vouch' satisfies ProcessFile), 'latin1'));
    return until > 0 ? until / 1e6 : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
