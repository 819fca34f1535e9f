import { failpoint } from '../../failpoints.ts';
import type { MetricStore, Totals } from '../../store/metrics.ts';
import { mostRetryAfterMs } from '../../store/outbox.ts';
import type { Instant } from '../../task/task.ts';
import type { Privacy } from '../attributes.ts';
import type { Send } from '../send.ts';
import { measurementsOf } from './measure.ts';
import { changesOf } from './points.ts';

export interface ExporterParts {
  /** Redacts the names in labels. */
  readonly privacy?: Privacy | undefined;
  readonly store: MetricStore;
  /** Gives the bytes of one snapshot. */
  readonly serialise: (totals: Totals & { readonly at: Instant }) => Uint8Array;
  /** Absent while export is off: the totals are kept all the same. */
  readonly send?: Send;
  /** Between two snapshots. */
  readonly intervalMs: number;
  readonly now: () => Instant;
  /** From 0 to 1, for the jitter. */
  readonly random: () => number;
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told once when it happens, not at every try. */
  readonly report?: (event: { readonly state: MetricsState; readonly error?: string }) => void;
}

export type MetricsState = 'ok' | 'failing' | 'paused';

export interface MetricsHealth {
  readonly state: MetricsState;
  readonly lastError?: string;
}

/** Finished tasks of one transaction: what is read and counted at once stays small. */
const foldAtOnce = 100;
const backoff = { initialMs: 1_000, factor: 2 } as const;
/** What a receiver says to a point that is not newer than what it has. */
const superseded = /out of order|out-of-order|duplicate sample|too old|out of bounds/i;

/**
 * Counts finished tasks into the totals, each once, and sends the newest totals. There is no queue: what a receiver missed is in the next snapshot, and
 * a snapshot has one time, however often its values are sent.
 */
export class MetricsExporter {
  readonly #parts: ExporterParts;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #draining = false;
  #endNap: () => void = () => {};
  #failures = 0;
  #health: MetricsHealth = { state: 'ok' };

  constructor(parts: ExporterParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Sends one last snapshot, for `graceMs` at most. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true;
    this.#endNap();
    const ended = new AbortController();
    const running = Promise.resolve(this.#running).finally(() => ended.abort());
    await Promise.race([running, this.#parts.sleep(graceMs, ended.signal)]);
    this.#abort.abort();
  }

  health(): MetricsHealth {
    return this.#health;
  }

  /** The totals as they are now, everything counted that has finished. */
  async snapshot(): Promise<Totals & { readonly at: Instant }> {
    const { store, now, privacy } = this.#parts;
    for (;;) {
      const finished = await store.unfolded(foldAtOnce);
      const measurements = finished.flatMap(({ task, completion }) => measurementsOf(task, completion, privacy));
      const known = finished.length === 0 ? [] : (await store.totals()).points;
      await failpoint('metrics.fold.before');
      const taskIds = finished.map(({ task }) => task.id);
      const done = await store.fold(taskIds, changesOf(measurements, known), now());
      await failpoint('metrics.fold.after');
      // Where somebody else counted some of them meanwhile, the others are still to be counted.
      if (done === 'folded' && finished.length < foldAtOnce) break;
    }
    const totals = await store.totals();
    return { ...totals, at: totals.at ?? now() };
  }

  async #run(): Promise<void> {
    for (;;) {
      const isLast = this.#draining;
      const waitMs = await this.#step().catch((error: unknown) => this.#failed('failing', `metrics: ${messageOf(error)}`));
      if (isLast || this.#abort.signal.aborted) return;
      const ended = new AbortController();
      this.#endNap = () => ended.abort();
      if (!this.#draining) await this.#parts.sleep(waitMs, ended.signal);
    }
  }

  /** Takes a snapshot and sends it; how long to wait then. */
  async #step(): Promise<number> {
    const { serialise, send, intervalMs } = this.#parts;
    const totals = await this.snapshot();
    if (!send) return intervalMs;
    await failpoint('metrics.send.before');
    const result = await send(serialise(totals), this.#abort.signal);
    await failpoint('metrics.send.after');
    switch (result.kind) {
      case 'acknowledged':
        return this.#recovered();
      case 'retry':
        if (this.#abort.signal.aborted) return intervalMs;
        return this.#failed('failing', result.error, Math.min(result.after ?? 0, mostRetryAfterMs));
      case 'misconfigured':
        return this.#failed('paused', result.error);
      case 'refused':
        // Another sender, or an earlier try of ours, was there with newer values: nothing is lost.
        return superseded.test(result.error) ? this.#recovered() : this.#failed('failing', result.error);
    }
  }

  #recovered(): number {
    this.#failures = 0;
    if (this.#health.state !== 'ok') {
      this.#health = { state: 'ok' };
      this.#parts.report?.({ state: 'ok' });
    }
    return this.#parts.intervalMs;
  }

  #failed(state: 'failing' | 'paused', error: string, after = 0): number {
    const { intervalMs, random, report } = this.#parts;
    if (this.#health.state !== state) report?.({ state, error });
    this.#health = { state, lastError: error };
    const own = backoff.initialMs * backoff.factor ** this.#failures * (0.5 + random() / 2);
    this.#failures += 1;
    // Never later than the next snapshot would be, unless the receiver asks for it: a new snapshot is no burden that the last one was not.
    return Math.max(after, state === 'paused' ? intervalMs : Math.min(own, intervalMs));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
