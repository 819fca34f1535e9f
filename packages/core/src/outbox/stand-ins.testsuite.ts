import { setImmediate as turn } from 'node:timers/promises';
import type { Live, MetricStore } from '../store/metrics.ts';
import type { OutboxKey, OutboxRecord, OutboxRow, OutboxStore, Queued, QueueChange, Standing, TaskHistory } from '../store/outbox.ts';
import { completionOf } from '../task/completion.ts';
import type { Attempt, GateResult, Instant, Task } from '../task/task.ts';

export const noon: Instant = Date.UTC(2026, 10, 21, 12);

/** A finished task, without an attempt unless one is given. The number makes its id. */
export function aTask(number: number, changes: Partial<Omit<Task, 'spec'>> = {}, spec: Partial<Task['spec']> = {}): Task {
  return {
    id: `0199c1d4-7f3a-7b11-a2c4-${number.toString(16).padStart(12, '0')}`,
    spec: {
      instructions: 'make the failing test pass',
      acceptanceCriteria: [],
      context: [],
      taskType: 'debugging',
      harness: 'claude_code',
      permissions: 'all',
      workspace: { path: '/src/shop', mode: 'worktree' },
      setup: [],
      gates: [],
      limits: { timeoutMs: 3_600_000, maxOutputBytes: 1_000_000, maxAttempts: 3 },
      labels: {},
      priority: 0,
      ...spec,
    },
    state: 'completed',
    version: 9,
    sequence: 20,
    createdAt: noon,
    updatedAt: noon + 9_000,
    since: noon + 9_000,
    dispatchedAt: noon + 12,
    fence: 1,
    attempts: [],
    processes: [],
    usedMs: 8_000,
    gateResults: [],
    phases: { activeMs: 8_120, gateMs: 868, backoffMs: 0, blockedMs: 0, reviewMs: 0 },
    ...changes,
  };
}

export function anAttempt(number: number, changes: Partial<Attempt> = {}): Attempt {
  return {
    number,
    state: 'ended',
    harness: 'claude_code',
    preparedAt: noon + 100 * number,
    startedAt: noon + 1_000 * number,
    endedAt: noon + 1_000 * number + 500,
    recorded: { stdout: 0, stderr: 0 },
    charged: true,
    ...changes,
  };
}

export function aGate(attempt: number, ordinal: number, verdict: GateResult['verdict'], changes: Partial<GateResult> = {}): GateResult {
  const startedAt = noon + 1_000 * attempt + 600 + 50 * ordinal;
  return { attempt, ordinal, name: 'test', kind: 'test', required: true, verdict, startedAt, endedAt: startedAt + 40, ...changes };
}

interface StoredRow {
  row: OutboxRow;
  due: Instant;
  state: 'pending' | 'delivered' | 'dead';
  error?: string;
}

/** The outbox of a store, in memory. It outlives the relays of a test as a database outlives daemons. */
export class MemoryOutbox implements OutboxStore {
  readonly rows: StoredRow[] = [];
  /** Called before each write with its name; may throw, as a full disk does. */
  before: (write: string) => void = () => {};
  /** Called after each write, before its answer is given. */
  after: (write: string) => void = () => {};
  readonly #listeners = new Set<() => void>();

  readonly onHint = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  rejectedSpans = 0;

