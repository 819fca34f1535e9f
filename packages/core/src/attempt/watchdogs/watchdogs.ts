import type { HarnessEventBody } from '@singletree/harness';
import { stopFor, type Concern } from './concern.ts';
import { LastWord } from './last-word.ts';
import { RepeatedCalls, sameFailure, sameResult } from './repeated-calls.ts';
import type { Threshold, WatchdogThresholds } from './thresholds.ts';
import { Turns } from './turns.ts';

/** Something that is counted, and what the count means. */
interface Watchdog {
  readonly about: string;
  readonly threshold: Threshold;
  readonly count: () => number;
  readonly message: () => string;
}

/**
 * The watchdogs over one attempt's events, from the first on: a function of the events alone, so that a daemon that adopts the attempt sees what
 * the one before it saw. Whatever was found stays found.
 */
export class Watchdogs {
  readonly turns: Turns = new Turns();
  readonly lastWord: LastWord = new LastWord();
  readonly #repeated: RepeatedCalls = new RepeatedCalls(sameResult);
  readonly #failing: RepeatedCalls = new RepeatedCalls(sameFailure);
  readonly #watchdogs: readonly Watchdog[];
  readonly #found = new Map<string, Concern>();

  constructor({ sameCall, sameFailure: failure, emptyTurns }: WatchdogThresholds) {
    const times = (calls: RepeatedCalls, what: string) => ({
      count: () => calls.row?.times ?? 0,
      message: () => `${what} ${calls.row?.times} times in a row: ${calls.row?.name}`,
    });
    this.#watchdogs = [
      { about: 'same_call', threshold: sameCall, ...times(this.#repeated, 'the same call gave the same result') },
      { about: 'same_failure', threshold: failure, ...times(this.#failing, 'the same call failed') },
      {
        about: 'empty_turns',
        threshold: emptyTurns,
        count: () => this.turns.empty,
        message: () => `${this.turns.empty} model calls in a row called no tool, and none was the last`,
      },
    ];
  }

  add(event: HarnessEventBody): void {
    for (const part of [this.turns, this.lastWord, this.#repeated, this.#failing]) part.add(event);
    for (const { about, threshold, count, message } of this.#watchdogs) {
      for (const found of judge(about, threshold, count(), message)) {
        if (!this.#found.has(found.about)) this.#found.set(found.about, found);
      }
    }
  }

  /** Warnings, and at most one stop of each watchdog, in the order in which they were found. */
  get found(): readonly Concern[] {
    return [...this.#found.values()];
  }

  /** What is wrong at this moment; a stop that was found stays. */
  get concern(): string | undefined {
    const stop = this.found.find((concern) => concern.stop !== undefined);
    const barking = this.#watchdogs.find(({ threshold, count }) => count() >= (threshold.warn ?? Infinity));
    return stop?.message ?? barking?.message();
  }
}

/** What a count comes to: a warning, and later a stop beside it. */
export function judge(about: string, { warn = Infinity, stop = Infinity }: Threshold, count: number, message: () => string): Concern[] {
  return [
    ...(count >= warn ? [{ about, message: message() }] : []),
    ...(count >= stop ? [{ about: stopFor(about), message: message(), stop: 'no_progress' as const }] : []),
  ];
}
