import assert from 'node:assert/strict';
import type { LedgerEntry } from '../task/ledger.ts';
import { change, commit, created, newId, type StoreCase } from './samples.testsuite.ts';

const entry = (callId: string, set: Partial<LedgerEntry> = {}): LedgerEntry => ({ attempt: 1, callId, provenance: 'reported', ...set });
const rest = (model: string, set: Partial<LedgerEntry> = {}): LedgerEntry => ({ attempt: 1, model, provenance: 'recovered', ...set });
const all = { skip: 0, limit: 100 };

/** What every adapter must pass: the usage ledger of a task. */
export const ledgerCases: readonly StoreCase[] = [
  {
    name: 'entries are read back as they were given, in the order in which they first came; one that comes again is replaced where it stands',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const full = entry('a', {
        subagent: 's',
        compaction: true,
        model: 'm \u0000 ü',
        at: 1,
        uncachedInputTokens: 0,
        cacheWrite1hInputTokens: Number.MAX_SAFE_INTEGER,
        costUsdMicros: 3,
        costSource: 'harness',
      });
      const first = await commit(at.store, {
        ...change(task),
        ledger: { attempt: 1, entries: [full, entry('b', { provisional: true })], whole: false },
      });
      const told = entry('b', { outputTokens: 7 });
      await commit(at.store, { ...change(first), ledger: { attempt: 1, entries: [entry('c'), told], whole: false } });
      assert.deepEqual(await at.store.ledger({ taskId: task.id, ...all }), [full, told, entry('c')]);
      await at.reopen();
      assert.deepEqual(await at.store.ledger({ taskId: task.id, ...all }), [full, told, entry('c')]);
      assert.deepEqual(await at.store.ledger({ taskId: newId(), ...all }), []);
    },
  },
  {
    name: 'the whole ledger of an attempt takes the place of what was known of it, and of nothing else',
    async run(make) {
      await using at = await make();
      const [task, other] = [await created(at.store), await created(at.store)];
      const elsewhere = await commit(at.store, { ...change(other), ledger: { attempt: 1, entries: [entry('a')], whole: false } });
      const first = await commit(at.store, { ...change(task), ledger: { attempt: 1, entries: [entry('a'), entry('b')], whole: false } });
      const later = entry('a', { attempt: 2 });
      const second = await commit(at.store, { ...change(first), ledger: { attempt: 2, entries: [later], whole: false } });
      const rests = [rest('m', { outputTokens: 5 }), rest('n', { outputTokens: 6 })];
      await commit(at.store, { ...change(second), ledger: { attempt: 1, entries: [entry('z'), ...rests], whole: true } });
      assert.deepEqual(await at.store.ledger({ taskId: task.id, ...all }), [entry('z'), ...rests, later]);
      assert.deepEqual(await at.store.ledger({ taskId: elsewhere.id, ...all }), [entry('a')]);
      await commit(at.store, { ...change(elsewhere), ledger: { attempt: 1, entries: [], whole: true } });
      assert.deepEqual(await at.store.ledger({ taskId: elsewhere.id, ...all }), []);
    },
  },
  {
    name: 'it is read piece by piece, of a task or of one of its attempts',
    async run(make) {
      await using at = await make();
      const task = await created(at.store);
      const of = (attempt: number): LedgerEntry[] => Array.from({ length: 25 }, (_, index) => entry(`call ${index}`, { attempt }));
      const first = await commit(at.store, { ...change(task), ledger: { attempt: 2, entries: of(2), whole: false } });
      await commit(at.store, { ...change(first), ledger: { attempt: 1, entries: of(1), whole: true } });
      const read: LedgerEntry[] = [];
      for (let page = await at.store.ledger({ taskId: task.id, skip: 0, limit: 7 }); page.length > 0;) {
        read.push(...page);
        page = await at.store.ledger({ taskId: task.id, skip: read.length, limit: 7 });
      }
      assert.deepEqual(read, [...of(1), ...of(2)]);
      assert.deepEqual(await at.store.ledger({ taskId: task.id, attempt: 2, skip: 20, limit: 7 }), of(2).slice(20));
      assert.deepEqual(await at.store.ledger({ taskId: task.id, attempt: 3, ...all }), []);
    },
  },
  {
    name: 'a change that is refused leaves nothing in it',
    async run(make) {
      await using at = await make();
      const claimed = await commit(at.store, change(await created(at.store), { fence: 2, lease: { owner: 'new' } }));
      const kept = await commit(at.store, { ...change(claimed), ledger: { attempt: 1, entries: [entry('a')], whole: true } });
      const late = { ledger: { attempt: 1, entries: [entry('late')], whole: true } };
      assert.equal(await at.store.commit({ ...change(kept), ...late, fence: 1 }), 'fenced');
      assert.equal(await at.store.commit({ ...change(claimed), ...late }), 'conflict');
      await assert.rejects(at.store.commit({ ...change(kept), ...late, events: [] }), /bug/);
      assert.deepEqual(await at.store.ledger({ taskId: kept.id, ...all }), [entry('a')]);
    },
  },
];
