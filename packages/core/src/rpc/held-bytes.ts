import { DomainError } from '../errors.ts';

/** Counts by caller how much of its requests is in memory: each alone is small, and a thousand of them are not. */
export class HeldBytes {
  readonly #held = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Begins a request of a caller. */
  hold(caller: string): Held {
    let own = 0;
    let isOver = false;
    const change = (bytes: number): void => {
      own += bytes;
      const held = (this.#held.get(caller) ?? 0) + bytes;
      if (held > 0) this.#held.set(caller, held);
      else this.#held.delete(caller);
    };
    return {
      add: (bytes) => {
        if (isOver) return;
        if ((this.#held.get(caller) ?? 0) + bytes > this.#most) {
          const message = `requests of ${this.#most / 1_048_576} MiB are being answered already`;
          throw new DomainError('TOO_MANY_CALLS', message, { hint: 'wait for some of them, or try again' });
        }
        change(bytes);
      },
      release: () => {
        isOver = true;
        change(-own);
      },
    };
  }
}

/** What one request holds. */
export interface Held {
  /** Throws DomainError TOO_MANY_CALLS if its caller holds too much with that. */
  add(bytes: number): void;
  /** Of all that was added; what comes later is thrown away. */
  release(): void;
}
