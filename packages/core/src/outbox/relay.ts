import { failpoint } from '../failpoints.ts';
import { mostRetryAfterMs, type HistoryWanted, type OutboxRow, type OutboxStore, type TaskHistory } from '../store/outbox.ts';
import type { Instant } from '../task/task.ts';
import type { Send } from './send/send.ts';

export interface RelayParts {
  readonly store: OutboxStore;
  /** Name of the destination in the outbox. */
  readonly destination: string;
  /** What the spans tell of a task beside its record. */
  readonly wanted: HistoryWanted;
  /** Gives the bytes of a row that has none yet. */
  readonly serialise: (row: OutboxRow & { readonly history: TaskHistory }) => Uint8Array;
  readonly send: Send;
  readonly now: () => Instant;
  /** From 0 to 1, for the jitter. */
  readonly random: () => number;
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Calls back when rows may have been added. Returns how to stop that. */
  readonly onHint: (listener: () => void) => () => void;
  readonly report?: (event: RelayEvent) => void;
}

/** For the log: told once when it happens, not at every try. */
export type RelayEvent =
  | { readonly kind: 'state'; readonly state: RelayState; readonly error?: string }
  | { readonly kind: 'dead'; readonly taskId: string; readonly error: string }
  | { readonly kind: 'rejected'; readonly taskId: string; readonly spans: number; readonly message?: string };

/** `failing`: it is tried again by itself. `paused`: it is, rarely, but a person must mend address or credentials. */
export type RelayState = 'ok' | 'failing' | 'paused';

export interface RelayHealth {
  readonly state: RelayState;
  readonly lastError?: string;
}

type Wait = { readonly kind: 'none' } | { readonly kind: 'idle' | 'backoff'; readonly ms: number };

const backoff = { initialMs: 1_000, factor: 2, capMs: 300_000 } as const;
/** A person has to act, and a receiver may lock out who knocks too often with a wrong key. */
const pausedAtLeastMs = 60_000;
/** They are read with each row that is sent, and after an outage many have failed. */
const mostPassedOver = 16;
/** By whatever clock, also one that is set back meanwhile. */
const atOnce: Instant = 0;
/** Hints may be lost, and other processes may write the store. */
const lookAgainMs = 30_000;

/**
 * Sends the rows of one destination, oldest first but for those that failed, and one at a time, until each is acknowledged. It writes nothing but the outbox, and
 * nothing waits for it. Its only memory is the pace: a new relay begins at once where a dead one stopped, with the bytes that
 * were committed before their first send.
 */