  add(task: Task, destinations: readonly string[] = ['otlp']): void {
    for (const destination of destinations) {
      const row = { taskId: task.id, destination, signal: 'traces' as const, task, completion: completionOf(task), attempts: 0 };
      this.rows.push({ row, due: 0, state: 'pending' });
    }
    for (const listener of this.#listeners) listener();
  }

  get states(): string[] {
    return this.rows.map(({ state }) => state);
  }

  async pending(destination: string, now: Instant, limit: number): Promise<OutboxRow[]> {
    return this.#waiting(destination)
      .filter(({ due }) => due <= now)
      .slice(0, limit)
      .map(({ row }) => row);
  }

  async history(): Promise<TaskHistory> {
    return { events: [], calls: [] };
  }

  async freeze(key: OutboxKey, payload: Uint8Array): Promise<Uint8Array> {
    const stored = this.#write('freeze', key, ({ row }) => {
      const frozen = this.rows.find((each) => each.row.taskId === key.taskId && each.row.payload);
      return { row: { ...row, payload: frozen?.row.payload ?? Uint8Array.from(payload) } };
    });
    return stored.row.payload!;
  }

  async delivered(key: OutboxKey, _: Instant, rejected = 0): Promise<void> {
    this.rejectedSpans += rejected;
    this.#write('delivered', key, () => ({ state: 'delivered' }));
  }

  async retryAt(key: OutboxKey, due: Instant, error: string): Promise<void> {
    this.#write('retryAt', key, ({ row }) => ({ due, error, row: { ...row, attempts: row.attempts + 1 } }));
  }

  async dead(key: OutboxKey, error: string): Promise<void> {
    this.#write('dead', key, () => ({ state: 'dead', error }));
  }

  async nextPending(destination: string): Promise<Instant | undefined> {
    const due = this.#waiting(destination).map((stored) => stored.due);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  async standing(): Promise<Standing> {
    const names = [...new Set(this.rows.map(({ row }) => row.destination))];
    return {
      undirected: 0,
      destinations: names.map((destination) => {
        const waiting = this.#waiting(destination);
        const own = this.rows.filter(({ row }) => row.destination === destination);
        const amount = (wanted: string): number => own.filter(({ state }) => state === wanted).length;
        return {
          destination,
          pending: waiting.length,
          ...(waiting[0] ? { oldest: waiting[0].row.completion.completedAt } : {}),
          dead: amount('dead'),
          ever: { delivered: amount('delivered'), dead: amount('dead'), rejectedSpans: this.rejectedSpans },
        };
      }),
    };
  }

  async owed(destinations: readonly string[]): Promise<number> {
    return destinations.flatMap((name) => this.#waiting(name)).length;
  }

  async queue({ destinations, from }: QueueChange): Promise<Queued> {
    const found = this.rows.filter(({ row, state }) => from === 'dead' && state === 'dead' && destinations.includes(row.destination));
    for (const stored of found) Object.assign(stored, { state: 'pending', due: 0 });
    return { kind: 'queued', rows: found.length };
  }

  async record(taskId: string): Promise<OutboxRecord | undefined> {
    const found = this.rows.filter(({ row }) => row.taskId === taskId);
    const payload = found.find(({ row }) => row.payload)?.row.payload;
    const rows = found.map(({ row, state }) => ({ destination: row.destination, state }));
    return rows.length === 0 ? undefined : { rows, ...(payload ? { payload } : {}) };
  }

  async keepBytesOf(): Promise<void> {}

  async prune(): Promise<number> {
    return 0;
  }

  async instanceId(): Promise<string> {
    return 'b7a1c0de-0000-4000-8000-000000000001';
  }

  #waiting(destination: string): StoredRow[] {
    return this.rows.filter(({ row, state }) => row.destination === destination && state === 'pending');
  }

  #write(name: string, key: OutboxKey, change: (stored: StoredRow) => Partial<StoredRow>): StoredRow {
    this.before(name);
    const stored = this.rows.find(({ row }) => row.taskId === key.taskId && row.destination === key.destination)!;
    Object.assign(stored, change(stored));
    this.after(name);
    return stored;
  }
}

export const nothingLive: Live = { active: [], queued: [], blocked: [], outbox: { undirected: 0, destinations: [] } };

/** Totals are tested elsewhere. */
export const noMetrics: MetricStore = {
  unfolded: async () => [],
  fold: async (_, points, at) => ({ since: noon, at, points, live: nothingLive }),
  series: async () => [],
  acknowledged: async () => undefined,
  acknowledge: async () => {},
};

/** A clock that stands still until a wait is skipped. */
export class FakeClock {
  /** How long each wait was meant to be. */
  readonly waits: number[] = [];
  #now = noon;
  readonly #sleepers = new Set<{ readonly at: Instant; readonly wake: () => void }>();

  readonly now = (): Instant => this.#now;

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    this.waits.push(ms);
    return new Promise((resolve) => {
      const sleeper = { at: this.#now + ms, wake: () => (this.#sleepers.delete(sleeper), resolve()) };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', sleeper.wake, { once: true });
      if (signal.aborted) sleeper.wake();
    });
  };

  /** Lets everything run that needs no time, then skips to the end of the next wait. */
  async skip(): Promise<void> {
    await settle();
    const next = [...this.#sleepers].sort((a, b) => a.at - b.at)[0];
    if (!next) throw new Error('nobody waits');
    this.#now = next.at;
    next.wake();
    await settle();
  }
}

/** Lets everything run that needs neither time nor the network. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}

/** The bytes of a length-delimited protobuf field, in order: enough to find spans in a request without the serializer under test. */
export function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let offset = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = message[offset++];
      if (byte === undefined) throw new Error('not protobuf: cut off');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (offset < message.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 0) varint();
    const length = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : 0;
    if (tag >> 3 === wanted && wire === 2) found.push(message.slice(offset, offset + length));
    offset += length;
  }
  return found;
}

/** The spans in an `ExportTraceServiceRequest`: resource_spans 1, scope_spans 2, spans 2. */
export function spanBytes(request: Uint8Array): Uint8Array[] {
  return fields(request, 1).flatMap((group) => fields(group, 2).flatMap((scope) => fields(scope, 2)));
}
