import assert from 'node:assert/strict';
import type { Task, TaskSpec } from '../task/task.ts';
import { change, commit, created, ending, ids, noon, type StoreCase } from './samples.testsuite.ts';
import type { CompletionQuery } from './store.ts';

/** What every adapter must answer about many tasks. */
export const queryCases: readonly StoreCase[] = [
  {
    name: 'a due task is created and its time has come, or in review without a lease',
    async run(make) {
      await using at = await make();
      const make1 = async (set: Partial<Task>): Promise<Task> => await commit(at.store, change(await created(at.store), set));
      const waits = await make1({ notBefore: noon + 100 });
      const plain = await make1({});
      const review = await make1({ state: 'in_review' });
      await make1({ state: 'in_review', lease: { owner: 'me' } });
      await make1({ state: 'assigned', lease: { owner: 'me' } });
      await make1({ state: 'in_progress', lease: { owner: 'me' } });
      await make1({ state: 'blocked' });
      await commit(at.store, ending(await created(at.store), 'completed', []));
      assert.deepEqual(await at.store.due(noon + 99, 10), [plain, review]);
      assert.deepEqual(await at.store.due(noon + 100, 10), [waits, plain, review]);
      await commit(at.store, change(review, { lease: { owner: 'me' } }));
      await commit(at.store, change(plain, { state: 'assigned', lease: { owner: 'me' } }));
      assert.deepEqual(await at.store.due(noon + 100, 10), [waits]);
    },
  },
  {
    name: 'a task whose wait began in the future is due: its clock has been set back since',
    async run(make) {
      await using at = await make();
      const day = 86_400_000;
      const task = await commit(at.store, change(await created(at.store), { since: noon + day, notBefore: noon + day + 60_000 }));
      assert.deepEqual(await at.store.due(noon, 10), [task]);
      assert.deepEqual(await at.store.due(noon + day, 10), []);
      assert.deepEqual(await at.store.due(noon + day + 60_000, 10), [task]);
    },
  },
  {
    name: 'the due task of higher priority comes first, then the older one',
    async run(make) {
      await using at = await make();
      const late = await created(at.store, {}, noon + 2);
      const early = await created(at.store, {}, noon + 1);
      const low = await created(at.store, { priority: -1 }, noon);
      const high = await created(at.store, { priority: 5 }, noon + 3);
      const sameTime = [await created(at.store, { priority: 9 }), await created(at.store, { priority: 9 })];
      assert.deepEqual(ids(await at.store.due(noon, 10)), ids([...sameTime, high, early, late, low]));
      assert.deepEqual(ids(await at.store.due(noon, 3)), ids([...sameTime, high]));
    },
  },
  {
    name: 'the tasks of full harnesses are not due, and take no place among those that are',
    async run(make) {
      await using at = await make();
      const first = await created(at.store, { harness: 'claude_code', priority: 9 });
      for (let count = 0; count < 3; count++) await created(at.store, { harness: 'claude_code', priority: 9 });
      await commit(at.store, change(await created(at.store, { harness: 'codex', priority: 5 }), { state: 'in_review' }));
      const others = [await created(at.store, { harness: 'opencode' }), await created(at.store, { harness: "it's" })];
      assert.deepEqual(ids(await at.store.due(noon, 1, [])), ids([first]));
      assert.deepEqual(ids(await at.store.due(noon, 2, ['claude_code', 'codex', 'nobody'])), ids(others));
      assert.deepEqual(ids(await at.store.due(noon, 2, ['codex', 'claude_code', "it's"])), ids(others.slice(0, 1)));
    },
  },
  {
    name: 'an in-place task whose workspace another task holds is not due; one in a worktree of it is',
    async run(make) {
      await using at = await make();
      const inPlace = { workspace: { path: '/place/sub', mode: 'in_place' as const, reserves: '/place' } };
      const holder = await created(at.store, inPlace);
      const waiting = await created(at.store, inPlace);
      const elsewhere = await created(at.store, { workspace: { path: '/place', mode: 'worktree' } });
      assert.deepEqual(ids(await at.store.due(noon, 10)), ids([holder, waiting, elsewhere]));
      // The holder waits for a retry: it may be claimed again although, and because, it holds the workspace.
      const retry = await commit(at.store, { ...change(holder), reserve: '/place' });
      assert.deepEqual(ids(await at.store.due(noon, 10)), ids([holder, elsewhere]));
      await commit(at.store, ending(retry, 'failed', []));
      assert.deepEqual(ids(await at.store.due(noon, 10)), ids([waiting, elsewhere]));
    },
  },
  {
    name: 'the next due time is that of the created task that waits least from then on, unless its workspace is taken',
    async run(make) {
      await using at = await make();
      const inPlace = { workspace: { path: '/place/sub', mode: 'in_place' as const, reserves: '/place' } };
      await commit(at.store, { ...change(await created(at.store, inPlace), { state: 'assigned' }), reserve: '/place' });
      await created(at.store);
      await commit(at.store, change(await created(at.store, inPlace), { notBefore: noon + 1 }));
      assert.equal(await at.store.nextDue(noon), undefined);
      const first = await commit(at.store, change(await created(at.store), { notBefore: noon + 50 }));
      await commit(at.store, change(await created(at.store), { notBefore: noon + 60 }));
      assert.equal(await at.store.nextDue(noon), noon + 50);
      assert.equal(await at.store.nextDue(noon + 50), noon + 60);
      await commit(at.store, ending({ ...first }, 'cancelled', []));
      assert.equal(await at.store.nextDue(noon), noon + 60);
    },
  },
  {
    name: 'leased are the tasks that somebody drives',
    async run(make) {
      await using at = await make();
      await created(at.store);
      const driven = await commit(at.store, change(await created(at.store), { state: 'assigned', lease: { owner: 'a' }, fence: 1 }));
      const judged = await commit(at.store, change(await created(at.store), { state: 'in_review', lease: { owner: 'b' }, fence: 3 }));
      assert.deepEqual(await at.store.leased(), [driven, judged]);
      const { lease: _, ...released } = change(driven, { state: 'created' }).task;
      await commit(at.store, { ...change(driven), task: released });
      assert.deepEqual(await at.store.leased(), [judged]);
    },
  },
  {
    name: 'pages go from the newest to the oldest task, each task once, with new ones in between too',
    async run(make) {
      await using at = await make();
      const tasks: Task[] = [];
      for (let count = 0; count < 7; count++) tasks.unshift(await created(at.store));
      const first = await at.store.tasks({ limit: 3 });
      await created(at.store);
      const second = await at.store.tasks({ limit: 3, before: first[2]!.id });
      const third = await at.store.tasks({ limit: 3, before: second[2]!.id });
      assert.deepEqual([...first, ...second, ...third], tasks);
      assert.deepEqual(await at.store.tasks({ limit: 3, before: third[0]!.id }), []);
    },
  },
  {
    name: 'pages of some states hold only these, in the same order',
    async run(make) {
      await using at = await make();
      const [a, b, c, d] = [await created(at.store), await created(at.store), await created(at.store), await created(at.store)];
      await commit(at.store, change(a, { state: 'blocked' }));
      await commit(at.store, ending(b, 'failed', []));
      await commit(at.store, change(d, { state: 'blocked' }));
      const states = ['blocked', 'failed', 'blocked'] as const;
      assert.deepEqual(ids(await at.store.tasks({ limit: 10, states })), ids([d, b, a]));
      assert.deepEqual(ids(await at.store.tasks({ limit: 2, states })), ids([d, b]));
      assert.deepEqual(ids(await at.store.tasks({ limit: 2, states, before: b.id })), ids([a]));
      assert.deepEqual(ids(await at.store.tasks({ limit: 9, states: ['created'] })), ids([c]));
      assert.deepEqual(await at.store.tasks({ limit: 9, states: [] }), []);
    },
  },
  {
    name: 'tasks are found by the beginning of their id',
    async run(make) {
      await using at = await make();
      const [older, newer] = [await created(at.store), await created(at.store)];
      const shared = sharedPrefix(older.id, newer.id);
      assert.deepEqual(await at.store.tasksByPrefix(newer.id, 5), [newer]);
      assert.deepEqual(await at.store.tasksByPrefix(shared, 5), [newer, older]);
      assert.deepEqual(await at.store.tasksByPrefix(shared, 1), [newer]);
      assert.deepEqual(await at.store.tasksByPrefix('', 5), [newer, older]);
      for (const none of ['%', '_', `${newer.id}0`, 'z', "'"]) assert.deepEqual(await at.store.tasksByPrefix(none, 5), []);
    },
  },
  {
    name: 'completion events come in the order of their ends, each once, with new ones in between too',
    async run(make) {
      await using at = await make();
      const end = async (when: number, set: Partial<TaskSpec> = {}): Promise<string> => {
        const task = await created(at.store, set);
        await commit(at.store, ending(task, 'completed', [], when));
        return task.id;
      };
      const late = await end(noon + 9);
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const early = await end(noon + 1, { traceparent });
      const sameTime = [await end(noon + 5), await end(noon + 5), await end(noon + 5)];
      const page = async (query: Omit<CompletionQuery, 'limit'>, limit = 2): Promise<string[]> =>
        (await at.store.completions({ ...query, limit })).map(({ completion }) => completion.taskId);
      assert.deepEqual(await page({}, 10), [early, ...sameTime, late]);
      const [first] = await at.store.completions({ limit: 1 });
      assert.equal(first?.traceparent, traceparent);
      assert.deepEqual(first?.completion, await at.store.completion(early));

      const last = { completedAt: noon + 5, taskId: sameTime[0]! };
      assert.deepEqual(await page({}), [early, sameTime[0]]);
      const newest = await end(noon + 10);
      assert.deepEqual(await page({ after: last }), sameTime.slice(1));
      assert.deepEqual(await page({ after: { completedAt: noon + 5, taskId: sameTime[2]! } }), [late, newest]);
      assert.deepEqual(await page({ after: { completedAt: noon + 10, taskId: newest } }), []);

      assert.deepEqual(await page({ since: noon + 5, until: noon + 9 }, 10), sameTime);
      assert.deepEqual(await page({ since: noon + 5, after: last }, 10), [...sameTime.slice(1), late, newest]);
      assert.deepEqual(await page({ since: noon + 9, after: last }, 10), [late, newest]);
      assert.deepEqual(await page({ since: noon + 11 }, 10), []);
    },
  },
  {
    name: 'every state is counted, also with no task in it',
    async run(make) {
      await using at = await make();
      const none = { created: 0, assigned: 0, in_progress: 0, in_review: 0, blocked: 0, completed: 0, failed: 0, cancelled: 0 };
      assert.deepEqual(await at.store.countByState(), none);
      const [task] = [await created(at.store), await created(at.store)];
      await commit(at.store, ending(task, 'cancelled', []));
      assert.deepEqual(await at.store.countByState(), { ...none, created: 1, cancelled: 1 });
    },
  },
  {
    name: 'tasks that wait for their turn are counted, as far as somebody wants to know',
    async run(make) {
      await using at = await make();
      assert.equal(await at.store.waiting(10), 0);
      const [task] = [await created(at.store), await created(at.store), await created(at.store)];
      await commit(at.store, ending(task, 'cancelled', []));
      assert.equal(await at.store.waiting(10), 2);
      assert.equal(await at.store.waiting(1), 1);
    },
  },
];

function sharedPrefix(a: string, b: string): string {
  let length = 0;
  while (a[length] === b[length]) length++;
  return a.slice(0, length);
}
