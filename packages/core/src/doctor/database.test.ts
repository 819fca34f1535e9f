import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqlite } from '../store/sqlite/index.ts';
import { examineDatabase } from './database.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  path = join(folder, 'singletree.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () => openSqlite({ path, newId: () => 'this-folder' }).store;

test('none yet', () => {
  expect(examineDatabase(path)).toEqual({ findings: [{ check: 'database', status: 'ok', message: 'there is none yet', where: path }] });
  expect(readdirSync(folder)).toEqual([]);
});

test('one that is empty yet is filled by the next daemon, and one that nobody can look at is no such', () => {
  writeFileSync(path, '');
  const empty = { check: 'database', status: 'ok', message: 'empty: the next daemon fills it', where: path };
  expect(examineDatabase(path)).toEqual({ findings: [empty] });
  expect(readFileSync(path)).toHaveLength(0);
  const unreadable = join(folder, 'loop');
  symlinkSync('loop', unreadable);
  expect(examineDatabase(unreadable)).toMatchObject({ findings: [{ status: 'error', where: unreadable }] });
});

test('a whole one, while a daemon has it open and after that; not one byte of it changes', async () => {
  const store = open();
  const whole = { findings: [{ status: 'ok', message: expect.stringMatching(/^whole, schema \d+$/) }], instanceId: 'this-folder' };
  expect(examineDatabase(path)).toMatchObject(whole);
  expect(await store.tasks({ limit: 1 })).toEqual([]);
  await store.close();
  const before = readFileSync(path);
  expect(examineDatabase(path)).toMatchObject(whole);
  expect(readdirSync(folder)).toEqual(['singletree.db']);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('one whose daemon was killed: what is only in its log counts', async () => {
  const store = open();
  const names = ['singletree.db', 'singletree.db-wal'];
  const copy = join(folder, 'copy');
  const files = names.map((name) => readFileSync(join(folder, name)));
  files.forEach((bytes, at) => writeFileSync(`${copy}${at === 0 ? '' : '-wal'}`, bytes));
  await store.close();
  expect(examineDatabase(copy)).toMatchObject({ findings: [{ status: 'ok' }], instanceId: 'this-folder' });
});

test('a damaged page', async () => {
  await open().close();
  const pages = readFileSync(path).length / 4_096;
  const file = openSync(path, 'r+');
  for (let page = 2; page < pages; page++) writeSync(file, Buffer.alloc(512, 0xa5), 0, 512, page * 4_096);
  closeSync(file);
  const { findings } = examineDatabase(path);
  expect(findings).toMatchObject([
    {
      check: 'database',
      status: 'error',
      message: expect.stringMatching(/^damaged: /),
      where: path,
      mend: expect.stringContaining('backup'),
    },
  ]);
});

test.each([
  ['no database', 'not a database at all, but long enough to be looked at'.repeat(20), 'damaged: '],
  ['another program’s', undefined, 'is a database of another program'],
])('%s', (_, content, message) => {
  if (content === undefined) {
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE theirs (a)');
    other.close();
  } else writeFileSync(path, content);
  expect(examineDatabase(path).findings).toMatchObject([{ status: 'error', message: expect.stringContaining(message) }]);
});

test('one that a newer version wrote says so', async () => {
  await open().close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 9999');
  database.close();
  expect(examineDatabase(path).findings).toMatchObject([
    {
      status: 'error',
      message: expect.stringContaining('has schema 9999'),
      mend: expect.stringContaining('use the version that wrote it'),
    },
  ]);
});
