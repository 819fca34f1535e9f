import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StateFolderRefused } from './refused.ts';
import { socketPath } from './socket-path.ts';

let base: string;
// Not os.tmpdir(): its path may itself be too long for a socket.
beforeEach(() => void (base = mkdtempSync('/tmp/sock-')));
afterEach(() => rmSync(base, { recursive: true, force: true }));

const long = (length: number): string => `/${'s'.repeat(length - 1)}`;
const hashed = /\/[0-9a-f]{16}\.sock$/;

test('the socket lies in the state folder up to a path of 100 bytes', () => {
  const name = '/singletree.sock';
  expect(socketPath(long(100 - name.length), {})).toBe(long(100 - name.length) + name);
  expect(socketPath(long(101 - name.length), { TMPDIR: base })).not.toContain(name);
});

test('bytes count, not characters', () => {
  expect(socketPath(`/${'ü'.repeat(60)}`, { TMPDIR: base })).toMatch(hashed);
});

test('a longer one goes into a private folder in $XDG_RUNTIME_DIR', () => {
  const path = socketPath(long(200), { XDG_RUNTIME_DIR: base, TMPDIR: join(base, 'tmp') });
  expect(path).toMatch(hashed);
  expect(path.startsWith(join(base, 'singletree/'))).toBe(true);
  expect(lstatSync(join(base, 'singletree')).mode & 0o777).toBe(0o700);
});

test('two state folders have two sockets, one has always the same', () => {
  const environment = { XDG_RUNTIME_DIR: base };
  expect(socketPath(long(200), environment)).toBe(socketPath(long(200), environment));
  expect(socketPath(long(200), environment)).not.toBe(socketPath(long(201), environment));
});

describe('without a usable $XDG_RUNTIME_DIR it goes into a private folder in $TMPDIR', () => {
  test.each([
    ['not set', () => undefined],
    ['relative', () => 'run'],
    ['too long', () => join(base, 'x'.repeat(100))],
    ['not there and not to be made', () => '/proc/none'],
    ['open to others', () => (mkdirSync(join(base, 'singletree')), chmodSync(join(base, 'singletree'), 0o777), base)],
  ])('%s', (_, runtime) => {
    const path = socketPath(long(200), { XDG_RUNTIME_DIR: runtime(), TMPDIR: join(base, 'tmp') });
    expect(path).toMatch(hashed);
    expect(path.startsWith(join(base, `tmp/singletree-${process.geteuid?.()}/`))).toBe(true);
    expect(lstatSync(join(path, '..')).mode & 0o777).toBe(0o700);
  });
});

test('a folder in $TMPDIR that somebody else may have planted is refused', () => {
  symlinkSync('/', join(base, `singletree-${process.geteuid?.()}`));
  expect(() => socketPath(long(200), { TMPDIR: base })).toThrow(expect.objectContaining({ reason: 'STATE_FOLDER_SYMLINK' }));
});

test('no place with a short path: refused with what to shorten', () => {
  const attempt = (): string => socketPath(long(200), { TMPDIR: long(100) });
  expect(attempt).toThrow(StateFolderRefused);
  expect(attempt).toThrow(expect.objectContaining({ reason: 'STATE_FOLDER_PATH_TOO_LONG', hint: expect.stringContaining('--state') }));
});
