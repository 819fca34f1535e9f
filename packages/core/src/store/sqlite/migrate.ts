import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StoreRefused } from '../errors.ts';
import type { Migration } from './migrations.ts';
import { integerOf, textOf } from './rows.ts';

/** Marks a database as ours ("sngl"), so that no other program's file is ever migrated. */
const applicationId = 0x736e676c;

/**
 * Refuses a database that is not ours, that a newer version wrote, or whose schema came about in another way than the migrations
 * tell. Only reads.
 */
export function checkSchema(database: DatabaseSync, path: string, migrations: readonly Migration[]): void {
  const version = pragma(database, 'user_version');
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined && version === 0;
  if (isEmpty) return;
  if (pragma(database, 'application_id') !== applicationId) {
    throw new StoreRefused('STORE_FOREIGN', path, `${path} is a database of another program`, 'name another state folder with --state');
  }
  if (version > migrations.length) {
    throw new StoreRefused(
      'STORE_NEWER',
      path,
      `the database ${path} has schema ${version}; this version of singletree knows schemas up to ${migrations.length}`,
      'use the version that wrote it or a newer one; a database is never taken back to an older schema',
    );
  }
  const applied = database.prepare('SELECT version, checksum FROM migrations ORDER BY version').all();
  const altered = migrations.slice(0, version).findIndex((migration, index) => {
    const row = applied[index];
    return !row || integerOf(row, 'version') !== index + 1 || textOf(row, 'checksum') !== checksum(migration);
  });
  if (altered >= 0 || applied.length !== version) {
    throw new StoreRefused(
      'STORE_ALTERED',
      path,
      `the database ${path} was not made by the migrations of this version: number ${altered >= 0 ? altered + 1 : version + 1} differs`,
      'it was made by a development version, or changed by hand; restore a backup, or name another state folder with --state',
    );
  }
}

/** Brings an accepted database to the newest schema, all or nothing. `instanceId` is stored if there is none yet. */
export function migrate(database: DatabaseSync, migrations: readonly Migration[], instanceId: string): void {
  if (pragma(database, 'user_version') === migrations.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    // Read again under the lock: another opener may have been here in between.
    const version = pragma(database, 'user_version');
    database.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT');
    const note = database.prepare('INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)');
    for (const [index, migration] of migrations.slice(version).entries()) {
      database.exec(migration.sql);
      note.run(version + index + 1, migration.name, checksum(migration));
    }
    // The epoch rises when a backup is put back: what was handed out after the backup was made is then known to be void.
    database.prepare(`INSERT OR IGNORE INTO meta (key, value) VALUES ('instance_id', ?), ('epoch', '1')`).run(instanceId);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function pragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return row ? integerOf(row, name) : 0;
}

function checksum(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}
