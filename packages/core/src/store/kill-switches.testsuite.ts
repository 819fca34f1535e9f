import assert from 'node:assert/strict';
import type { KillSwitch } from '../task/scopes.ts';
import type { Task } from '../task/task.ts';
import { change, commit, created, creation, ending, ids, noon, type StoreCase, type StoreFixture } from './samples.testsuite.ts';
import type { ChangeSet, ControlAnswer, ControlChange } from './store.ts';

const all: KillSwitch = { scope: 'all', by: 'a person', why: 'the bill', at: noon };
const fakes: KillSwitch = { scope: 'harness=fake', by: 'a person', at: noon + 1 };
const engaging = (killSwitch: KillSwitch, more: Partial<ControlChange> = {}): ControlChange => ({ engage: killSwitch, at: noon, ...more });
const answer: ControlAnswer = { kind: 'engaged', killSwitch: all, taskIds: ['one'] };
const request = { id: 'request', hash: 'hash' };

function claiming(task: Task, unlessKilled: readonly string[]): ChangeSet {
  return { ...change(task, { state: 'assigned', lease: { owner: 'me' }, fence: 1 }), unlessKilled };
}

async function leased({ store }: StoreFixture, set: Parameters<typeof created>[1] = {}): Promise<Task> {
  return await commit(store, change(await created(store, set), { state: 'assigned', lease: { owner: 'me' }, fence: 1 }));
}

