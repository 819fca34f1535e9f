import assert from 'node:assert/strict';
import type { TaskEventBody } from '../task/events.ts';
import type { LedgerEntry } from '../task/ledger.ts';
import type { OutboxKey } from './outbox.ts';
import { change, commit, created, ending, newId, noon, type StoreCase, type StoreFixture } from './samples.testsuite.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Ends a new task; gives the key of its row for the first destination. */
async function ended(at: StoreFixture, destinations: readonly string[], completedAt = noon): Promise<OutboxKey> {
  const task = await commit(at.store, ending(await created(at.store), 'completed', destinations, completedAt));
  return { taskId: task.id, destination: destinations[0] ?? '', signal: 'traces' };
}

async function pendingIds(at: StoreFixture, destination: string, now: number, limit = 10): Promise<string[]> {
  return (await at.outbox.pending(destination, now, limit)).map(({ taskId }) => taskId);
}

/** What every adapter of the outbox port must pass. */
export const outboxCases: readonly StoreCase[] = [
  {
    name: 'a completion has one row per destination, with the task and the event, oldest first',
    async run(make) {
      await using at = await make();
      const second = await ended(at, ['here'], noon + 2);
      const first = await ended(at, ['here', 'there'], noon + 1);
      assert.deepEqual(await pendingIds(at, 'here', noon + 2), [first.taskId, second.taskId]);
      assert.deepEqual(await pendingIds(at, 'here', noon + 2, 1), [first.taskId]);
      assert.deepEqual(await pendingIds(at, 'nowhere', noon + 2), []);
      assert.deepEqual(await at.outbox.pending('there', noon + 2, 10), [
        {
          ...first,
          destination: 'there',
          task: await at.store.task(first.taskId),
          completion: await at.store.completion(first.taskId),
          attempts: 0,
        },
      ]);
    },
  },
  {
    name: 'without a destination nothing is pending and nothing presses',
    async run(make) {
      await using at = await make();
      const { taskId } = await ended(at, []);
      assert.deepEqual(await pendingIds(at, '', noon), []);
      assert.deepEqual(await at.outbox.backlog(), { rows: 0 });
      assert.equal((await at.store.completion(taskId))?.taskId, taskId);
    },
  },
  {
    name: 'freeze keeps the first bytes, whoever comes later',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here', 'there']);
      const results = await Promise.all([at.outbox.freeze(row, bytes('first')), at.outbox.freeze(row, bytes('second'))]);
      assert.deepEqual(results, [bytes('first'), bytes('first')]);
      await at.reopen();
      assert.deepEqual(await at.outbox.freeze(row, bytes('third')), bytes('first'));
      assert.deepEqual((await at.outbox.pending('here', noon, 1))[0]?.payload, bytes('first'));
      assert.equal((await at.outbox.pending('there', noon, 1))[0]?.payload, undefined);
    },
  },
  {
    name: 'freeze keeps every byte there is, and an empty payload too',
    async run(make) {
      await using at = await make();
      const all = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
      assert.deepEqual(await at.outbox.freeze(await ended(at, ['here']), all), all);
      const empty = await ended(at, ['there']);
      assert.deepEqual(await at.outbox.freeze(empty, new Uint8Array()), new Uint8Array());
      assert.deepEqual(await at.outbox.freeze(empty, bytes('late')), new Uint8Array());
    },
  },
  {
    name: 'the history of a task is its changes of state; its tools and its ledger only where they are wanted',
    async run(make) {
      await using at = await make();
      const harness = (kind: string): TaskEventBody => ({ kind: 'harness', attempt: 1, event: { kind, source: 'stdout', endsAt: 1 } });
      const bodies: TaskEventBody[] = [
        { kind: 'state_changed', from: 'created', to: 'assigned', edge: 'assign' },
        harness('tool.started'),
        harness('text'),
        harness('tool.finished'),
      ];
      const task = await created(at.store);
      const next = change(task, {}, bodies.length);
      const events = next.events.map((event, index) => ({ ...event, body: bodies[index] ?? event.body }));
      const entries: LedgerEntry[] = [{ attempt: 1, callId: 'a', provenance: 'reported', outputTokens: 1 }];
      await commit(at.store, { ...next, events, ledger: { attempt: 1, entries, whole: true } });
      const [assigned, started, , finished] = events;
      const nothing = { tools: false, modelCalls: false };
      assert.deepEqual(await at.outbox.history(task.id, nothing), { events: [assigned], calls: [] });
      assert.deepEqual(await at.outbox.history(task.id, { tools: true, modelCalls: true }), {
        events: [assigned, started, finished],
        calls: entries,
      });
      assert.deepEqual(await at.outbox.history(newId(), nothing), { events: [], calls: [] });
    },
  },
  {
    name: 'freeze of a row that does not exist is an error',
    async run(make) {
      await using at = await make();
      const row: OutboxKey = { taskId: newId(), destination: 'here', signal: 'traces' };
      await assert.rejects(at.outbox.freeze(row, bytes('x')), new RegExp(`no outbox row for task ${row.taskId} and destination here`));
    },
  },
  {
    name: 'a delivered row is gone for its destination only',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here', 'there']);
      await at.outbox.delivered(row, noon + 5);
      await at.outbox.delivered(row, noon + 6);
      assert.deepEqual(await pendingIds(at, 'here', noon), []);
      assert.deepEqual(await pendingIds(at, 'there', noon), [row.taskId]);
      assert.equal((await at.outbox.backlog()).rows, 1);
    },
  },
  {
    name: 'a row to be sent again comes back when it is due, with its tries counted',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here']);
      await at.outbox.retryAt(row, noon + 100, 'connection refused');
      await at.outbox.retryAt(row, noon + 300, 'connection refused');
      assert.deepEqual(await pendingIds(at, 'here', noon + 299), []);
      const [again] = await at.outbox.pending('here', noon + 300, 10);
      assert.deepEqual([again?.taskId, again?.attempts], [row.taskId, 2]);
      assert.deepEqual(await at.outbox.backlog(), { rows: 1, oldest: noon });
    },
  },
  {
    name: 'a row whose time was told by a clock that was set back does not wait for that clock',
    async run(make) {
      await using at = await make();
      const [hour, day] = [3_600_000, 86_400_000];
      const row = await ended(at, ['here']);
      assert.deepEqual(await pendingIds(at, 'here', noon - day), [row.taskId], 'made in the future');
      await at.outbox.retryAt(row, noon + day, 'e');
      assert.deepEqual(await pendingIds(at, 'here', noon + 1), [row.taskId], 'due later than anybody may ask for');
      await at.outbox.retryAt(row, noon + hour, 'e');
      assert.deepEqual(await pendingIds(at, 'here', noon + 1), [], 'asked for by the receiver');
    },
  },
  {
    name: 'the next pending time is the earliest of its destination',
    async run(make) {
      await using at = await make();
      assert.equal(await at.outbox.nextPending('here'), undefined);
      const [first, second] = [await ended(at, ['here', 'there']), await ended(at, ['here'])];
      await at.outbox.retryAt(first, noon + 200, 'e');
      await at.outbox.retryAt(second, noon + 100, 'e');
      assert.equal(await at.outbox.nextPending('here'), noon + 100);
      assert.equal(await at.outbox.nextPending('there'), noon);
      await at.outbox.delivered(second, noon);
      await at.outbox.dead(first, 'e');
      assert.equal(await at.outbox.nextPending('here'), undefined);
    },
  },
  {
    name: 'a dead row is kept but does not press, and a late answer changes nothing',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here']);
      await at.outbox.freeze(row, bytes('kept'));
      await at.outbox.dead(row, 'too large');
      await at.outbox.retryAt(row, noon, 'late');
      assert.deepEqual(await pendingIds(at, 'here', noon), []);
      assert.deepEqual(await at.outbox.backlog(), { rows: 0 });
      assert.deepEqual(await at.outbox.freeze(row, bytes('x')), bytes('kept'));
    },
  },
  {
    name: 'the backlog counts what is owed and names the oldest',
    async run(make) {
      await using at = await make();
      await ended(at, ['here', 'there'], noon + 10);
      const oldest = await ended(at, ['here'], noon + 5);
      assert.deepEqual(await at.outbox.backlog(), { rows: 3, oldest: noon + 5 });
      await at.outbox.delivered(oldest, noon + 20);
      assert.deepEqual(await at.outbox.backlog(), { rows: 2, oldest: noon + 10 });
    },
  },
  {
    name: 'rows without a destination get one: those since a time, or of one task, each once',
    async run(make) {
      await using at = await make();
      const [old, first, second] = [await ended(at, [], noon), await ended(at, [], noon + 10), await ended(at, [], noon + 20)];
      const sent = await ended(at, ['here'], noon + 30);
      await at.outbox.delivered(sent, noon + 31);
      const undirected = { destination: 'here', from: 'undirected', at: noon + 40 } as const;
      assert.deepEqual(await at.outbox.unsent(), { undirected: 3, dead: 0 });
      assert.deepEqual(await at.outbox.queue({ ...undirected, since: noon + 10 }), { kind: 'queued', rows: 2 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [first.taskId, second.taskId]);
      assert.deepEqual(await at.outbox.queue({ ...undirected, since: noon + 10 }), { kind: 'queued', rows: 0 });
      assert.deepEqual(await at.outbox.queue({ ...undirected, taskId: sent.taskId }), { kind: 'queued', rows: 0 });
      assert.deepEqual(await at.outbox.unsent(), { undirected: 1, dead: 0 });
      await at.reopen();
      assert.deepEqual(await at.outbox.queue({ ...undirected, taskId: old.taskId }), { kind: 'queued', rows: 1 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [old.taskId, first.taskId, second.taskId]);
      assert.deepEqual(await at.outbox.unsent(), { undirected: 0, dead: 0 });
    },
  },
  {
    name: 'dead rows of a destination come back with their bytes, all or those of one task',
    async run(make) {
      await using at = await make();
      const [first, second] = [await ended(at, ['here', 'there'], noon), await ended(at, ['here'], noon + 10)];
      await at.outbox.freeze(first, bytes('kept'));
      for (const row of [first, second, { ...first, destination: 'there' }]) await at.outbox.dead(row, 'too large');
      const dead = { from: 'dead', at: noon + 40 } as const;
      assert.deepEqual(await at.outbox.unsent(), { undirected: 0, dead: 3 });
      assert.deepEqual(await at.outbox.queue({ ...dead, destination: 'here', taskId: first.taskId }), { kind: 'queued', rows: 1 });
      const [again] = await at.outbox.pending('here', noon + 40, 10);
      assert.deepEqual([again?.taskId, again?.payload, again?.attempts], [first.taskId, bytes('kept'), 1]);
      assert.deepEqual(await at.outbox.record(first.taskId, 'there'), { state: 'dead', lastError: 'too large' });
      assert.deepEqual(await at.outbox.queue({ ...dead, destination: 'here' }), { kind: 'queued', rows: 1 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [first.taskId, second.taskId]);
      assert.deepEqual(await at.outbox.unsent(), { undirected: 0, dead: 1 });
    },
  },
  {
    name: 'a request puts rows into the queue once, and is told again what it did',
    async run(make) {
      await using at = await make();
      await ended(at, []);
      const change = { destination: 'here', from: 'undirected', at: noon + 40, request: { id: 'r', hash: 'h' } } as const;
      assert.deepEqual(await at.outbox.queue(change), { kind: 'queued', rows: 1 });
      await ended(at, []);
      await at.reopen();
      const earlier = { hash: 'h', answer: { kind: 'queued', rows: 1 } };
      assert.deepEqual(await at.outbox.queue(change), { kind: 'repeated', earlier });
      assert.deepEqual(await at.store.request('r'), earlier);
      assert.deepEqual(await at.outbox.unsent(), { undirected: 1, dead: 0 });
      assert.equal((await at.outbox.backlog()).rows, 1);
    },
  },
  {
    name: 'the record of a task is that of the destination, or else the one without a destination',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here', 'there']);
      assert.deepEqual(await at.outbox.record(row.taskId, 'here'), { state: 'pending' });
      await at.outbox.freeze(row, bytes('kept'));
      await at.outbox.retryAt(row, noon, 'refused');
      assert.deepEqual(await at.outbox.record(row.taskId, 'here'), { state: 'pending', payload: bytes('kept'), lastError: 'refused' });
      await at.outbox.delivered(row, noon + 5);
      assert.deepEqual(await at.outbox.record(row.taskId, 'here'), { state: 'delivered', payload: bytes('kept'), deliveredAt: noon + 5 });
      await at.outbox.dead({ ...row, destination: 'there' }, 'too large');
      assert.deepEqual(await at.outbox.record(row.taskId, 'there'), { state: 'dead', lastError: 'too large' });
      assert.equal(await at.outbox.record(row.taskId, 'elsewhere'), undefined);
      const { taskId } = await ended(at, []);
      assert.deepEqual(await at.outbox.record(taskId, 'here'), { state: 'undirected' });
      assert.equal(await at.outbox.record(newId(), 'here'), undefined);
    },
  },
  {
    name: 'the instance id stays the same for ever',
    async run(make) {
      await using at = await make();
      const id = await at.outbox.instanceId();
      await at.reopen();
      assert.equal(await at.outbox.instanceId(), id);
      await using other = await make();
      assert.notEqual(await other.outbox.instanceId(), id);
    },
  },
];
