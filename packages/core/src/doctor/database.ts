import { existsSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import { checkSchema } from '../store/sqlite/migrate.ts';
import { migrations } from '../store/sqlite/migrations.ts';
import { errorFrom, type Finding } from './finding.ts';

export interface DatabaseExamined {
  readonly findings: readonly Finding[];
  /** Of the state folder, as its processes carry it in their marker; absent where there is no database, or none that can be read. */
  readonly instanceId?: string;
}

/** Beyond this every index is not compared with its table: that takes minutes. */
const wholeCheckBytes = 512 * 1024 * 1024;
/** Of what SQLite complains about. */
const mostComplaints = 3;

/** Reads the whole database, also while a daemon writes to it. */
export function examineDatabase(path: string): DatabaseExamined {
  try {
    if (!statSync(path, { throwIfNoEntry: false })) {
      return { findings: [{ check: 'database', status: 'ok', message: 'there is none yet', where: path }] };
    }
  } catch (error) {
    return { findings: [errorFrom('database', error, path)] };
  }
  const alone = !existsSync(`${path}-wal`);
  const examined = examine(path, alone);
  // A daemon that was started meanwhile has written into what was taken for unchanging.
  const wasMoving = alone && existsSync(`${path}-wal`);
  return wasMoving ? examine(path, false) : examined;
}

/** `alone`: nobody has it open. It is read as a file then, because SQLite would leave its own files beside it. */
function examine(path: string, alone: boolean): DatabaseExamined {
  let connection: DatabaseSync | undefined;
  try {
    const location = pathToFileURL(path);
    if (alone) location.searchParams.set('immutable', '1');
    connection = new DatabaseSync(location, { readOnly: true, timeout: 2_000 });
    checkSchema(connection, path, migrations);
    if (isEmpty(connection))
      return { findings: [{ check: 'database', status: 'ok', message: 'empty: the next daemon fills it', where: path }] };
    const complaints = complaintsOf(connection, statSync(path).size);
    const instanceId = connection.prepare(`SELECT value FROM meta WHERE key = 'instance_id'`).get()?.['value'];
    return {
      findings: [complaints.length === 0 ? healthy(connection, path) : broken(path, complaints)],
      ...(typeof instanceId === 'string' ? { instanceId } : {}),
    };
  } catch (error) {
    return { findings: [isRefusal(error) ? errorFrom('database', error, path) : broken(path, [messageOf(error)])] };
  } finally {
    connection?.close();
  }
}

/** A daemon was ended at its very first start, or has not come further yet. */
function isEmpty(connection: DatabaseSync): boolean {
  return connection.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
}

function complaintsOf(connection: DatabaseSync, bytes: number): string[] {
  const check = bytes <= wholeCheckBytes ? 'integrity_check' : 'quick_check';
  const lines = connection.prepare(`PRAGMA ${check}(${mostComplaints})`).all();
  const said = lines.map((line) => String(Object.values(line)[0])).filter((line) => line !== 'ok');
  const orphans = connection.prepare('PRAGMA foreign_key_check').all().length;
  return [...said, ...(orphans === 0 ? [] : [`${orphans} rows belong to none`])];
}

function healthy(connection: DatabaseSync, path: string): Finding {
  const version = Number(connection.prepare('PRAGMA user_version').get()?.['user_version']);
  const next = version < migrations.length ? `; the next daemon brings it to ${migrations.length}` : '';
  return { check: 'database', status: 'ok', message: `whole, schema ${version}${next}`, where: path };
}

function broken(path: string, complaints: readonly string[]): Finding {
  return {
    check: 'database',
    status: 'error',
    message: `damaged: ${complaints.join('; ')}`,
    where: path,
    mend: 'singletree down, keep a copy of the state folder, look at the disk (dmesg), and put a backup back',
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreRefused';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
