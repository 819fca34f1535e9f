import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { statePaths, type StatePaths } from './paths.ts';
import { openTokens } from './tokens.ts';

let paths: StatePaths;
beforeEach(() => (paths = statePaths(mkdtempSync(join(tmpdir(), 'singletree-tokens-')))));
afterEach(() => rmSync(paths.root, { recursive: true }));

test('three are made once, each for the eyes of the owner', () => {
  const tokens = openTokens(paths);
  expect(new Set(Object.values(tokens)).size).toBe(3);
  for (const token of Object.values(tokens)) expect(token).toMatch(/^st_[\w-]{43}$/);
  expect(readdirSync(paths.root).toSorted()).toEqual(['token', 'token.read', 'token.submit']);
  for (const file of readdirSync(paths.root)) expect(statSync(join(paths.root, file)).mode & 0o777).toBe(0o600);
  expect(readFileSync(paths.adminToken, 'utf8')).toBe(`${tokens.admin}\n`);
  expect(openTokens(paths)).toEqual(tokens);
});

test('whatever the umask is', () => {
  const before = process.umask(0o000);
  try {
    openTokens(paths);
  } finally {
    process.umask(before);
  }
  expect(statSync(paths.readToken).mode & 0o777).toBe(0o600);
});

test('removing a file exchanges its token alone', () => {
  const before = openTokens(paths);
  rmSync(paths.submitToken);
  const after = openTokens(paths);
  expect(after).toEqual({ ...before, submit: after.submit });
  expect(after.submit).not.toBe(before.submit);
});

test('what a start that died has left beside a file is in nobody’s way', () => {
  writeFileSync(`${paths.adminToken}.new`, 'half');
  openTokens(paths);
  expect(readdirSync(paths.root)).not.toContain('token.new');
});

test.each<[string, (path: string) => void, RegExp]>([
  ['open to others', (path) => chmodSync(path, 0o640), /open to other users \(mode 0640\)/],
  ['writable by others', (path) => chmodSync(path, 0o602), /open to other users \(mode 0602\)/],
  ['empty', (path) => writeFileSync(path, ''), /is empty/],
  ['an empty line', (path) => writeFileSync(path, '\n'), /is empty/],
  ['short', (path) => writeFileSync(path, 'st_secret\n'), /holds too little for a token/],
  ['something else', (path) => writeFileSync(path, `password=${'x'.repeat(60)}`), /holds no token/],
  ['longer than any token', (path) => writeFileSync(path, `st_${'x'.repeat(1_000)}`), /holds no token/],
  ['two lines', (path) => writeFileSync(path, `st_${'x'.repeat(43)}\nst_${'y'.repeat(43)}\n`), /holds no token/],
  ['of two names', (path) => linkSync(path, `${path}.other`), /has 2 names/],
  ['a symbolic link', (path) => (rmSync(path), symlinkSync('/dev/zero', path)), /is a symbolic link/],
  ['a link to nothing', (path) => (rmSync(path), symlinkSync('nothing', path)), /is a symbolic link/],
  ['a folder', (path) => (rmSync(path), mkdirSync(path)), /is no regular file/],
])('a file that is %s is refused, and told by name', (_, spoil, message) => {
  openTokens(paths);
  spoil(paths.submitToken);
  const refused = { reason: 'STATE_FOLDER_TOKEN_REFUSED', message: expect.stringMatching(message) as string };
  expect(() => openTokens(paths)).toThrow(expect.objectContaining(refused) as Error);
  expect(() => openTokens(paths)).toThrow(paths.submitToken);
  try {
    openTokens(paths);
  } catch (error) {
    expect(String(error), 'and nothing of what it holds').not.toMatch(/secret|password|xxxx/);
  }
});

test('two files with the same token have no scope', () => {
  openTokens(paths);
  writeFileSync(paths.readToken, readFileSync(paths.adminToken));
  expect(() => openTokens(paths)).toThrow(/hold the same token/);
});
