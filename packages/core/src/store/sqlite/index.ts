import { openDatabase, type OpenOptions } from './database.ts';
import { SqliteMetrics } from './sqlite-metrics.ts';
import { SqliteOutbox } from './sqlite-outbox.ts';
import { SqliteStore } from './sqlite-store.ts';

export interface SqliteStores {
  readonly store: SqliteStore;
  readonly outbox: SqliteOutbox;
  readonly metrics: SqliteMetrics;
}

/** The ports on one SQLite file, made if it is missing. Closing the store closes all. Throws as `openDatabase` does. */
export function openSqlite(options: OpenOptions): SqliteStores {
  const database = openDatabase(options);
  return { store: new SqliteStore(database), outbox: new SqliteOutbox(database), metrics: new SqliteMetrics(database) };
}
