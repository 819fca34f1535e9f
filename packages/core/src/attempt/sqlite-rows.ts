import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';

/**
 * A program: `sqlite-rows DATABASE BUSY_MS SQL [PARAMETER…]` prints the first column of each row that a query finds, a line each. A process
 * of its own, because a database that somebody else wrote may hold its reader up for ever.
 */
const [path = '', busyMs, sql = '', ...parameters] = process.argv.slice(2);
using database = new DatabaseSync(path, { readOnly: true, timeout: Number(busyMs) });
database.exec('PRAGMA trusted_schema = OFF');
for (const row of database.prepare(sql).iterate(...parameters)) {
  if (!process.stdout.write(`${String(Object.values(row)[0])}\n`)) await once(process.stdout, 'drain');
}