/** What every adapter must do about kill switches. */
export const killSwitchCases: readonly StoreCase[] = [
  {
    name: 'thrown switches are kept, oldest first, until they are taken back',
    async run(make) {
      await using at = await make();
      assert.deepEqual(await at.store.killSwitches(), []);
      assert.equal(await at.store.commitControl(engaging(fakes)), 'committed');
      assert.equal(await at.store.commitControl(engaging(all)), 'committed');
      await at.reopen();
      assert.deepEqual(await at.store.killSwitches(), [all, fakes]);
      assert.equal(await at.store.commitControl({ release: 'all', at: noon }), 'committed');
      assert.equal(await at.store.commitControl({ release: 'never thrown', at: noon }), 'committed');
      assert.deepEqual(await at.store.killSwitches(), [fakes]);
    },
  },
  {
    name: 'a switch that is thrown already stays as it is',
    async run(make) {
      await using at = await make();
      await at.store.commitControl(engaging(all));
      assert.equal(await at.store.commitControl(engaging(all)), 'committed');
      for (const other of [{ by: 'another' }, { why: 'another' }, { at: noon + 9 }])
        assert.equal(await at.store.commitControl(engaging({ ...all, ...other })), 'conflict');
      assert.deepEqual(await at.store.killSwitches(), [all]);
    },
  },
  {
    name: 'the switch and the stops of its tasks are thrown together or not at all',
    async run(make) {
      await using at = await make();
      const [one, two] = [await leased(at), await leased(at)];
      const stop = { kind: 'kill' as const, by: all.by, at: noon };
      const [first, second] = [change(one, { stop }), ending(two, 'failed', ['here'])];
      const whole = engaging(all, { hit: ids([one, two]), tasks: [first, second], request: { ...request, answer } });
      const others: Partial<ControlChange>[] = [
        { tasks: [first, { ...second, expectedVersion: 1 }] },
        { tasks: [first, { ...second, fence: 9 }] },
        { tasks: [first, { ...second, request: { id: 'taken', hash: 'h' } }] },
      ];
      await commit(at.store, { ...creation(), request: { id: 'taken', hash: 'h' } });
      for (const other of others) assert.equal(await at.store.commitControl({ ...whole, ...other }), 'conflict');
      await assert.rejects(at.store.commitControl({ ...whole, tasks: [first, { ...second, events: [] }] }), /bug/);
      assert.deepEqual(await at.store.killSwitches(), []);
      assert.deepEqual([await at.store.task(one.id), await at.store.task(two.id)], [one, two]);
      assert.equal(await at.store.request(request.id), undefined);
      assert.equal(await at.outbox.owed(['here'], 9), 0);

      assert.equal(await at.store.commitControl(whole), 'committed');
      assert.deepEqual([await at.store.task(one.id), await at.store.task(two.id)], [first.task, second.task]);
      assert.equal((await at.store.events(one.id, 0, 9)).length, first.task.sequence);
      assert.deepEqual(await at.store.completion(two.id), second.completion);
      assert.equal(await at.outbox.owed(['here'], 9), 1);
    },
  },
  {
    name: 'a leased task of the scope that is not named is a conflict; one that waits, or is of another scope, is none',
    async run(make) {
      await using at = await make();
      const hit = await leased(at, { harness: 'fake' });
      await leased(at, { harness: 'other' });
      await created(at.store, { harness: 'fake' });
      assert.equal(await at.store.commitControl(engaging(fakes)), 'conflict');
      assert.equal(await at.store.commitControl(engaging(fakes, { hit: ['another'] })), 'conflict');
      assert.equal(await at.store.commitControl(engaging(all, { hit: [hit.id] })), 'conflict');
      assert.equal(await at.store.commitControl(engaging(fakes, { hit: [hit.id, 'another'] })), 'committed');
    },
  },
  {
    name: 'a scope is compared with what the task is now: its newest model counts, not the first one',
    async run(make) {
      await using at = await make();
      const attempt = { number: 1, state: 'started', harness: 'fake', preparedAt: noon, recorded: { stdout: 0, stderr: 0 } } as const;
      const before = await leased(at);
      const speaking = await commit(at.store, change(before, { attempts: [{ ...attempt, live: { turns: 1, model: 'opus' } }] }));
      assert.equal(await at.store.commitControl(engaging({ ...all, scope: 'model=opus' })), 'conflict');
      await commit(at.store, change(speaking, { attempts: [{ ...attempt, live: { turns: 1, model: 'haiku' } }] }));
      assert.equal(await at.store.commitControl(engaging({ ...all, scope: 'model=opus' })), 'committed');
      assert.equal(await at.store.commitControl(engaging({ ...all, scope: 'model=haiku' })), 'conflict');
    },
  },
  {
    name: 'a change that must not be where a switch is thrown is killed and changes nothing',
    async run(make) {
      await using at = await make();
      await at.store.commitControl(engaging(fakes));
      const task = await created(at.store, { harness: 'fake' });
      const claim = claiming(task, ['all', 'harness=fake']);
      assert.equal(await at.store.commit({ ...claim, reserve: '/place', request }), 'killed');
      assert.deepEqual(await at.store.task(task.id), task);
      assert.equal(await at.store.workspaceHolder('/place'), undefined);
      assert.equal(await at.store.request(request.id), undefined);
      assert.equal(await at.store.commit({ ...claim, expectedVersion: 9 }), 'conflict');
      await at.store.commitControl({ release: 'harness=fake', at: noon });
      assert.equal(await at.store.commit(claim), 'committed');
    },
  },
  {
    name: 'of a claim and a switch that arrive at once, one sees the other',
    async run(make) {
      await using at = await make();
      const { store } = at;
      const [early, late] = [await created(store), await created(store)];
      const results = await Promise.all([
        store.commit(claiming(early, ['all'])),
        store.commitControl(engaging(all)),
        store.commitControl(engaging(all, { hit: [early.id] })),
        store.commit(claiming(late, ['all'])),
      ]);
      assert.deepEqual(results, ['committed', 'conflict', 'committed', 'killed']);
    },
  },
  {
    name: 'a task that a switch hits is not due, takes no place among those that are, and is due again once that is taken back',
    async run(make) {
      await using at = await make();
      const held = [await created(at.store, { labels: { team: 'b' }, priority: 9 }), await created(at.store, { labels: { team: 'b' } })];
      const review = await commit(at.store, change(await created(at.store, { labels: { team: 'b' } }), { state: 'in_review' }));
      const free = await created(at.store);
      await at.store.commitControl(engaging({ ...all, scope: 'label=team=b' }));
      assert.deepEqual(ids(await at.store.due(noon, 1)), [free.id]);
      assert.deepEqual(ids(await at.store.due(noon, 10)), [free.id]);
      await at.store.commitControl({ release: 'label=team=b', at: noon });
      assert.deepEqual(new Set(ids(await at.store.due(noon, 10))), new Set(ids([...held, review, free])));
    },
  },
  {
    name: 'a request id that was answered is a conflict, for tasks too, and keeps its answer',
    async run(make) {
      await using at = await make();
      await at.store.commitControl(engaging(all, { request: { ...request, answer } }));
      assert.equal(await at.store.commitControl({ release: 'all', at: noon, request: { ...request, answer } }), 'conflict');
      assert.equal(await at.store.commit({ ...creation(), request }), 'conflict');
      await at.reopen();
      assert.deepEqual(await at.store.killSwitches(), [all]);
      assert.deepEqual(await at.store.request(request.id), { hash: 'hash', answer });
    },
  },
  {
    name: 'hints come after the commit, of each task and of the switches, and none for what was not committed',
    async run(make) {
      await using at = await make();
      const { store } = at;
      const task = await leased(at);
      const heard: Promise<unknown>[] = [];
      const stops = [
        store.onCommit((id, state) => void heard.push(store.task(id).then((now) => [id, state, now?.version]))),
        store.onControl(() => void heard.push(store.killSwitches())),
      ];
      await store.commitControl(engaging(all));
      await store.commitControl(engaging(all, { hit: [task.id], tasks: [change(task, { state: 'in_progress' })] }));
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(await Promise.all(heard), [[task.id, 'in_progress', 3], [all]]);
      for (const stop of stops) stop();
      await store.commitControl({ release: 'all', at: noon });
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(heard.length, 2);
    },
  },
];
