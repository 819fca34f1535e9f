import { afterEach, expect, test } from 'vitest';
import { Relay, type RelayEvent, type RelayParts } from './relay.ts';
import type { SendResult } from './send/send.ts';
import { aTask, FakeClock, MemoryOutbox, noon, settle } from './stand-ins.testsuite.ts';

const ok: SendResult = { kind: 'acknowledged' };
const down: SendResult = { kind: 'retry', error: 'connect ECONNREFUSED' };

function times(count: number, result: SendResult): SendResult[] {
  return Array.from({ length: count }, () => result);
}

interface Setup {
  readonly relay: Relay;
  readonly store: MemoryOutbox;
  readonly clock: FakeClock;
  /** What was sent, in order, as text. */
  readonly sent: string[];
  readonly events: RelayEvent[];
}

const relays: Relay[] = [];
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop(0)));
});

/** A relay whose receiver gives these answers, the last one for ever, over a store with so many rows. */
function aRelay(rows: number, answers: readonly SendResult[], parts: Partial<RelayParts> = {}, store = new MemoryOutbox()): Setup {
  const clock = new FakeClock();
  const sent: string[] = [];
  const events: RelayEvent[] = [];
  while (store.rows.length < rows) store.add(aTask(store.rows.length + 1));
  const relay = new Relay({
    store,
    destination: 'otlp',
    wanted: { tools: false, modelCalls: false },
    serialise: ({ taskId }) => Buffer.from(taskId.slice(-1)),
    send: async (payload) => {
      sent.push(Buffer.from(payload).toString());
      return answers[Math.min(sent.length, answers.length) - 1] ?? ok;
    },
    now: clock.now,
    random: () => 1,
    sleep: clock.sleep,
    onHint: store.onHint,
    report: (event) => events.push(event),
    ...parts,
  });
  relays.push(relay);
  return { relay, store, clock, sent, events };
}

test('rows go out oldest first, one at a time, and are delivered', async () => {
  let open = 0;
  let most = 0;
  const sent: string[] = [];
  const { relay, store } = aRelay(3, [], {
    send: async (payload) => {
      most = Math.max(most, ++open);
      sent.push(Buffer.from(payload).toString());
      await settle();
      open--;
      return ok;
    },
  });
  relay.start();
  for (let i = 0; i < 5; i++) await settle();
  expect(sent).toEqual(['1', '2', '3']);
  expect(store.states).toEqual(['delivered', 'delivered', 'delivered']);
  expect(most).toBe(1);
  expect(relay.health()).toEqual({ state: 'ok' });
});

test('a hint ends the wait for work', async () => {
  const { relay, store, sent, clock } = aRelay(0, [ok]);
  relay.start();
  await settle();
  expect(clock.waits).toEqual([30_000]);
  store.add(aTask(1));
  await settle();
  expect(sent).toEqual(['1']);
});

test('a lost hint costs time, not the row', async () => {
  const { relay, store, sent, clock } = aRelay(0, [ok], { onHint: () => () => {} });
  relay.start();
  await settle();
  store.add(aTask(1));
  await settle();
  expect(sent).toEqual([]);
  await clock.skip();
  expect(sent).toEqual(['1']);
});

test('waits double up to five minutes, and success starts anew', async () => {
  const { relay, clock, sent, store } = aRelay(1, [...times(11, down), ok, down]);
  relay.start();
  for (let tries = 0; tries < 11; tries++) await clock.skip();
  expect(clock.waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 30].map((seconds) => seconds * 1_000));
  expect(store.states).toEqual(['delivered']);
  store.add(aTask(2));
  await settle();
  expect(clock.waits.at(-1)).toBe(1_000);
  expect(sent).toHaveLength(13);
});

test('the jitter takes up to half of a wait away', async () => {
  const { relay, clock } = aRelay(1, [down], { random: () => 0 });
  relay.start();
  await clock.skip();
  expect(clock.waits).toEqual([500, 1_000]);
});

test('while it fails, the rows behind wait too, and hints change nothing', async () => {
  const { relay, store, clock, sent } = aRelay(2, [down, down, ok]);
  relay.start();
  await settle();
  store.add(aTask(3));
  store.add(aTask(4));
  await settle();
  expect(sent).toEqual(['1']);
  await clock.skip();
  expect(sent).toEqual(['1', '2']);
  await clock.skip();
  expect(sent).toEqual(['1', '2', '3', '4', '1', '2']);
});

test('a row that fails whenever it is sent stops no other', async () => {
  const sent: string[] = [];
  const { relay, store, clock } = aRelay(20, [], {
    send: async (payload) => {
      sent.push(Buffer.from(payload).toString());
      return sent.at(-1) === '1' || sent.at(-1) === '2' ? down : ok;
    },
    serialise: ({ taskId }) => Buffer.from(String(Number.parseInt(taskId.slice(-2), 16))),
  });
  relay.start();
  await settle();
  await clock.skip();
  for (let turns = 0; turns < 10; turns++) await settle();
  await clock.skip();
  expect(sent.slice(0, 4)).toEqual(['1', '2', '3', '4']);
  expect(store.states.filter((state) => state === 'pending')).toHaveLength(2);
  store.add(aTask(21));
  for (const _ of ['1', '2']) await clock.skip();
  expect(store.states.at(-1)).toBe('delivered');
});

