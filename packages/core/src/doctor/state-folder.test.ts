import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock } from '../state-folder/lock.ts';
import { folderOperations } from '../state-folder/probe.ts';
import type { Finding } from './finding.ts';
import { examineStateFolder } from './state-folder.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'doctor-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const minFreeBytes = 1_000;
const freeBytes = (): number => 1_000_000_000;

function outline(findings: readonly Finding[]): string[] {
  return findings.map(({ check, status }) => `${check}: ${status}`);
}

test('a folder that is well, also while a daemon holds it; nothing is left in it', () => {
  const lock = acquireLock(join(folder, 'lock.db'));
  const before = readdirSync(folder);
  const findings = examineStateFolder(folder, { minFreeBytes, freeBytes });
  expect(outline(findings)).toEqual(['folder: ok', 'file system: ok', 'free space: ok']);
  expect(findings[1]?.message).toMatch(/mounted at \/.*: write, fsync, link, rename and lock work$/);
  expect(readdirSync(folder)).toEqual(before);
  lock?.release();
});

test('one that is not there yet, and one that nobody can make', () => {
  const path = join(folder, 'a/b');
  expect(examineStateFolder(path, { minFreeBytes })).toEqual([
    { check: 'folder', status: 'ok', message: `not there yet: the first daemon makes it below ${folder}`, where: path },
  ]);
  expect(readdirSync(folder)).toEqual([]);
  expect(examineStateFolder('/proc/sys/none', { minFreeBytes })).toMatchObject([
    { status: 'error', message: 'not there, and cannot be made: /proc/sys is not writable', mend: expect.stringContaining('--state') },
  ]);
});

test('one that nobody can look at', () => {
  symlinkSync('loop', join(folder, 'loop'));
  const path = join(folder, 'loop/state');
  expect(examineStateFolder(path, { minFreeBytes })).toMatchObject([
    { status: 'error', message: expect.stringContaining('ELOOP'), where: path },
  ]);
});

test('what the daemon would refuse is told in its words, with what mends it', () => {
  chmodSync(folder, 0o755);
  expect(examineStateFolder(folder, { minFreeBytes })).toMatchObject([
    {
      status: 'error',
      message: expect.stringContaining('is open to other users (mode 0755)'),
      mend: `chmod 700 '${folder}'`,
      where: folder,
    },
  ]);
  chmodSync(folder, 0o700);
  symlinkSync(folder, join(folder, 'link'));
  expect(examineStateFolder(join(folder, 'link'), { minFreeBytes })).toMatchObject([
    { status: 'error', message: expect.stringContaining('is a symbolic link') },
  ]);
});

test.skipIf(process.getuid?.() !== 0)('files of another user (as root)', () => {
  writeFileSync(join(folder, 'singletree.db'), '');
  chownSync(join(folder, 'singletree.db'), 65_534, 65_534);
  expect(examineStateFolder(folder, { minFreeBytes, freeBytes })[1]).toEqual({
    check: 'owner',
    status: 'error',
    message: 'of another user: singletree.db',
    where: folder,
    mend: `sudo chown -R 0 '${folder}'`,
  });
});

test('what stands where a daemon keeps its own, with the command that takes it away', () => {
  writeFileSync(join(folder, 'processes'), '');
  writeFileSync(join(folder, 'lock.db'), 'no lock');
  mkdirSync(join(folder, 'kill-switch.json'));
  symlinkSync('nowhere', join(folder, 'worktrees'));
  symlinkSync(tmpdir(), join(folder, 'git-home')); // somebody has moved it to another disk
  const problem = (name: string, message: string, mend = `mv '${join(folder, name)}' '${join(folder, name)}.old'`): object => ({
    check: 'content',
    status: 'error',
    message: `${join(folder, name)} ${message}, and no daemon starts with it`,
    mend,
  });
  expect(examineStateFolder(folder, { minFreeBytes, freeBytes }).slice(1, -2)).toEqual([
    problem('processes', 'is no folder'),
    problem('worktrees', 'is a link to nothing that can be read'),
    problem('kill-switch.json', 'is no file'),
    problem('lock.db', 'is no lock', `rm '${join(folder, 'lock.db')}'`),
  ]);
});

test('a file system without one of the operations', () => {
  const operations = {
    ...folderOperations,
    rename: () => {
      throw Object.assign(new Error('EOPNOTSUPP: not supported'), { code: 'EOPNOTSUPP' });
    },
  };
  expect(examineStateFolder(folder, { minFreeBytes, freeBytes, operations })[1]).toMatchObject({
    check: 'file system',
    status: 'error',
    message: expect.stringMatching(/does not support rename: EOPNOTSUPP/),
    mend: 'name a folder on a local disk with --state',
  });
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  [999, 'error', 'less than min_free_disk'],
  [3_999, 'warning', 'soon used up'],
  [4_000, 'ok', '0 MiB free'],
] as const)('with %d bytes free it is a %s', (free, status, message) => {
  const findings = examineStateFolder(folder, { minFreeBytes, freeBytes: () => free });
  expect(findings.find(({ check }) => check === 'free space')).toMatchObject({ status, message: expect.stringContaining(message) });
});

test('a path that is too long for a socket', () => {
  const long = join(folder, 'x'.repeat(100));
  mkdirSync(long, { mode: 0o700 });
  expect(outline(examineStateFolder(long, { minFreeBytes, freeBytes }))).toContain('socket: ok');
});
