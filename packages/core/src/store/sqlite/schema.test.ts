import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { created } from '../../task/samples.testsuite.ts';
import { scopesOf } from '../../task/scopes.ts';
import { StoreFailed, StoreRefused } from '../errors.ts';
import { assertSqliteVersion, openDatabase, type Database } from './database.ts';
import { migrations, type Migration } from './migrations.ts';
import { countPending, countUndirected, deliveredBefore, pendingRows, SqliteOutbox, undirectedRows } from './sqlite-outbox.ts';
import { completionsInOrder, dueTasks, ledgerOfAttempt, ledgerOfTask, nextDueTime, SqliteStore } from './sqlite-store.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'singletree-'));
  path = join(folder, 'singletree.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (steps: readonly Migration[] = migrations): Database => openDatabase({ path, newId: () => 'the id', migrations: steps });
const next: Migration = { name: 'next', sql: 'CREATE TABLE extra (id TEXT) STRICT' };

/** Runs SQL on the file behind our back. */
function tamper(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

function quoted(value: unknown): string {
  return `'${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll("'", "''")}'`;
}

function valueOf(sql: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare(sql).get();
  database.close();
  return row && Object.values(row)[0];
}

function refusal(steps?: readonly Migration[]): unknown {
  try {
    open(steps).close();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('every commit is synced, references are checked, the log is written ahead', () => {
  const database = open();
  const pragma = (name: string): unknown => Object.values(database.statements.get(`PRAGMA ${name}`) ?? {})[0];
  const found = ['journal_mode', 'synchronous', 'foreign_keys', 'mmap_size', 'user_version'].map(pragma);
  const [busyTimeout] = [Number(pragma('busy_timeout'))];
  database.close();
  expect(found).toEqual(['wal', 2, 1, 0, migrations.length]);
  expect(busyTimeout).toBeGreaterThan(0);
});

test.each([
  ['3.51.3', true],
  ['3.53.4', true],
  ['3.100.0', true],
  ['4.0.0', true],
  ['3.51.2', false],
  ['3.9.9', false],
  ['3.40.1', false],
])('SQLite %s is accepted: %s', (version, accepted) => {
  if (accepted) assertSqliteVersion(version, path);
  else expect(() => assertSqliteVersion(version, path)).toThrow(`has SQLite ${version}; 3.51.3 or later is needed`);
});

describe('an older schema', () => {
  test('is brought up to date, with its data and its instance id', () => {
    open().close();
    tamper(`INSERT INTO meta VALUES ('kept', 'yes')`);
    const database = openDatabase({ path, newId: () => 'another id', migrations: [...migrations, next] });
    expect(database.statements.get('SELECT count(*) AS n FROM extra')).toEqual({ n: 0 });
    database.close();
    expect(valueOf('PRAGMA user_version')).toBe(migrations.length + 1);
    expect(valueOf(`SELECT value FROM meta WHERE key = 'kept'`)).toBe('yes');
    expect(valueOf(`SELECT value FROM meta WHERE key = 'instance_id'`)).toBe('the id');
  });

  test('from before kill switches gets the scopes of its tasks, and keeps its requests', async () => {
    open(migrations.slice(0, 1)).close();
    const task = created({ labels: { team: 'a' }, workspace: { path: '/home/me', mode: 'worktree' } });
    const { spec, ...doc } = task;
    tamper(`
      INSERT INTO tasks (id, state, priority, created_at, fence, version, sequence, harness, doc)
        VALUES (${quoted(task.id)}, 'created', 0, 0, 0, 1, 1, ${quoted(spec.harness)}, ${quoted(doc)});
      INSERT INTO specs VALUES (${quoted(task.id)}, ${quoted(spec)});
      INSERT INTO requests VALUES ('first', 'hash', ${quoted(task.id)}, 0)`);
    const store = new SqliteStore(open());
    expect(await store.request('first')).toEqual({ hash: 'hash', taskId: task.id });
    await store.close();
    expect(JSON.parse(String(valueOf('SELECT scopes FROM tasks')))).toEqual(scopesOf(task));
  });

  test('from before the usage ledger gets an empty one, which takes entries for the tasks that it had', async () => {
    const before = migrations.findIndex(({ name }) => name === 'model calls');
    open(migrations.slice(0, before)).close();
    const { spec, ...doc } = created();
    tamper(`
      INSERT INTO tasks (id, state, priority, created_at, fence, version, sequence, harness, doc)
        VALUES (${quoted(doc.id)}, 'created', 0, 0, 0, 1, 1, ${quoted(spec.harness)}, ${quoted(doc)});
      INSERT INTO specs VALUES (${quoted(doc.id)}, ${quoted(spec)})`);
    const store = new SqliteStore(open());
    expect(await store.ledger({ taskId: doc.id, skip: 0, limit: 10 })).toEqual([]);
    const entry = { attempt: 1, callId: 'a', outputTokens: 3, provenance: 'reported' as const };
    const task = { ...doc, spec, version: 2 };
    const ledger = { attempt: 1, entries: [entry], whole: true };
    expect(await store.commit({ task, expectedVersion: 1, events: [], ledger })).toBe('committed');
    expect(await store.ledger({ taskId: doc.id, skip: 0, limit: 10 })).toEqual([entry]);
    await store.close();
  });

  test('from before several destinations keeps the bytes of its records, and counts what became of them', async () => {
    const before = migrations.findIndex(({ name }) => name === 'several destinations');
    open(migrations.slice(0, before)).close();
    const { spec, ...doc } = created();
    tamper(`
      INSERT INTO tasks (id, state, priority, created_at, fence, version, sequence, harness, doc)
        VALUES (${quoted(doc.id)}, 'completed', 0, 0, 0, 1, 1, ${quoted(spec.harness)}, ${quoted(doc)});
      INSERT INTO specs VALUES (${quoted(doc.id)}, ${quoted(spec)});
      INSERT INTO completions (task_id, doc) VALUES (${quoted(doc.id)}, '{}');
      INSERT INTO outbox (task_id, destination, signal, state, created_at, due_at, delivered_at, payload)
        VALUES (${quoted(doc.id)}, 'otlp', 'traces', 'delivered', 1, 1, 2, x'0102')`);
    const database = open();
    const outbox = new SqliteOutbox(database);
    expect(await outbox.record(doc.id)).toEqual({
      rows: [{ destination: 'otlp', state: 'delivered', deliveredAt: 2 }],
      payload: Uint8Array.of(1, 2),
    });
    const ever = { delivered: 1, dead: 0, rejectedSpans: 0 };
    expect((await outbox.standing()).destinations).toEqual([{ destination: 'otlp', pending: 0, dead: 0, ever }]);
    database.close();
  });

  test('stays whole if one of several steps fails', () => {
    open().close();
    const broken = [...migrations, next, { name: 'broken', sql: 'CREATE TABLE more (id TEXT); INSERT INTO nowhere VALUES (1)' }];
    expect(refusal(broken)).toBeInstanceOf(StoreFailed);
    expect(valueOf('PRAGMA user_version')).toBe(migrations.length);
    expect(valueOf(`SELECT count(*) FROM sqlite_schema WHERE name IN ('extra', 'more')`)).toBe(0);
    expect(refusal([...migrations, next])).toBeUndefined();
  });
});

describe('a database is refused and not touched', () => {
  test('if a newer version wrote it', () => {
    open([...migrations, next]).close();
    const before = readFileSync(path);
    const error = refusal();
    expect(error).toBeInstanceOf(StoreRefused);
    expect(error).toMatchObject({ reason: 'STORE_NEWER', hint: expect.stringContaining('newer') });
    expect(String(error)).toContain(
      `has schema ${migrations.length + 1}; this version of singletree knows schemas up to ${migrations.length}`,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test.each([
    ['holds tables', 'CREATE TABLE theirs (id TEXT)'],
    ['only has a version', 'PRAGMA user_version = 1'],
    ['has a mark of its own', 'CREATE TABLE theirs (id TEXT); PRAGMA application_id = 7; PRAGMA user_version = 1'],
  ])('if it is another program’s and %s', (_, sql) => {
    tamper(sql);
    const before = readFileSync(path);
    expect(refusal()).toMatchObject({ reason: 'STORE_FOREIGN', hint: expect.stringContaining('--state') });
    expect(readFileSync(path)).toEqual(before);
  });

  test('if a migration was edited after it was applied', () => {
    open([...migrations, next]).close();
    expect(refusal([...migrations, { ...next, sql: `${next.sql} ` }])).toMatchObject({
      reason: 'STORE_ALTERED',
      message: expect.stringContaining(`number ${migrations.length + 1} differs`),
    });
  });

  test('if its list of migrations does not fit its version', () => {
    open([...migrations, next]).close();
    tamper(`PRAGMA user_version = ${migrations.length}`);
    expect(refusal([...migrations, next])).toMatchObject({ reason: 'STORE_ALTERED' });
  });

  test('if it is no database', () => {
    writeFileSync(path, 'x'.repeat(4096));
    const error = refusal();
    expect(error).toBeInstanceOf(StoreFailed);
    expect(String(error)).toContain(path);
    expect(readFileSync(path, 'utf8')).toBe('x'.repeat(4096));
  });
});

test.each([
  ['due tasks', dueTasks, 'tasks_claimable'],
  ['the next due time', nextDueTime, 'tasks_waiting'],
  ['leases', 'SELECT doc FROM tasks WHERE lease_owner IS NOT NULL ORDER BY id', 'tasks_leased'],
  ['a page of a state', `SELECT doc FROM tasks WHERE state = 'failed' AND id < 'x' ORDER BY id DESC LIMIT 9`, 'tasks_by_state'],
  ['the count by state', 'SELECT state, count(*) FROM tasks GROUP BY state', 'tasks_by_state'],
  ['the usage ledger of a task', ledgerOfTask, 'model_calls_in_order'],
  ['the usage ledger of an attempt', ledgerOfAttempt, 'model_calls_in_order'],
  ['completion events in order', completionsInOrder, 'completions_in_order'],
  ['rows to send', pendingRows, 'outbox_by_age'],
  ['rows to send, counted', countPending, 'outbox_by_age'],
  ['rows without a destination, counted', countUndirected, 'outbox_kept'],
  ['rows without a destination', undirectedRows, 'outbox_kept'],
  ['delivered rows that are old', deliveredBefore, 'outbox_delivered'],
  ['the next row to send', `SELECT min(due_at) FROM outbox WHERE state = 'pending' AND destination = 'x'`, 'outbox_by_due'],
])('%s follow an index, without sorting', (_, sql, index) => {
  const database = open();
  const plan = database.connection
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row['detail']))
    .join('\n');
  database.close();
  expect(plan).toContain(index);
  expect(plan).not.toContain('TEMP B-TREE');
});
