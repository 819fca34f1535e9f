import assert from 'node:assert/strict';
import type { TaskEvent } from '../task/events.ts';
import { change, commit, created, creation, ending, ids, newId, noon, type StoreCase } from './samples.testsuite.ts';

/** What every adapter of the Store port must pass. */
export const storeCases: readonly StoreCase[] = [
  {
    name: 'a task is read back as it was given',
    async run(make) {
      await using at = await make();
      const prompt = `ü 😀 \u0000 \r\n ${'x'.repeat(1024 * 1024)}`;
      const task = await created(at.store, { instructions: prompt, labels: { '': '"' }, priority: Number.MIN_SAFE_INTEGER }, 2 ** 52 + 1);
      assert.deepEqual(await at.store.task(task.id), task);
      const next = await commit(at.store, change(task, { usedMs: Number.MAX_SAFE_INTEGER, lease: { owner: 'me' } }));
      assert.deepEqual(await at.store.task(task.id), next);
      assert.equal(await at.store.task(newId()), undefined);
    },
  },
  {
    name: 'an id that exists is a conflict, and so is a change of a task that does not exist',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const { task: other } = creation();
      assert.equal(await at.store.commit({ ...creation(), task: { ...task, usedMs: 5 } }), 'conflict');
      assert.equal(await at.store.commit(change(other)), 'conflict');
      assert.deepEqual(ids(await at.store.tasks({ limit: 10 })), [task.id]);
      assert.deepEqual(await at.store.task(task.id), task);
    },
  },
  {
    name: 'two claims of one task: one is committed, one conflicts',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const claim = (owner: string) => change(task, { state: 'assigned', lease: { owner }, fence: 1 });
      const results = await Promise.all([at.store.commit(claim('first')), at.store.commit(claim('second'))]);
      assert.deepEqual(results, ['committed', 'conflict']);
      assert.equal((await at.store.task(task.id))?.lease?.owner, 'first');
      assert.equal(await at.store.commit(claim('third')), 'conflict');
      assert.equal((await at.store.events(task.id, 0, 10)).length, 2);
    },
  },
  {
    name: 'a late writer with an old fence changes nothing, even from the newest version',
    async run(make) {
      await using at = await make();
      const claimed = await commit(at.store, change(await created(at.store), { fence: 1, lease: { owner: 'old' } }));
      const taken = await commit(at.store, change(claimed, { fence: 2, lease: { owner: 'new' } }));
      const late = { fence: 1, request: { id: 'late', hash: 'h' }, reserve: '/late' };
      assert.equal(await at.store.commit({ ...change(claimed), ...late }), 'fenced');
      assert.equal(await at.store.commit({ ...change(taken), ...late }), 'fenced');
      assert.deepEqual(await at.store.task(taken.id), taken);
      assert.equal((await at.store.events(taken.id, 0, 10)).length, taken.sequence);
      assert.equal(await at.store.request('late'), undefined);
      assert.equal(await at.store.workspaceHolder('/late'), undefined);
      assert.equal(await at.store.commit({ ...change(taken), fence: 2 }), 'committed');
    },
  },
  {
    name: 'who presents no fence goes by the version alone',
    async run(make) {
      await using at = await make();
      const claimed = await commit(at.store, change(await created(at.store), { fence: 7 }));
      const stopped = await commit(at.store, change(claimed, { stop: { kind: 'cancel', by: 'a client', at: noon } }));
      assert.equal(await at.store.commit({ ...change(claimed), fence: 7 }), 'conflict');
      assert.deepEqual(await at.store.task(claimed.id), stopped);
    },
  },
  {
    name: 'a request id already taken conflicts, whoever took it',
    async run(make) {
      await using at = await make();
      const request = { id: 'request', hash: 'hash' };
      const first = { ...creation(), request };
      const second = { ...creation(), request: { ...request, hash: 'other' } };
      assert.deepEqual(await Promise.all([at.store.commit(first), at.store.commit(second)]), ['committed', 'conflict']);
      assert.equal(await at.store.commit({ ...creation(), request }), 'conflict');
      assert.equal(await at.store.commit({ ...change(first.task), request }), 'conflict');
      assert.deepEqual(await at.store.request('request'), { hash: 'hash', taskId: first.task.id });
      assert.deepEqual(await at.store.tasks({ limit: 10 }), [first.task]);
      assert.equal(await at.store.request('unknown'), undefined);
    },
  },
  {
    name: 'of many changes that arrive at once each stands or falls alone',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const gap = creation();
      const all = [creation(), change(task), change(task), { ...gap, events: [] }, { ...change(task), fence: 9 }, creation()];
      const results = await Promise.allSettled(all.map((one) => at.store.commit(one)));
      const outcomes = results.map((result) => (result.status === 'fulfilled' ? result.value : 'rejected'));
      assert.deepEqual(outcomes, ['committed', 'committed', 'conflict', 'rejected', 'fenced', 'committed']);
      assert.deepEqual(ids(await at.store.tasks({ limit: 10 })), ids([all[5]!.task, all[0]!.task, task]));
      assert.equal((await at.store.task(task.id))?.version, 2);
    },
  },
  {
    name: 'events are gapless and come back in order',
    async run(make) {
      await using at = await make();
      const [task, other] = [await created(at.store), await created(at.store)];
      const changes = [change(task, {}, 25)];
      changes.push(change(changes[0]!.task, {}, 0), change({ ...changes[0]!.task, version: 3 }, {}, 10));
      await Promise.all([...changes, change(other, {}, 3)].map((one) => commit(at.store, one)));
      const read: TaskEvent[] = [];
      for (;;) {
        const page = await at.store.events(task.id, read.at(-1)?.sequence ?? 0, 10);
        if (page.length === 0) break;
        read.push(...page);
      }
      assert.deepEqual(
        read.map(({ sequence }) => sequence),
        Array.from({ length: 36 }, (_, index) => index + 1),
      );
      assert.deepEqual(read[0], { sequence: 1, at: noon, body: { kind: 'created' } });
      assert.deepEqual(read.slice(1), [...changes[0]!.events, ...changes[2]!.events]);
      assert.deepEqual(await at.store.events(newId(), 0, 10), []);
    },
  },
  {
    name: 'a change with a gap in its events is refused, and so is one that skips a version',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const good = change(task, {}, 2);
      const [first, second] = good.events;
      const gaps = [
        { ...good, events: [second!] },
        { ...good, events: [second!, first!] },
        { ...good, events: [first!] },
        {
          ...good,
          events: [
            { ...first!, sequence: 3 },
            { ...second!, sequence: 4 },
          ],
        },
        { ...good, task: { ...good.task, version: 3 } },
      ];
      for (const gap of gaps) await assert.rejects(at.store.commit(gap), new RegExp(`bug: .*${task.id}`));
      assert.deepEqual(await at.store.task(task.id), task);
      assert.equal((await at.store.events(task.id, 0, 10)).length, 1);
      await commit(at.store, good);
    },
  },
  {
    name: 'final state, completion and outbox rows appear together or not at all',
    async run(make) {
      await using at = await make();
      const request = { id: 'taken', hash: 'h' };
      const taken = { ...creation(), request };
      await commit(at.store, taken);
      const task = await created(at.store);
      const end = ending(task, 'completed', ['here', 'there']);
      assert.equal(await at.store.commit({ ...end, request }), 'conflict');
      const { completion, ...without } = end;
      await assert.rejects(at.store.commit(without), /without a completion event/);
      await assert.rejects(at.store.commit({ ...change(task), completion }), /does not reach its final state/);
      // The second row of the same destination fails after everything else was written.
      await assert.rejects(at.store.commit({ ...end, destinations: ['here', 'here'] }));
      assert.deepEqual(await at.store.task(task.id), task);
      assert.equal(await at.store.completion(task.id), undefined);
      assert.deepEqual(await at.outbox.standing(), { undirected: 0, destinations: [] });

      await commit(at.store, end);
      assert.deepEqual(await at.store.completion(task.id), completion);
      assert.deepEqual(
        (await at.outbox.standing()).destinations.map(({ pending, oldest }) => [pending, oldest]),
        [
          [1, completion.completedAt],
          [1, completion.completedAt],
        ],
      );
    },
  },
  {
    name: 'a final state has exactly one completion event',
    async run(make) {
      await using at = await make();
      const end = ending(await created(at.store), 'failed', ['here']);
      const ended = await commit(at.store, end);
      await assert.rejects(at.store.commit({ ...change(ended), completion: { ...end.completion, outcome: 'success' } }), /bug/);
      await commit(at.store, change(ended));
      assert.deepEqual(await at.store.completion(ended.id), end.completion);
      assert.equal(await at.outbox.owed(['here'], 9), 1);
    },
  },
  {
    name: 'a reservation keeps others out until its task is final',
    async run(make) {
      await using at = await make();
      const inPlace = { workspace: { path: '/place/sub', mode: 'in_place' as const, reserves: '/place' } };
      const [first, second] = [await created(at.store, inPlace), await created(at.store, inPlace)];
      const reserve = '/place';
      const results = await Promise.all([at.store.commit({ ...change(first), reserve }), at.store.commit({ ...change(second), reserve })]);
      assert.deepEqual(results, ['committed', 'conflict']);
      assert.equal(await at.store.workspaceHolder('/place'), first.id);
      assert.equal(await at.store.workspaceHolder('/other'), undefined);
      const again = { ...change(change(first).task), reserve };
      await commit(at.store, again);
      await at.reopen();
      assert.equal(await at.store.commit({ ...change(second), reserve }), 'conflict');
      await commit(at.store, ending(again.task, 'cancelled', []));
      assert.equal(await at.store.workspaceHolder('/place'), undefined);
      await commit(at.store, { ...change(second), reserve });
      assert.equal(await at.store.workspaceHolder('/place'), second.id);
    },
  },
  {
    name: 'a reopened store holds everything committed',
    async run(make) {
      await using at = await make();
      const request = { id: 'request', hash: 'hash' };
      const first = { ...creation(), request };
      await commit(at.store, first);
      const claimed = await commit(at.store, change(first.task, { state: 'assigned', fence: 1, lease: { owner: 'me' } }, 3));
      const end = ending(await created(at.store), 'failed', ['here']);
      await commit(at.store, end);
      await at.reopen();
      assert.deepEqual(await at.store.tasks({ limit: 10 }), [end.task, claimed]);
      assert.equal((await at.store.events(claimed.id, 0, 10)).length, 4);
      assert.deepEqual(await at.store.completion(end.task.id), end.completion);
      assert.deepEqual(await at.store.request('request'), { hash: 'hash', taskId: claimed.id });
      assert.deepEqual(await at.outbox.pending('here', noon + 1, 10), [
        { taskId: end.task.id, destination: 'here', signal: 'traces', task: end.task, completion: end.completion, attempts: 0 },
      ]);
    },
  },
  {
    name: 'a closed store has committed what it was given, and takes no more',
    async run(make) {
      await using at = await make();
      const { store } = at;
      const given = creation();
      const committed = store.commit(given);
      await at.reopen();
      assert.equal(await committed, 'committed');
      assert.deepEqual(await at.store.task(given.task.id), given.task);
      await assert.rejects(store.commit(creation()), /closed/);
      await assert.rejects(store.task(given.task.id), /closed/);
    },
  },
  {
    name: 'a hint comes after its commit, and none for what was not committed',
    async run(make) {
      await using at = await make();
      const { store } = at;
      const heard: Promise<[string, string, number | undefined]>[] = [];
      const stop = store.onCommit((id, state) => void heard.push(store.task(id).then((task) => [id, state, task?.version])));
      const task = await created(store);
      await Promise.allSettled([
        store.commit(change(task, { state: 'blocked' })),
        store.commit(change(task)),
        store.commit({ ...change(task), events: [] }),
      ]);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(await Promise.all(heard), [
        [task.id, 'created', 1],
        [task.id, 'blocked', 2],
      ]);
      stop();
      await created(store);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(heard.length, 2);
    },
  },
];
