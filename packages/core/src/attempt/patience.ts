import type { ProcessSpec } from '../supervision/protocol.ts';
import { graces } from './rooms.ts';

/** What a shim may need beyond its graces on a loaded machine. */
const marginMs = 10_000;
const tailMs = graces.interruptMs + graces.terminateMs + graces.sweepMs + marginMs;

/** Longer than this between two looks, and nobody looked: the machine stood still, and the shim perhaps with it. */
const longestGapMs = 1_000;

/**
 * How long a living shim is believed: one that is long overdue with a stop, a time limit or a silence is killed, and what it leaves is swept.
 * Counted from what this daemon has seen itself, so never early.
 */
export class Patience {
  #lookedAt: number;
  /** How long somebody has looked. The instants below are of this clock. */
  #watchedMs = 0;
  #askedAt: number | undefined;
  #bytes = 0;
  #grewAt = 0;

  constructor(nowMs: number) {
    this.#lookedAt = nowMs;
  }

  /**
   * @param nowMs of a clock that stands still while the machine sleeps
   * @param bytes of both logs together
   */
  isOver(nowMs: number, limits: ProcessSpec['limits'], { bytes, stopAsked }: { bytes: number; stopAsked: boolean }): boolean {
    const { timeoutMs = Infinity, attemptTimeoutMs = Infinity, firstOutputMs = Infinity, stallMs = Infinity } = limits;
    const now = (this.#watchedMs += Math.min(nowMs - this.#lookedAt, longestGapMs));
    this.#lookedAt = nowMs;
    if (bytes !== this.#bytes) [this.#bytes, this.#grewAt] = [bytes, now];
    if (stopAsked) this.#askedAt ??= now;
    const overdue = [
      now - Math.min(timeoutMs, attemptTimeoutMs),
      now - this.#grewAt - (bytes === 0 ? firstOutputMs : stallMs),
      now - (this.#askedAt ?? Infinity),
    ];
    return Math.max(...overdue) > tailMs;
  }
}