test('a clock that is set back while a row waits does not make it wait longer', async () => {
  const { relay, store, clock, sent } = aRelay(1, [down, ok]);
  relay.start();
  await settle();
  await relay.stop(0);
  const later = aRelay(1, [ok], { now: () => clock.now() - 600_000 }, store);
  later.relay.start();
  await settle();
  expect([sent, later.sent, store.states]).toEqual([['1'], ['1'], ['delivered']]);
});

test('Retry-After is obeyed, also when our own wait would be longer or shorter', async () => {
  const wait = (after: number): SendResult => ({ kind: 'retry', after, error: 'HTTP 429' });
  const { relay, clock, store } = aRelay(1, [wait(45_000), down, down, down, wait(2_000), wait(0), wait(1e12), ok]);
  relay.start();
  await settle();
  expect(store.rows[0]?.due).toBe(noon + 45_000);
  for (let tries = 0; tries < 7; tries++) await clock.skip();
  expect(clock.waits).toEqual([45_000, 2_000, 4_000, 8_000, 2_000, 1_000, 3_600_000, 30_000]);
});

test('what the receiver asked for holds after a restart; our own wait does not', async () => {
  const asked = aRelay(1, [{ kind: 'retry', after: 45_000, error: 'HTTP 503' }]);
  asked.relay.start();
  await settle();
  await asked.relay.stop(0);
  const patient = aRelay(1, [ok], {}, asked.store);
  patient.relay.start();
  await settle();
  expect([patient.sent, patient.clock.waits]).toEqual([[], [30_000]]);
  await patient.clock.skip();
  await patient.clock.skip();
  expect([patient.sent, patient.clock.now() - noon]).toEqual([['1'], 45_000]);

  const failed = aRelay(1, [down]);
  failed.relay.start();
  await settle();
  await failed.relay.stop(0);
  const prompt = aRelay(1, [ok], {}, failed.store);
  prompt.relay.start();
  await settle();
  expect(prompt.sent).toEqual(['1']);
});

test('a refused row is dead and the next one goes on', async () => {
  const { relay, store, events, sent } = aRelay(2, [{ kind: 'refused', status: 400, error: 'HTTP 400: bad span' }, ok]);
  relay.start();
  await settle();
  expect(sent).toEqual(['1', '2']);
  expect(store.rows.map(({ state, error }) => [state, error])).toEqual([
    ['dead', 'HTTP 400: bad span'],
    ['delivered', undefined],
  ]);
  expect(events).toEqual([{ kind: 'dead', taskId: aTask(1).id, error: 'HTTP 400: bad span' }]);
  expect(relay.health()).toMatchObject({ state: 'ok' });
});

test('a row that cannot be written as spans is dead and the next one goes on', async () => {
  const { relay, store, sent } = aRelay(2, [ok], {
    serialise: ({ taskId }) => {
      if (taskId.endsWith('1')) throw new Error('bug: no trace id');
      return Buffer.from('2');
    },
  });
  relay.start();
  await settle();
  expect(sent).toEqual(['2']);
  expect(store.rows[0]).toMatchObject({ state: 'dead', error: 'cannot be written as spans: bug: no trace id' });
});

test('spans that a receiver rejects are counted and not sent again', async () => {
  const { relay, store, events, sent } = aRelay(1, [{ kind: 'acknowledged', rejected: 2, message: 'too old' }]);
  relay.start();
  await settle();
  expect(sent).toEqual(['1']);
  expect(store.states).toEqual(['delivered']);
  expect(events).toEqual([{ kind: 'rejected', taskId: aTask(1).id, spans: 2, message: 'too old' }]);
  expect([relay.health(), store.rejectedSpans]).toEqual([{ state: 'ok' }, 2]);
});

test('a wrong key or address pauses, loudly and once, loses nothing and is tried again rarely', async () => {
  const wrong: SendResult = { kind: 'misconfigured', status: 401, error: 'HTTP 401' };
  const { relay, store, events, clock } = aRelay(2, [...times(10, wrong), ok]);
  relay.start();
  await settle();
  expect(relay.health()).toMatchObject({ state: 'paused', lastError: 'HTTP 401' });
  for (let tries = 0; tries < 9; tries++) await clock.skip();
  expect(store.states).toEqual(['pending', 'pending']);
  await clock.skip();
  expect(store.states).toEqual(['delivered', 'delivered']);
  expect(clock.waits.slice(0, 10)).toEqual([60, 60, 60, 60, 60, 60, 64, 128, 256, 300].map((seconds) => seconds * 1_000));
  expect(events).toEqual([
    { kind: 'state', state: 'paused', error: 'HTTP 401' },
    { kind: 'state', state: 'ok' },
  ]);
  expect(relay.health()).toEqual({ state: 'ok' });
});

