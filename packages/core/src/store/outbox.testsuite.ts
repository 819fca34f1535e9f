import assert from 'node:assert/strict';
import type { TaskEventBody } from '../task/events.ts';
import type { LedgerEntry } from '../task/ledger.ts';
import type { DestinationStanding, OutboxKey } from './outbox.ts';
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

async function standing(at: StoreFixture, wanted: string): Promise<Omit<DestinationStanding, 'destination' | 'ever'>> {
  const {
    destination: _,
    ever: __,
    ...rest
  } = (await at.outbox.standing()).destinations.find(({ destination }) => destination === wanted)!;
  return rest;
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
      assert.deepEqual(await at.outbox.standing(), { undirected: 1, destinations: [] });
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
      assert.deepEqual((await at.outbox.pending('there', noon, 1))[0]?.payload, bytes('first'), 'the same for every destination');
      assert.deepEqual(await at.outbox.freeze({ ...row, destination: 'there' }, bytes('fourth')), bytes('first'));
    },
  },
  {
    name: 'bytes that were made by other rules of what may leave are forgotten, and nothing else is',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here']);
      await at.outbox.freeze(row, bytes('of nobody knows which'));
      await at.outbox.keepBytesOf('loose');
      await at.outbox.keepBytesOf('loose');
      assert.deepEqual((await at.outbox.record(row.taskId))?.payload, bytes('of nobody knows which'));
      await at.reopen();
      await at.outbox.keepBytesOf('strict');
      assert.deepEqual(await at.outbox.record(row.taskId), { rows: [{ destination: 'here', state: 'pending' }] });
      assert.deepEqual(await at.outbox.freeze(row, bytes('made anew')), bytes('made anew'));
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
      assert.deepEqual((await at.outbox.standing()).destinations, [
        { destination: 'here', pending: 0, dead: 0, ever: { delivered: 1, dead: 0, rejectedSpans: 0 } },
        { destination: 'there', pending: 1, oldest: noon, dead: 0, ever: { delivered: 0, dead: 0, rejectedSpans: 0 } },
      ]);
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
      assert.deepEqual(await standing(at, 'here'), { pending: 1, oldest: noon, dead: 0 });
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
      assert.deepEqual(await standing(at, 'here'), { pending: 0, dead: 1 });
      assert.deepEqual(await at.outbox.freeze(row, bytes('x')), bytes('kept'));
    },
  },
  {
    name: 'what a destination owes is counted, and the oldest of it; what it has ever done is counted too',
    async run(make) {
      await using at = await make();
      const [newer, older] = [await ended(at, ['here', 'there'], noon + 10), await ended(at, ['here'], noon + 5)];
      assert.deepEqual(await standing(at, 'here'), { pending: 2, oldest: noon + 5, dead: 0 });
      assert.deepEqual(await standing(at, 'there'), { pending: 1, oldest: noon + 10, dead: 0 });
      assert.equal(await at.outbox.owed(['here', 'there'], 9), 3);
      assert.equal(await at.outbox.owed(['here', 'there'], 2), 2);
      assert.equal(await at.outbox.owed(['there', 'elsewhere'], 9), 1);
      await at.outbox.delivered(older, noon + 20, 4);
      await at.outbox.delivered(older, noon + 21, 4);
      await at.outbox.dead(newer, 'too large');
      await at.reopen();
      assert.deepEqual(await standing(at, 'here'), { pending: 0, dead: 1 });
      const [here] = (await at.outbox.standing()).destinations;
      assert.deepEqual(here?.ever, { delivered: 1, dead: 1, rejectedSpans: 4 });
    },
  },
  {
    name: 'rows without a destination get one: those since a time, or of one task, each once',
    async run(make) {
      await using at = await make();
      const [old, first, second] = [await ended(at, [], noon), await ended(at, [], noon + 10), await ended(at, [], noon + 20)];
      const sent = await ended(at, ['here'], noon + 30);
      await at.outbox.delivered(sent, noon + 31);
      const undirected = { destinations: ['here'], from: 'undirected', at: noon + 40 } as const;
      assert.equal((await at.outbox.standing()).undirected, 3);
      assert.deepEqual(await at.outbox.queue({ ...undirected, since: noon + 10 }), { kind: 'queued', rows: 2 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [first.taskId, second.taskId]);
      assert.deepEqual(await at.outbox.queue({ ...undirected, since: noon + 10 }), { kind: 'queued', rows: 0 });
      assert.deepEqual(await at.outbox.queue({ ...undirected, taskId: sent.taskId }), { kind: 'queued', rows: 0 });
      assert.equal((await at.outbox.standing()).undirected, 1);
      await at.reopen();
      assert.deepEqual(await at.outbox.queue({ ...undirected, taskId: old.taskId }), { kind: 'queued', rows: 1 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [old.taskId, first.taskId, second.taskId]);
      assert.equal((await at.outbox.standing()).undirected, 0);
    },
  },
  {
    name: 'they go to every destination there is, and so do those of one that is gone, with their bytes',
    async run(make) {
      await using at = await make();
      const undirected = await ended(at, [], noon);
      const orphan = await ended(at, ['gone', 'here'], noon + 10);
      await at.outbox.freeze(orphan, bytes('kept'));
      await at.outbox.delivered({ ...orphan, destination: 'here' }, noon + 11);
      const change = { destinations: ['here', 'there'], from: 'undirected', at: noon + 40 } as const;
      assert.deepEqual(await at.outbox.queue(change), { kind: 'queued', rows: 3 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [undirected.taskId], 'it had the other one');
      assert.deepEqual(await pendingIds(at, 'there', noon + 40), [undirected.taskId, orphan.taskId]);
      assert.deepEqual((await at.outbox.pending('there', noon + 40, 9))[1]?.payload, bytes('kept'));
      assert.deepEqual(await pendingIds(at, 'gone', noon + 40), []);
      assert.equal((await at.outbox.standing()).undirected, 0);
    },
  },
  {
    name: 'a destination that is named gets every record that it has not, also what others got',
    async run(make) {
      await using at = await make();
      const [old, delivered, waiting] = [
        await ended(at, ['here'], noon),
        await ended(at, ['here'], noon + 10),
        await ended(at, [], noon + 20),
      ];
      await at.outbox.freeze(delivered, bytes('kept'));
      await at.outbox.delivered(delivered, noon + 11);
      const change = { destinations: ['here', 'there'], to: 'there', from: 'undirected', since: noon + 10, at: noon + 40 } as const;
      assert.deepEqual(await at.outbox.queue(change), { kind: 'queued', rows: 2 });
      assert.deepEqual(await at.outbox.queue(change), { kind: 'queued', rows: 0 });
      assert.deepEqual(await pendingIds(at, 'there', noon + 40), [delivered.taskId, waiting.taskId]);
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [old.taskId]);
      assert.equal((await at.outbox.standing()).undirected, 0);
    },
  },
  {
    name: 'dead rows of a destination that is gone go to those that there are, with their bytes, and are dead no more',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['gone', 'here']);
      await at.outbox.freeze(row, bytes('kept'));
      await at.outbox.dead(row, 'no');
      await at.outbox.delivered({ ...row, destination: 'here' }, noon);
      const again = { from: 'dead', destinations: ['here', 'there'], at: noon } as const;
      assert.deepEqual(await at.outbox.queue(again), { kind: 'queued', rows: 1 });
      assert.deepEqual(await at.outbox.record(row.taskId), {
        rows: [
          { destination: 'here', state: 'delivered', deliveredAt: noon },
          { destination: 'there', state: 'pending' },
        ],
        payload: bytes('kept'),
      });
      assert.deepEqual(await at.outbox.queue(again), { kind: 'queued', rows: 0 });
    },
  },
  {
    name: 'dead rows of a destination come back with their bytes, all or those of one task',
    async run(make) {
      await using at = await make();
      const [first, second] = [await ended(at, ['here', 'there'], noon), await ended(at, ['here'], noon + 10)];
      await at.outbox.freeze(first, bytes('kept'));
      for (const row of [first, second, { ...first, destination: 'there' }]) await at.outbox.dead(row, 'too large');
      const dead = { destinations: ['here', 'there'], from: 'dead', at: noon + 40 } as const;
      assert.deepEqual([(await standing(at, 'here')).dead, (await standing(at, 'there')).dead], [2, 1]);
      assert.deepEqual(await at.outbox.queue({ ...dead, to: 'here', taskId: first.taskId }), { kind: 'queued', rows: 1 });
      const [again] = await at.outbox.pending('here', noon + 40, 10);
      assert.deepEqual([again?.taskId, again?.payload, again?.attempts], [first.taskId, bytes('kept'), 1]);
      assert.deepEqual((await at.outbox.record(first.taskId))?.rows[1], { destination: 'there', state: 'dead', lastError: 'too large' });
      assert.deepEqual(await at.outbox.queue(dead), { kind: 'queued', rows: 2 });
      assert.deepEqual(await pendingIds(at, 'here', noon + 40), [first.taskId, second.taskId]);
      assert.deepEqual(await pendingIds(at, 'there', noon + 40), [first.taskId]);
    },
  },
  {
    name: 'what is old is pruned a few rows at a time: delivered, without a destination, or of one that is gone; never what is dead or waits',
    async run(make) {
      await using at = await make();
      const delivered = await ended(at, ['here', 'there'], noon);
      await at.outbox.freeze(delivered, bytes('kept'));
      await at.outbox.delivered(delivered, noon + 100);
      const [undirected, gone, dead, waiting] = [
        await ended(at, [], noon),
        await ended(at, ['gone'], noon),
        await ended(at, ['there'], noon),
        await ended(at, ['there'], noon),
      ];
      await at.outbox.dead(dead, 'too large');
      const late = await ended(at, [], noon + 100);
      const prune = { before: noon + 100, destinations: ['here', 'there'], limit: 10 };
      assert.equal(await at.outbox.prune(prune), 2, 'the delivered row is not old enough');
      assert.equal(await at.outbox.record(undirected.taskId), undefined);
      assert.equal(await at.outbox.record(gone.taskId), undefined);
      assert.equal(await at.outbox.prune({ ...prune, before: noon + 101, limit: 1 }), 1);
      assert.equal(await at.outbox.prune({ ...prune, before: noon + 101, limit: 1 }), 1);
      assert.equal(await at.outbox.prune({ ...prune, before: noon + 101 }), 0);
      assert.equal(await at.outbox.record(late.taskId), undefined);
      const other = { rows: [{ destination: 'there', state: 'pending' }], payload: bytes('kept') };
      assert.deepEqual(await at.outbox.record(delivered.taskId), other, 'another destination needs the bytes');
      await at.outbox.delivered({ ...delivered, destination: 'there' }, noon);
      assert.equal(await at.outbox.prune(prune), 1);
      await at.reopen();
      assert.equal(await at.outbox.record(delivered.taskId), undefined);
      assert.equal((await at.outbox.record(dead.taskId))?.rows[0]?.state, 'dead');
      assert.deepEqual(await pendingIds(at, 'there', noon), [waiting.taskId]);
      assert.deepEqual(
        (await at.outbox.standing()).destinations[0]?.ever,
        { delivered: 1, dead: 0, rejectedSpans: 0 },
        'what was stays counted',
      );
      assert.equal((await at.store.completion(delivered.taskId))?.taskId, delivered.taskId);
    },
  },
  {
    name: 'a request puts rows into the queue once, and is told again what it did',
    async run(make) {
      await using at = await make();
      await ended(at, []);
      const change = { destinations: ['here'], from: 'undirected', at: noon + 40, request: { id: 'r', hash: 'h' } } as const;
      assert.deepEqual(await at.outbox.queue(change), { kind: 'queued', rows: 1 });
      await ended(at, []);
      await at.reopen();
      const earlier = { hash: 'h', answer: { kind: 'queued', rows: 1 } };
      assert.deepEqual(await at.outbox.queue(change), { kind: 'repeated', earlier });
      assert.deepEqual(await at.store.request('r'), earlier);
      assert.equal((await at.outbox.standing()).undirected, 1);
      assert.equal((await standing(at, 'here')).pending, 1);
    },
  },
  {
    name: 'the record of a task tells of each destination, or that it has none, and the bytes that all get',
    async run(make) {
      await using at = await make();
      const row = await ended(at, ['here', 'there']);
      const waits = { destination: 'there', state: 'pending' } as const;
      assert.deepEqual(await at.outbox.record(row.taskId), { rows: [{ destination: 'here', state: 'pending' }, waits] });
      await at.outbox.freeze(row, bytes('kept'));
      await at.outbox.retryAt(row, noon, 'refused');
      const refused = { destination: 'here', state: 'pending', lastError: 'refused' } as const;
      assert.deepEqual(await at.outbox.record(row.taskId), { rows: [refused, waits], payload: bytes('kept') });
      await at.outbox.delivered(row, noon + 5);
      const delivered = { destination: 'here', state: 'delivered', deliveredAt: noon + 5 } as const;
      assert.deepEqual(await at.outbox.record(row.taskId), { rows: [delivered, waits], payload: bytes('kept') });
      const { taskId } = await ended(at, []);
      assert.deepEqual(await at.outbox.record(taskId), { rows: [{ state: 'undirected' }] });
      assert.equal(await at.outbox.record(newId()), undefined);
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
