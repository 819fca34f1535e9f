import { DeadlineError } from './errors.ts';

export interface CallSettings {
  /** Ends the call, not what it has begun: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the call may take in all, tries and pages included. Milliseconds; no limit if absent. Then it rejects with `DeadlineError`. */
  readonly timeoutMs?: number | undefined;
}

/** What bounds a call of the client, however many requests it makes: the settings of each are what is left of the whole's. */
export class Bounds implements CallSettings {
  readonly signal: AbortSignal | undefined;
  readonly #endsAt: number | undefined;

  constructor({ signal, timeoutMs }: CallSettings = {}) {
    this.signal = signal;
    this.#endsAt = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  get timeoutMs(): number | undefined {
    return this.#endsAt === undefined ? undefined : Math.max(0, this.#endsAt - performance.now());
  }

  /** Throws the signal's reason, or `DeadlineError`, where the call is over. `cause`: what had come of it. */
  throwIfOver(cause?: unknown): void {
    this.signal?.throwIfAborted();
    if (this.timeoutMs === 0) throw new DeadlineError(cause);
  }
}
