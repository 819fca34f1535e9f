import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StorageFull, StoreBusy, StoreFailed } from '../errors.ts';
import { change, created, creation, ending, noon } from '../samples.testsuite.ts';
import { openDatabase, type Database } from './database.ts';
import { SqliteOutbox } from './sqlite-outbox.ts';
import { SqliteStore } from './sqlite-store.ts';

let folder: string;
let database: Database;
let store: SqliteStore;
const onFailed = vi.fn<(failure: StoreFailed) => void>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'singletree-'));
  onFailed.mockClear();
  open();
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): void {
  database = openDatabase({ path: join(folder, 'singletree.db'), newId: () => 'the id', onFailed });
  store = new SqliteStore(database);
}

async function reopen(): Promise<void> {
  await store.close();
  open();
}

/** Leaves room for so many more pages of 4 KiB. */
function leaveRoom(pages: number): void {
  const used = Number(database.statements.get('PRAGMA page_count')?.['page_count']);
  database.connection.exec(`PRAGMA max_page_count = ${used + pages}`);
}

const large = { instructions: 'x'.repeat(400_000) };

describe('without space', () => {
  test('only the change that does not fit is refused; nothing of it is left, and nothing has to be opened again', async () => {
    const task = await created(store);
    leaveRoom(50);
    const tooLarge = { ...creation(large), request: { id: 'request', hash: 'h' } };
    const results = await Promise.allSettled([store.commit(creation()), store.commit(tooLarge), store.commit(change(task))]);
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason))).toEqual([
      'committed',
      expect.any(StorageFull),
      'committed',
    ]);
    expect(results[1]).toMatchObject({ reason: { reason: 'STORAGE_FULL', message: expect.stringContaining(database.path) } });
    expect(await store.task(tooLarge.task.id)).toBeUndefined();
    expect(await store.request('request')).toBeUndefined();
    expect((await store.task(task.id))?.version).toBe(2);

    leaveRoom(1000);
    expect(await store.commit(tooLarge)).toBe('committed');
    expect(onFailed).not.toHaveBeenCalled();
    await reopen();
    expect(await store.task(tooLarge.task.id)).toEqual(tooLarge.task);
    expect(database.statements.all('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });

  test('at the COMMIT itself, where a full disk shows first, each change is tried alone', async () => {
    const [first, second] = [creation(), creation()];
    // The group fails, then the first of the two alone.
    failCommit(full, { times: 2 });
    const results = await Promise.allSettled([store.commit(first), store.commit(second)]);
    vi.restoreAllMocks();
    expect(results).toEqual([
      { status: 'rejected', reason: expect.any(StorageFull) },
      { status: 'fulfilled', value: 'committed' },
    ]);
    expect(await store.task(first.task.id)).toBeUndefined();
    expect(await store.commit(first)).toBe('committed');
    expect(onFailed).not.toHaveBeenCalled();
  });

  test('an ending that does not fit leaves the task as it was, without completion and without rows', async () => {
    const task = await created(store);
    leaveRoom(20);
    const end = ending(task, 'completed', ['here']);
    const summary = 'x'.repeat(400_000);
    await expect(store.commit({ ...end, completion: { ...end.completion, summary } })).rejects.toBeInstanceOf(StorageFull);
    expect(await store.task(task.id)).toEqual(task);
    expect(await store.completion(task.id)).toBeUndefined();
    expect(database.statements.all('SELECT * FROM outbox')).toEqual([]);
    expect(await store.commit(end)).toBe('committed');
  });
});

const full = 13;
const syncFailed = 1034;

/** Lets COMMIT fail with one of SQLite's result codes, so many times. */
function failCommit(errcode: number, { times = Infinity, afterEffect = false } = {}): void {
  const exec = database.connection.exec.bind(database.connection);
  vi.spyOn(database.connection, 'exec').mockImplementation((sql) => {
    if (sql !== 'COMMIT' || times-- <= 0) return exec(sql);
    if (afterEffect) exec(sql);
    throw Object.assign(new Error(errcode === full ? 'database or disk is full' : 'disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode });
  });
}

describe('a commit that fails', () => {
  test('ends the store: all who wait and all who come are refused, readers too', async () => {
    const task = await created(store);
    failCommit(syncFailed);
    const lost = creation();
    const results = await Promise.allSettled([store.commit(lost), store.commit(change(task))]);
    vi.restoreAllMocks();
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreFailed) });
    await expect(store.commit(creation())).rejects.toMatchObject({
      reason: 'STORE_FAILED',
      message: expect.stringContaining('disk I/O error'),
    });
    await expect(store.task(task.id)).rejects.toBeInstanceOf(StoreFailed);
    expect(onFailed).toHaveBeenCalledExactlyOnceWith(expect.any(StoreFailed));
    await reopen();
    expect(await store.task(task.id)).toEqual(task);
    expect(await store.task(lost.task.id)).toBeUndefined();
  });

  test('after it took effect leaves the outcome open: the caller is told of the failure, the change is there', async () => {
    failCommit(syncFailed, { afterEffect: true });
    const given = creation();
    await expect(store.commit(given)).rejects.toBeInstanceOf(StoreFailed);
    vi.restoreAllMocks();
    await reopen();
    expect(await store.task(given.task.id)).toEqual(given.task);
  });

  test('gives no hint', async () => {
    const listener = vi.fn<(taskId: string) => void>();
    store.onCommit(listener);
    failCommit(syncFailed, { afterEffect: true });
    await store.commit(creation()).catch(() => {});
    vi.restoreAllMocks();
    await new Promise((resolve) => setImmediate(resolve));
    expect(listener).not.toHaveBeenCalled();
  });
});

