import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Harness } from '@singletree/harness';
import { expect, test, vi } from 'vitest';
import type { Plugin } from '../plugins/catalogue.ts';
import { readSessionFiles } from './session-files.ts';
import { readRows } from './session-rows.ts';

// Each query and each writer is a process of its own, which takes a second where the machine is loaded.
vi.setConfig({ testTimeout: 60_000 });

const query = { sql: "SELECT json_object('n', n, 'text', text) FROM t WHERE text <> ? ORDER BY n", parameters: ["o'ne"] };
const wanted = '{"n":2,"text":"two\\nlines"}\n{"n":3,"text":"é"}\n';

/** Writes rows in another process, which is killed before it could close the database. */
function killedWriter(path: string, rows: number): void {
  const program = `
    const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, text TEXT); BEGIN");
    const add = db.prepare('INSERT INTO t VALUES (?, ?)');
    if (${rows} === 3) ["o'ne", 'two\\nlines', 'é'].forEach((text, at) => add.run(at + 1, text));
    else for (let n = 0; n < ${rows}; n += 1) add.run(n, 'x'.repeat(1000));
    db.exec('COMMIT; BEGIN'); add.run(99, 'never committed');
    process.kill(process.pid, 'SIGKILL');`;
  expect(spawnSync(process.execPath, ['-e', program, path]).signal).toBe('SIGKILL');
}

test('what a killed writer had committed is found, though it stands in the log beside the database only', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'singletree-rows-'));
  const path = join(folder.path, 'sessions.db');
  killedWriter(path, 3);
  const read = await readRows(path, query, 1000);
  expect('bytes' in read ? read.bytes.toString('utf8') : read).toBe(wanted);
  expect(readdirSync(folder.path), 'the log is still there').toContain('sessions.db-wal');
});

test.each([
  ['a statement that writes', 'DELETE FROM t', [], /readonly/],
  ['a statement that is none', 'SELECT a FROM nowhere', [], /no such table/],
  ['a parameter too many', 'SELECT 1', ['x'], /column index out of range|range/],
])('%s is refused in words, and changes nothing', async (_, sql, parameters, words) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'singletree-rows-'));
  const path = join(folder.path, 'sessions.db');
  killedWriter(path, 3);
  const read = await readRows(path, { sql, parameters }, 1000);
  expect('refused' in read && read.refused).toMatch(words);
  expect(await readRows(path, query, 1000)).toHaveProperty('bytes', Buffer.from(wanted));
});

test('more rows than may be read, and what is no database, are refused', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'singletree-rows-'));
  const many = join(folder.path, 'many.db');
  killedWriter(many, 500);
  expect(await readRows(many, { sql: 'SELECT text FROM t', parameters: [] }, 100_000)).toEqual({
    refused: 'holds more than 100000 bytes of it',
  });
  const other = join(folder.path, 'other.db');
  writeFileSync(other, 'not a database, and longer than the header of one '.repeat(100));
  expect(await readRows(other, query, 1000)).toEqual({ refused: 'cannot be asked: file is not a database' });
});

test('what is no regular file is not opened: a FIFO would hold its reader up', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'singletree-rows-'));
  const at = (name: string): string => join(folder.path, name);
  execFileSync('mkfifo', [at('fifo.db')]);
  symlinkSync(at('elsewhere.db'), at('link.db'));
  const refusals = await Promise.all(['fifo', 'link', 'none'].map((name) => readRows(at(`${name}.db`), query, 1000)));
  expect(refusals).toEqual([{ refused: 'is not a regular file' }, { refused: 'is a symbolic link' }, { refused: 'does not exist' }]);
});

test('rows are the first of the session files, under the name of their database; where they cannot be had, the files are not all', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'singletree-rows-'));
  killedWriter(join(folder.path, 'sessions.db'), 3);
  writeFileSync(join(folder.path, 'found.txt'), 'found');
  writeFileSync(join(folder.path, 'broken.db'), 'no database at all, which shows only when it is asked');
  const read = (...paths: string[]) => {
    const sessionFiles: Harness['sessionFiles'] = (_, found) => (found[0]?.path === '$DATA/sessions.db' ? ['found.txt'] : []);
    const harness: Partial<Harness> = { sessionQueries: () => paths.map((path) => ({ path, ...query })), sessionFiles };
    return readSessionFiles({ harness: harness as Harness } as Plugin, 's', { HOME: folder.path, DATA: folder.path });
  };
  expect(await read('$DATA/sessions.db', 'none.db', '$NOWHERE/sessions.db')).toEqual({
    files: [
      { path: '$DATA/sessions.db', bytes: Buffer.from(wanted) },
      { path: 'found.txt', bytes: Buffer.from('found') },
    ],
    incomplete: false,
  });
  expect(await read('broken.db')).toEqual({ files: [], incomplete: true });
});
