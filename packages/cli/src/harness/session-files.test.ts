import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Harness } from '@singletree/harness';
import claude from '@singletree/harness-claude';
import { temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { isDatabase } from './recording.ts';
import { asSessionFiles, rowsOf } from './session-files.ts';

const given = (path: string) => ({ path, bytes: Buffer.from(path) });
const placed = (harness: Harness, ...paths: string[]): string[] =>
  asSessionFiles(harness, 'id-1', paths.map(given), []).map(({ path, bytes }) => `${Buffer.from(bytes).toString()} → ${path}`);

test.each<[string, string[], string[]]>([
  ['where it lay', ['/home/me/.claude/projects/-repo/id-1.jsonl'], ['.claude/projects/-repo/id-1.jsonl']],
  [
    'moved',
    ['/tmp/id-1.jsonl', '/tmp/agent-7.jsonl'],
    ['$CLAUDE_CONFIG_DIR/projects/copy/id-1.jsonl', '$CLAUDE_CONFIG_DIR/projects/copy/id-1/subagents/agent-7.jsonl'],
  ],
  ['by another name', ['/tmp/transcript.jsonl'], ['$CLAUDE_CONFIG_DIR/projects/copy-1/id-1.jsonl']],
])('a session file %s is known to the plugin', (_, paths, names) => {
  expect(placed(claude, ...paths).map((each) => each.split(' → ')[1])).toEqual(names);
});

/** Keeps its sessions in a database, and names in its rows where more of them is. */
const other: Harness = {
  ...claude,
  sessionQueries: (id) => [
    { path: '$DATA/own.db', sql: 'SELECT line FROM rows WHERE session = ?', parameters: [id] },
    { path: '.data/own.db', sql: 'SELECT line FROM rows WHERE session = ?', parameters: [id] },
  ],
  sessionFiles: (_, found) => found.map(({ bytes }) => `$DATA/more-${bytes.length}-*.json`),
};

test('rows stand for the database, and further files are those that it names', () => {
  expect(placed(other, 'rows', '/x/more-4-a.json')).toEqual(['rows → $DATA/own.db', '/x/more-4-a.json → $DATA/more-4-a.json']);
});

test('a database is asked what the plugin asks', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'anything');
  using database = new DatabaseSync(path);
  database.exec("CREATE TABLE rows (session TEXT, line TEXT); INSERT INTO rows VALUES ('id-1', 'a'), ('id-2', 'b'), ('id-1', 'c')");
  expect(await isDatabase(path, '/')).toBe(true);
  expect(await isDatabase(import.meta.filename, '/')).toBe(false);
  const rows = await rowsOf(other, 'id-1', path);
  expect(rows.map((row) => [row.path, Buffer.from(row.bytes).toString()])).toEqual([['$DATA/own.db', 'a\nc\n']]);
});
