import { afterEach, expect, test } from 'vitest';
import type { MetricStore, Point, Snapshot } from '../../store/metrics.ts';
import { completionOf } from '../../task/completion.ts';
import type { Instant, Task } from '../../task/task.ts';
import type { SendResult } from '../send/send.ts';
import { anAttempt, aTask, FakeClock, noon, nothingLive, settle } from '../stand-ins.testsuite.ts';
import { MetricsExporter, type ExporterParts } from './exporter.ts';
import { plus, seriesOf } from './points.ts';
import { createSnapshots, type Exported } from './snapshots.ts';

/** Totals in memory, as a store keeps them. */
class MemoryMetrics implements MetricStore {
  readonly tasks: Task[] = [];
  readonly #points = new Map<string, Point>();
  #at = 0;
  readonly #acknowledged = new Map<string, Instant>();
  before: () => void = () => {};

  async unfolded(limit: number): ReturnType<MetricStore['unfolded']> {
    return this.tasks.slice(0, limit).map((task) => ({ task, completion: completionOf(task) }));
  }

  async fold(taskIds: readonly string[], changes: readonly Point[], at: number): Promise<Snapshot> {
    this.before();
    this.tasks.splice(0, taskIds.length);
    this.#at = Math.max(at, this.#at + 1);
    for (const change of changes) {
      const before = this.#points.get(seriesOf(change));
      this.#points.set(seriesOf(change), { ...plus(before, change), firstAt: before?.firstAt ?? this.#at });
    }
    return { since: noon - 1_000, at: this.#at, points: [...this.#points.values()], live: nothingLive };
  }

  async series(): Promise<Point[]> {
    return [...this.#points.values()];
  }

  async acknowledged(destination: string): Promise<Instant | undefined> {
    return this.#acknowledged.get(destination);
  }

  async acknowledge(destination: string, at: Instant): Promise<void> {
    this.#acknowledged.set(destination, at);
  }
}

interface Sent {
  readonly at: number;
  readonly completions: number;
}

const ok: SendResult = { kind: 'acknowledged' };
const down: SendResult = { kind: 'retry', error: 'connect ECONNREFUSED' };
const exporters: MetricsExporter[] = [];
afterEach(async () => {
  await Promise.all(exporters.splice(0).map((exporter) => exporter.stop(0)));
});

/** An exporter whose receiver gives these answers, the last one for ever. */
function anExporter(answers: readonly SendResult[] | 'off', parts: Partial<ExporterParts> = {}) {
  const clock = new FakeClock();
  const store = new MemoryMetrics();
  const sent: Sent[] = [];
  /** Up to when the receiver is believed to have snapshots, at each send. */
  const after: (number | undefined)[] = [];
  const states: string[] = [];
  const send = async (payload: Uint8Array): Promise<SendResult> => {
    const { at, points } = JSON.parse(Buffer.from(payload).toString()) as Exported;
    const completions = points.filter(({ metric }) => metric === 'singletree.task.completions');
    sent.push({ at: at - noon, completions: completions.reduce((sum, { count }) => sum + count, 0) });
    return (answers === 'off' ? undefined : answers[Math.min(sent.length, answers.length) - 1]) ?? ok;
  };
  const to = {
    send,
    serialise: (exported: Exported, last: Instant | undefined) => {
      after.push(last === undefined ? undefined : last - noon);
      return Buffer.from(JSON.stringify(exported));
    },
    acknowledged: () => store.acknowledged('otlp'),
    acknowledge: (at: Instant) => store.acknowledge('otlp', at),
  };
  const exporter = new MetricsExporter({
    snapshot: createSnapshots({ store, now: clock.now, known: { harnesses: [], destinations: [] } }),
    ...(answers === 'off' ? {} : { to }),
    intervalMs: 60_000,
    random: () => 1,
    sleep: clock.sleep,
    report: ({ state }) => states.push(state),
    ...parts,
  });
  exporters.push(exporter);
  const finish = (number: number): void => void store.tasks.push(aTask(number, { attempts: [anAttempt(1)] }));
  return { exporter, clock, store, sent, after, states, finish };
}

test('a snapshot at once and then at every interval, with the time at which it was taken', async () => {
  const { exporter, clock, sent, finish } = anExporter([ok]);
  finish(1);
  exporter.start();
  await settle();
  finish(2);
  finish(3);
  await clock.skip();
  await clock.skip();
  expect(sent).toEqual([
    { at: 0, completions: 1 },
    { at: 60_000, completions: 3 },
    { at: 120_000, completions: 3 },
  ]);
});

test('what a receiver missed is in the next snapshot, and nothing is counted twice', async () => {
  const { exporter, clock, sent, states, finish } = anExporter([
    down,
    down,
    { kind: 'retry', error: 'x', after: 90_000 },
    { kind: 'retry', error: 'x', after: 1e12 },
    ok,
  ]);
  finish(1);
  exporter.start();
  await settle();
  finish(2);
  for (let tries = 0; tries < 4; tries++) await clock.skip();
  expect(sent.map(({ completions }) => completions)).toEqual([1, 2, 2, 2, 2]);
  expect(clock.waits).toEqual([1_000, 2_000, 90_000, 3_600_000, 60_000]);
  expect(states).toEqual(['failing', 'ok']);
});

test('a receiver is believed to have what it acknowledged last, also by the next daemon', async () => {
  const { exporter, clock, after } = anExporter([down, ok, down, ok]);
  exporter.start();
  for (let tries = 0; tries < 4; tries++) await clock.skip();
  expect(after).toEqual([undefined, undefined, 1_000, 1_000, 62_000]);
});

/** What Prometheus 3.14 says, word for word. */
const superseded = [
  'HTTP 400: out of order sample',
  'HTTP 400: duplicate sample for timestamp 1763726400000; overrides not allowed: existing 20, new value 22',
];

test.each(superseded)('%s: somebody was there with newer values, and nothing is wrong', async (error) => {
  const { exporter, states, clock, after } = anExporter([{ kind: 'refused', status: 400, error }]);
  exporter.start();
  await clock.skip();
  expect([exporter.health(), states, clock.waits]).toEqual([{ state: 'ok' }, [], [60_000, 60_000]]);
  expect(after, 'what was newer has been taken').toEqual([undefined, 0]);
});

test.each(['HTTP 400: out of bounds', 'HTTP 400: too old sample'])(
  '%s: a 0 of long ago is not told again; if it was none, a clock is wrong',
  async (error) => {
    const old: SendResult = { kind: 'refused', status: 400, error };
    const { exporter, states, clock, after } = anExporter([old, ok, old, old]);
    exporter.start();
    for (let tries = 0; tries < 2; tries++) await clock.skip();
    expect([exporter.health(), after.slice(0, 2)]).toEqual([{ state: 'ok' }, [undefined, 0]]);
    await clock.skip();
    expect([exporter.health(), states]).toEqual([{ state: 'failing', lastError: error }, ['failing']]);
  },
);

test('a snapshot that is too far in the future is not superseded', async () => {
  const error = 'HTTP 400: out of bounds: timestamp is too far in the future';
  const { exporter } = anExporter([{ kind: 'refused', status: 400, error }]);
  exporter.start();
  await settle();
  expect(exporter.health()).toEqual({ state: 'failing', lastError: error });
});

test.each([
  ['out of order sample', { state: 'ok' }, []],
  ['no room', { state: 'failing', lastError: '2 points were not taken: no room' }, ['failing']],
])('a receiver that takes a part and says "%s"', async (message, health, told) => {
  const { exporter, states, clock, sent } = anExporter([{ kind: 'acknowledged', rejected: 2, message }, ok]);
  exporter.start();
  await settle();
  expect([exporter.health(), states, clock.waits]).toEqual([health, told, [60_000]]);
  await clock.skip();
  expect([exporter.health(), sent.length]).toEqual([{ state: 'ok' }, 2]);
});

test('a refusal and a wrong key are told once, and tried again', async () => {
  const wrong: SendResult = { kind: 'misconfigured', status: 401, error: 'HTTP 401' };
  const { exporter, states, clock } = anExporter([{ kind: 'refused', status: 500, error: 'delta' }, wrong, wrong, ok]);
  exporter.start();
  await settle();
  expect(exporter.health()).toEqual({ state: 'failing', lastError: 'delta' });
  for (let tries = 0; tries < 3; tries++) await clock.skip();
  expect(states).toEqual(['failing', 'paused', 'ok']);
  expect(clock.waits).toEqual([1_000, 60_000, 60_000, 60_000]);
});

test('without a destination the totals are kept all the same', async () => {
  const { exporter, store, finish } = anExporter('off');
  finish(1);
  exporter.start();
  await settle();
  expect(store.tasks).toEqual([]);
});

test('many that have finished are counted in several transactions, none of them large', async () => {
  const { exporter, store, sent, finish } = anExporter([ok]);
  let folds = 0;
  store.before = () => (folds += 1);
  for (let number = 1; number <= 250; number++) finish(number);
  exporter.start();
  for (let turns = 0; turns < 20; turns++) await settle();
  expect([sent, folds]).toEqual([[{ at: 2, completions: 250 }], 3]);
});

test('a store that fails is waited for', async () => {
  const { exporter, store, clock, sent, finish } = anExporter([ok]);
  let broken = true;
  store.before = () => {
    if (broken) throw new Error('disk full');
  };
  finish(1);
  exporter.start();
  await settle();
  expect(exporter.health()).toEqual({ state: 'failing', lastError: 'metrics: disk full' });
  broken = false;
  await clock.skip();
  expect(sent).toEqual([{ at: 1_000, completions: 1 }]);
});

test('stop sends what has finished since', async () => {
  const { exporter, sent, finish } = anExporter([ok]);
  exporter.start();
  await settle();
  finish(1);
  await exporter.stop(5_000);
  expect(sent).toEqual([
    { at: 0, completions: 0 },
    { at: 1, completions: 1 },
  ]);
});