export class Relay {
  readonly #parts: RelayParts;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #draining = false;
  #hinted = false;
  /** The wait that is under way. */
  #nap: { readonly kind: 'idle' | 'backoff'; readonly end: () => void } | undefined;
  #failures = 0;
  /** Rows that have failed. */
  readonly #passedOver = new Set<string>();
  #health: RelayHealth = { state: 'ok' };

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#running) return;
    const unsubscribe = this.#parts.onHint(() => this.hint());
    this.#running = this.#run().finally(unsubscribe);
  }

  /** Rows may have been added. */
  hint(): void {
    this.#hinted = true;
    // A new row does not make a receiver well.
    if (this.#nap?.kind === 'idle') this.#nap.end();
  }

  /** Sends what is due while that succeeds, and ends after `graceMs` at the latest. What is left is sent after the next start. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true;
    this.#nap?.end();
    const ended = new AbortController();
    const running = Promise.resolve(this.#running).finally(() => ended.abort());
    await Promise.race([running, this.#parts.sleep(graceMs, ended.signal)]);
    this.#abort.abort();
  }

  health(): RelayHealth {
    return this.#health;
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      this.#hinted = false;
      const wait = await this.#step().catch((error: unknown) => this.#failed('failing', `outbox: ${messageOf(error)}`));
      if (wait.kind === 'none' || (wait.kind === 'idle' && this.#hinted)) continue;
      if (this.#draining) return;
      const ended = new AbortController();
      this.#nap = { kind: wait.kind, end: () => ended.abort() };
      await this.#parts.sleep(wait.ms, ended.signal);
      this.#nap = undefined;
      if (this.#draining && wait.kind === 'backoff') return;
    }
  }

  /** One row, or how long there is nothing to do. */
  async #step(): Promise<Wait> {
    const { store, destination, now } = this.#parts;
    const row = await this.#next();
    if (row) return await this.#deliver(row);
    const next = await store.nextPending(destination);
    if (next !== undefined) return { kind: 'idle', ms: Math.min(lookAgainMs, Math.max(1, next - now())) };
    this.#recovered();
    return { kind: 'idle', ms: lookAgainMs };
  }

  /**
   * The oldest row that has not failed; once there is none left, the oldest. Nobody can tell a receiver that is away from one that a certain row brings
   * down: so that no row stops those behind it, each failure is followed by another row.
   */
  async #next(): Promise<OutboxRow | undefined> {
    const { store, destination, now } = this.#parts;
    if (this.#passedOver.size >= mostPassedOver) this.#passedOver.clear();
    const rows = await store.pending(destination, now(), this.#passedOver.size + 1);
    const other = rows.find(({ taskId }) => !this.#passedOver.has(taskId));
    if (!other) this.#passedOver.clear();
    return other ?? rows[0];
  }

  async #deliver(row: OutboxRow): Promise<Wait> {
    const { store, send, now } = this.#parts;
    const payload = row.payload ?? (await this.#freeze(row));
    if (!payload) return { kind: 'none' };
    await failpoint('outbox.send.before');
    const result = await send(payload, this.#abort.signal);
    await failpoint('outbox.send.after');
    switch (result.kind) {
      case 'acknowledged':
        await failpoint('outbox.delivered.before');
        await store.delivered(row, now(), result.rejected ?? 0);
        await failpoint('outbox.delivered.after');
        this.#delivered(row, result.rejected ?? 0, result.message);
        return { kind: 'none' };
      case 'retry': {
        if (this.#abort.signal.aborted) return { kind: 'none' };
        this.#passedOver.add(row.taskId);
        const after = result.after === undefined ? undefined : Math.min(result.after, mostRetryAfterMs);
        const wait = this.#failed('failing', result.error, after);
        // What the receiver asked for outlives this process; our own pace does not, so that a restart tries at once.
        await store.retryAt(row, after === undefined ? atOnce : now() + after, result.error);
        return wait;
      }
      case 'misconfigured':
        // Or something before the receiver forbids what this one row holds.
        this.#passedOver.add(row.taskId);
        await store.retryAt(row, atOnce, result.error);
        return this.#failed('paused', result.error);
      case 'refused':
        // It answered: what stood in the way before is gone.
        this.#recovered();
        await this.#bury(row, result.error);
        return { kind: 'none' };
    }
  }

  /** Commits what this row will be, whatever changes later. A row that cannot be written as spans must not stop those behind it. */
  async #freeze(row: OutboxRow): Promise<Uint8Array | undefined> {
    const history = await this.#parts.store.history(row.taskId, this.#parts.wanted);
    let payload: Uint8Array;
    try {
      payload = this.#parts.serialise({ ...row, history });
    } catch (error) {
      await this.#bury(row, `cannot be written as spans: ${messageOf(error)}`);
      return undefined;
    }
    await failpoint('outbox.freeze.before');
    const frozen = await this.#parts.store.freeze(row, payload);
    await failpoint('outbox.freeze.after');
    return frozen;
  }

  async #bury(row: OutboxRow, error: string): Promise<void> {
    await this.#parts.store.dead(row, error);
    this.#health = { ...this.#health, lastError: error };
    this.#parts.report?.({ kind: 'dead', taskId: row.taskId, error });
  }

  #delivered({ taskId }: OutboxRow, rejected: number, message: string | undefined): void {
    this.#recovered();
    if (rejected > 0 || message !== undefined) {
      this.#parts.report?.({ kind: 'rejected', taskId, spans: rejected, ...(message === undefined ? {} : { message }) });
    }
  }

  #recovered(): void {
    this.#failures = 0;
    if (this.#health.state === 'ok') return;
    this.#health = { state: 'ok' };
    this.#parts.report?.({ kind: 'state', state: 'ok' });
  }

  /** The destination, or our own store, is in trouble, or the row is: all wait a while, and another row goes first then. */
  #failed(state: 'failing' | 'paused', error: string, after?: number): Wait {
    const exponential = Math.min(backoff.capMs, backoff.initialMs * backoff.factor ** this.#failures);
    // Between half and all of it, so that many daemons do not come back in step.
    const own = exponential * (0.5 + this.#parts.random() / 2);
    this.#failures += 1;
    if (this.#health.state !== state) this.#parts.report?.({ kind: 'state', state, error });
    this.#health = { ...this.#health, state, lastError: error };
    // The receiver knows better than our backoff, in both directions.
    if (after !== undefined) return { kind: 'backoff', ms: Math.max(after, backoff.initialMs) };
    return { kind: 'backoff', ms: state === 'paused' ? Math.max(pausedAtLeastMs, own) : own };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
