import { setTimeout as sleep } from 'node:timers/promises';
import type { CallSettings } from './deadline.ts';

/** Waits between tries double from the first to the last. Milliseconds. */
const firstWaitMs = 50;
const lastWaitMs = 2_000;

/** Tries that failed one after another, and how long they may go on. */
export class Retry {
  readonly #limitMs: number;
  #failures = 0;
  #failingSince: number | undefined;

  /** `limitMs`: how long to go on without a success. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Something came through. */
  succeeded(): void {
    this.#failures = 0;
    this.#failingSince = undefined;
  }

  /**
   * Waits before the next try, with jitter so that clients of a daemon that comes back do not all knock at once, and no longer than the call has
   * left. False: give up. Throws the signal's reason.
   */
  async wait({ signal, timeoutMs = lastWaitMs }: CallSettings): Promise<boolean> {
    const now = performance.now();
    this.#failingSince ??= now;
    if (now - this.#failingSince >= this.#limitMs) return false;
    const longest = Math.min(lastWaitMs, firstWaitMs * 2 ** this.#failures++);
    await sleep(Math.min(timeoutMs, longest * (0.5 + Math.random() / 2)), undefined, { signal }).catch(() => signal?.throwIfAborted());
    return true;
  }
}
