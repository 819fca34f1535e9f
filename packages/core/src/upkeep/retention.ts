import type { OutboxStore } from '../store/outbox.ts';
import type { Instant } from '../task/task.ts';

export interface RetentionParts {
  readonly store: Pick<OutboxStore, 'prune'>;
  /** Destinations of records that there are. */
  readonly destinations: readonly string[];
  /** How long records are kept, in milliseconds. */
  readonly retainMs: number;
  readonly now: () => Instant;
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** How many records were deleted, or why that failed. */
  readonly report: (event: { readonly pruned: number } | { readonly error: unknown }) => void;
}

/** Not while a daemon starts, and then often enough that each time there is little to do. */
const firstAfterMs = 60_000;
const everyMs = 3_600_000;
/** Few enough that a commit of a task, which waits for this one, hardly notices. */
const rowsAtOnce = 100;
const betweenMs = 100;

/** Deletes records that nobody will ask for any more. It runs beside everything else, and nothing waits for it. */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves once nothing is written any more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { sleep, report } = this.#parts;
    const { signal } = this.#abort;
    for (let waitMs = firstAfterMs; ; waitMs = everyMs) {
      await sleep(waitMs, signal);
      if (signal.aborted) return;
      await this.#prune().catch((error: unknown) => report({ error }));
    }
  }

  async #prune(): Promise<void> {
    const { store, destinations, retainMs, now, sleep, report } = this.#parts;
    const before = now() - retainMs;
    let pruned = 0;
    for (let rows = rowsAtOnce; rows === rowsAtOnce && !this.#abort.signal.aborted;) {
      rows = await store.prune({ before, destinations, limit: rowsAtOnce });
      pruned += rows;
      if (rows === rowsAtOnce) await sleep(betweenMs, this.#abort.signal);
    }
    if (pruned > 0) report({ pruned });
  }
}
