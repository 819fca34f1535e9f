import { DatabaseSync } from 'node:sqlite';
import { StorageFull, StoreBusy, StoreFailed, StoreRefused } from '../errors.ts';
import { isAboutTheStatement, isBusy, isFull } from './errors.ts';
import { checkSchema, migrate } from './migrate.ts';
import { migrations, type Migration } from './migrations.ts';
import { Statements, textOf } from './rows.ts';
import { scopesColumn } from './task-rows.ts';
import { WriteQueue } from './write-queue.ts';

/** Older ones can corrupt a database in WAL mode when two connections write and checkpoint at once; https://sqlite.org/wal.html#walresetbug */
const oldestSqlite = '3.51.3';

/** How long another program's lock is waited for. The event loop stands still meanwhile, so not long. */
const busyTimeoutMs = 500;

export interface OpenOptions {
  readonly path: string;
  readonly newId: () => string;
  /** Called once when the database can no longer be believed; the process should end then. */
  readonly onFailed?: (failure: StoreFailed) => void;
  readonly migrations?: readonly Migration[];
}

/** An open database: one connection, one queue of writes. */
export interface Database {
  readonly path: string;
  readonly connection: DatabaseSync;
  readonly statements: Statements;
  /** Resolves with what `query` gives of the committed state. */
  read<T>(query: (statements: Statements) => T): Promise<T>;
  /** Resolves once what `change` wrote is on disk. */
  write<T>(change: (statements: Statements) => T): Promise<T>;
  /** Commits what waits and closes. */
  close(): void;
}

/** Opens or makes the database and brings its schema up to date. Throws StoreRefused, StoreBusy, StorageFull or StoreFailed. */
export function openDatabase({ path, newId, onFailed = () => {}, migrations: steps = migrations }: OpenOptions): Database {
  const connection = connect(path, steps, newId);
  const statements = new Statements(connection);
  const writes = new WriteQueue(connection, path, onFailed);
  return {
    path,
    connection,
    statements,
    read: (query) =>
      new Promise((resolve) => {
        if (writes.refusal) throw writes.refusal;
        try {
          resolve(query(statements));
        } catch (error) {
          if (isAboutTheStatement(error)) throw error;
          throw isBusy(error) ? new StoreBusy(path, error) : writes.fail(error);
        }
      }),
    write: (change) => writes.enqueue(() => change(statements)),
    close() {
      writes.stop();
      if (connection.isOpen) connection.close();
    },
  };
}

/** Throws StoreRefused if the SQLite library is too old to be trusted with data. */
export function assertSqliteVersion(version: string, path: string): void {
  if (version.localeCompare(oldestSqlite, 'en', { numeric: true }) >= 0) return;
  throw new StoreRefused(
    'STORE_UNSUPPORTED',
    path,
    `this Node.js has SQLite ${version}; ${oldestSqlite} or later is needed, since older ones can corrupt a database`,
    'use a newer Node.js 24, or one that is not built against the system’s SQLite',
  );
}

function connect(path: string, steps: readonly Migration[], newId: () => string): DatabaseSync {
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true, defensive: true });
    assertSqliteVersion(textOf(connection.prepare('SELECT sqlite_version() AS version').get() ?? {}, 'version'), path);
    checkSchema(connection, path, steps);
    useWriteAheadLog(connection, path);
    connection.function('scopes_of', { deterministic: true, directOnly: true }, scopesColumn);
    migrate(connection, steps, newId());
    return connection;
  } catch (error) {
    connection?.close();
    if (isBusy(error)) throw new StoreBusy(path, error);
    if (isFull(error)) throw new StorageFull(path, error);
    throw error instanceof StoreRefused ? error : new StoreFailed(path, error);
  }
}

/**
 * FULL syncs the log at every commit: with NORMAL a loss of power takes acknowledged commits back. The log is copied into the
 * database by SQLite's own automatic checkpoint at 1000 pages, inside a commit: that one takes some milliseconds longer, and the log
 * stays short and is overwritten in place, which makes all the others faster.
 */
function useWriteAheadLog(connection: DatabaseSync, path: string): void {
  const mode = textOf(connection.prepare('PRAGMA journal_mode = WAL').get() ?? {}, 'journal_mode');
  if (mode !== 'wal') {
    throw new StoreRefused(
      'STORE_UNSUPPORTED',
      path,
      `the file system of ${path} cannot share memory between processes, which the database's log needs (journal mode ${mode})`,
      'name a state folder on a local disk with --state',
    );
  }
  // What a statement needs beside the database stays in memory: it works when /tmp is full and no file can be opened.
  connection.exec('PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF');
}
