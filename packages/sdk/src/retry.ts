import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing, NoDaemonError } from './errors.ts';

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
   * Waits before the next try, with jitter so that clients of a daemon that comes back do not all knock at once. False: give up. Throws the
   * signal's reason.
   */
  async wait(signal?: AbortSignal): Promise<boolean> {
    const now = performance.now();
    this.#failingSince ??= now;
    if (now - this.#failingSince >= this.#limitMs) return false;
    const longest = Math.min(lastWaitMs, firstWaitMs * 2 ** this.#failures++);
    await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => signal?.throwIfAborted());
    return true;
  }
}

/** Makes a call again if the daemon went away in its middle. Only for calls that a request id makes safe to repeat. */
export async function repeat<T>(call: () => Promise<T>, limitMs: number): Promise<T> {
  const retry = new Retry(limitMs);
  for (let wentAway = false; ;) {
    try {
      return await call();
    } catch (error) {
      // No daemon at the first try is an answer. After a lost call it is one that is being started again.
      wentAway ||= isPassing(error);
      if (!wentAway || !(isPassing(error) || error instanceof NoDaemonError) || !(await retry.wait())) throw error;
    }
  }
}