test('a listener that throws does not make a commit look failed', async () => {
  const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
  const others = process.listeners('uncaughtException').slice(0, -1);
  for (const other of others) process.off('uncaughtException', other);
  try {
    store.onCommit(() => {
      throw new Error('listener');
    });
    expect(await store.commit(creation())).toBe('committed');
    expect(await thrown).toMatchObject({ message: 'listener' });
  } finally {
    for (const other of others) process.on('uncaughtException', other);
  }
});

test('a database that is damaged ends the store at the first read that meets it', async () => {
  const task = await created(store, { instructions: 'x'.repeat(20_000) });
  await reopen();
  const page = Number(database.statements.get(`SELECT rootpage FROM sqlite_schema WHERE name = 'specs'`)?.['rootpage']);
  await store.close();
  const file = openSync(database.path, 'r+');
  writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, (page - 1) * 4096);
  closeSync(file);
  open();
  await expect(store.task(task.id)).rejects.toBeInstanceOf(StoreFailed);
  await expect(store.commit(creation())).rejects.toBeInstanceOf(StoreFailed);
  expect(onFailed).toHaveBeenCalledOnce();
});

test('an answer that comes after the last word on an outbox row leaves it as it is', async () => {
  const outbox = new SqliteOutbox(database);
  const task = await created(store);
  await store.commit(ending(task, 'completed', ['here', 'there']));
  const [delivered, dead] = ['here', 'there'].map((destination) => ({ taskId: task.id, destination, signal: 'traces' as const }));
  await outbox.delivered(delivered!, noon + 5);
  await outbox.dead(dead!, 'too large');
  const rows = () => database.statements.all('SELECT state, attempts, delivered_at, due_at, last_error FROM outbox ORDER BY destination');
  const before = rows();
  expect(before).toMatchObject([
    { state: 'delivered', attempts: 1, delivered_at: noon + 5, last_error: null },
    { state: 'dead', attempts: 1, delivered_at: null, last_error: 'too large' },
  ]);
  for (const row of [delivered!, dead!]) {
    await outbox.retryAt(row, noon + 9, 'late');
    await outbox.dead(row, 'late');
    await outbox.delivered(row, noon + 9);
  }
  expect(rows()).toEqual(before);
});

test('another program’s write lock refuses the change, and only until it is gone', async () => {
  const other = new DatabaseSync(database.path);
  other.exec('BEGIN IMMEDIATE');
  const given = creation();
  await expect(store.commit(given)).rejects.toBeInstanceOf(StoreBusy);
  other.exec('ROLLBACK');
  other.close();
  expect(await store.commit(given)).toBe('committed');
  expect(onFailed).not.toHaveBeenCalled();
});

test('changes of one turn share one transaction', async () => {
  const exec = vi.spyOn(database.connection, 'exec');
  await Promise.all(Array.from({ length: 20 }, () => store.commit(creation())));
  const commits = exec.mock.calls.filter(([sql]) => sql === 'COMMIT').length;
  vi.restoreAllMocks();
  expect(commits).toBe(1);
});
