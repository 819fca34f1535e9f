import { failpoint } from '../../failpoints.ts';
import { mostRetryAfterMs } from '../../store/outbox.ts';
import type { Instant } from '../../task/task.ts';
import type { Send } from '../send/send.ts';
import type { Exported } from './snapshots.ts';

export interface ExporterParts {
  /** Counts what has finished, and gives what there is. */
  readonly snapshot: () => Promise<Exported>;
  /** Absent while nothing is exported: what has finished is counted all the same. */
  readonly to?: {
    /** Time of the last snapshot that the receiver has, and what remembers it. */
    readonly acknowledged: () => Promise<Instant | undefined>;
    readonly acknowledge: (at: Instant) => Promise<void>;
    /** Gives the bytes of one snapshot for a receiver that has those up to `after`. */
    readonly serialise: (exported: Exported, after: Instant | undefined) => Uint8Array;
    readonly send: Send;
  };
  /** Between two snapshots. */
  readonly intervalMs: number;
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

const backoff = { initialMs: 1_000, factor: 2 } as const;
/** What a receiver says to a point that is not newer than what it has. */
const superseded = /out of order|out-of-order|duplicate sample/i;
/** And to one of long ago: to the 0 of a series that began while it was away, but to no snapshot of now, unless one of the two clocks is wrong. */
const tooOld = /too old|out of bounds(?!.*future)/i;

/** Sends the newest snapshot to one destination. There is no queue: what a receiver missed is in the next snapshot, and a snapshot has one time. */
export class MetricsExporter {
  readonly #parts: ExporterParts;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #draining = false;
  #endNap: () => void = () => {};
  #failures = 0;
  /** Whether the receiver found a point of the last snapshot too old. */
  #wasTooOld = false;
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
    const { snapshot, to, intervalMs } = this.#parts;
    const exported = await snapshot();
    if (!to) return intervalMs;
    const payload = to.serialise(exported, await to.acknowledged());
    await failpoint('metrics.send.before');
    const result = await to.send(payload, this.#abort.signal);
    await failpoint('metrics.send.after');
    switch (result.kind) {
      case 'acknowledged':
        await to.acknowledge(exported.at);
        // By the specification these are not sent again; the next snapshot has newer ones.
        if (!result.rejected) this.#wasTooOld = false;
        else if (!this.#isNewerThere(result.message ?? ''))
          return this.#failed('failing', `${result.rejected} points were not taken: ${result.message ?? 'no reason given'}`, intervalMs);
        return this.#recovered();
      case 'retry':
        if (this.#abort.signal.aborted) return intervalMs;
        return this.#failed('failing', result.error, Math.min(result.after ?? 0, mostRetryAfterMs));
      case 'misconfigured':
        return this.#failed('paused', result.error);
      case 'refused':
        if (!this.#isNewerThere(result.error)) return this.#failed('failing', result.error);
        // Another sender, or an earlier try of ours, was there with newer values: nothing is lost, and what was newer than that has been taken.
        await to.acknowledge(exported.at);
        return this.#recovered();
    }
  }

  /** Whether a receiver that refuses points has newer ones, or will have when what it found too old is not told again. */
  #isNewerThere(words: string): boolean {
    const wasTooOld = this.#wasTooOld;
    this.#wasTooOld = tooOld.test(words);
    return superseded.test(words) || (this.#wasTooOld && !wasTooOld);
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
