import type { ProcessSpec } from '../supervision/protocol.ts';
import { graces } from './rooms.ts';

/** What a shim may need beyond its graces on a loaded machine. */
const marginMs = 10_000;
const tailMs = graces.interruptMs + graces.terminateMs + graces.sweepMs + marginMs;

/**
 * How long a living shim is believed: one that is long overdue with a stop, a time limit or a silence is killed, and what it leaves is swept.
 * Counted from what this daemon has seen itself, so never early.
 */
export class Patience {
  readonly #seenAt: number;
  #askedAt: number | undefined;
  #bytes = 0;
  #grewAt: number;

  constructor(nowMs: number) {
    this.#seenAt = nowMs;
    this.#grewAt = nowMs;
  }

  /**
   * @param nowMs of a clock that stands still while the machine sleeps
   * @param bytes of both logs together
   */
  isOver(nowMs: number, limits: ProcessSpec['limits'], { bytes, stopAsked }: { bytes: number; stopAsked: boolean }): boolean {
    const { timeoutMs = Infinity, attemptTimeoutMs = Infinity, firstOutputMs = Infinity, stallMs = Infinity } = limits;
    if (bytes !== this.#bytes) [this.#bytes, this.#grewAt] = [bytes, nowMs];
    if (stopAsked) this.#askedAt ??= nowMs;
    const overdue = [
      nowMs - this.#seenAt - Math.min(timeoutMs, attemptTimeoutMs),
      nowMs - this.#grewAt - (bytes === 0 ? firstOutputMs : stallMs),
      nowMs - (this.#askedAt ?? Infinity),
    ];
    return Math.max(...overdue) > tailMs;
  }
}