test('a row that is forbidden each time stops no other', async () => {
  const forbidden: SendResult = { kind: 'misconfigured', status: 403, error: 'HTTP 403' };
  const { relay, store, clock } = aRelay(3, [], {
    send: async (payload) => (Buffer.from(payload).toString() === '1' ? forbidden : ok),
  });
  relay.start();
  await settle();
  await clock.skip();
  expect(store.states).toEqual(['pending', 'delivered', 'delivered']);
  expect(relay.health().state).toBe('paused');
});

test.each(['freeze', 'delivered', 'retryAt', 'dead'])('a store that cannot %s is waited for, and nothing is lost', async (write) => {
  let broken = 2;
  const first: SendResult = write === 'retryAt' ? down : write === 'dead' ? { kind: 'refused', status: 400, error: 'no' } : ok;
  const { relay, store, clock } = aRelay(1, [first, first, first, ok]);
  store.before = (name) => {
    if (name === write && broken-- > 0) throw new Error('disk full');
  };
  relay.start();
  await settle();
  expect(relay.health()).toMatchObject({ state: 'failing', lastError: 'outbox: disk full' });
  for (let tries = 0; tries < 3; tries++) await clock.skip();
  expect(store.states).toEqual([write === 'dead' ? 'dead' : 'delivered']);
});

test('a store that could not be read and works again: hints are heard as before', async () => {
  const { relay, store, clock, sent, events } = aRelay(0, [ok]);
  const { pending } = store;
  store.pending = () => Promise.reject(new Error('database is locked'));
  relay.start();
  await settle();
  expect(relay.health()).toMatchObject({ state: 'failing', lastError: 'outbox: database is locked' });
  store.pending = pending;
  await clock.skip();
  expect(relay.health()).toEqual({ state: 'ok' });
  store.add(aTask(1));
  await settle();
  expect(sent).toEqual(['1']);
  expect(events.map((event) => event.kind === 'state' && event.state)).toEqual(['failing', 'ok']);
});

test('a freeze whose answer was lost is not done again: the stored bytes are sent', async () => {
  let version = 0;
  const { relay, store, clock, sent } = aRelay(1, [ok], { serialise: () => Buffer.from(`version ${++version}`) });
  store.after = (write) => {
    if (write === 'freeze' && version === 1) throw new Error('connection lost');
  };
  relay.start();
  await clock.skip();
  expect(sent).toEqual(['version 1']);
});

test('bytes that another daemon has stored in between are sent, not our own', async () => {
  const { relay, store, sent } = aRelay(1, [ok], { serialise: () => Buffer.from('ours') });
  store.before = (write) => {
    const stored = store.rows[0]!;
    if (write === 'freeze') stored.row = { ...stored.row, payload: Buffer.from('theirs') };
  };
  relay.start();
  await settle();
  expect(sent).toEqual(['theirs']);
});

test('a row is written as spans once, however often it is sent', async () => {
  let written = 0;
  const { relay, clock, sent } = aRelay(1, [down, down, ok], { serialise: () => Buffer.from(String(++written)) });
  relay.start();
  await clock.skip();
  await clock.skip();
  expect(sent).toEqual(['1', '1', '1']);
  expect(written).toBe(1);
});

test('nothing is sent before its bytes are stored', async () => {
  const order: string[] = [];
  const { relay, store } = aRelay(1, [ok], {
    send: async () => {
      order.push('send');
      return ok;
    },
  });
  store.after = (write) => order.push(write);
  relay.start();
  await settle();
  expect(order).toEqual(['freeze', 'send', 'delivered']);
});

test('stop sends what is due while that succeeds', async () => {
  const { relay, store, sent } = aRelay(0, [ok], { onHint: () => () => {} });
  relay.start();
  await settle();
  for (const number of [1, 2, 3]) store.add(aTask(number));
  await relay.stop(5_000);
  expect(sent).toEqual(['1', '2', '3']);
});

test('stop does not wait for a receiver that is away, nor try it once more', async () => {
  const { relay, sent } = aRelay(2, [down]);
  relay.start();
  await settle();
  await relay.stop(5_000);
  expect(sent).toEqual(['1']);
});

test('stop ends a send that takes too long, and leaves its row as it was', async () => {
  const { relay, store, clock } = aRelay(1, [], {
    send: (_, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'retry', error: 'stopped before the answer came' }))),
  });
  relay.start();
  await settle();
  const stopped = relay.stop(5_000);
  await clock.skip();
  await stopped;
  await settle();
  expect(clock.waits).toEqual([5_000]);
  expect(store.rows[0]).toMatchObject({ state: 'pending', due: 0, row: { attempts: 0 } });
});

test('a relay that was never started can be stopped', async () => {
  await expect(aRelay(1, [ok]).relay.stop(5_000)).resolves.toBeUndefined();
});
