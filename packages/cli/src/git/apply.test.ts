import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '@singletree/sdk';
import { repository, type Repository } from '@singletree/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyChange, type Applied } from './apply.ts';
import { changeOf, patchBetween } from './change.ts';

const lines = (...changed: readonly string[]): string =>
  ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', ...changed].join('\n') + '\n';
const binary = Buffer.from([0, 1, 2, 255, 254, 10, 0]);

let repo: Repository;
let task: Task;
const env = { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
const at = (path: string): string => join(repo.path, path);

/** A change of every kind, as a task leaves it: a commit under a ref, and the working tree as before. */
beforeEach(async () => {
  repo = await repository({
    files: {
      'text.txt': lines(),
      'gone.txt': 'old\n',
      'script.sh': '#!/bin/sh\n',
      'image.bin': binary,
      'untouched.txt': 'x\n',
      '.gitignore': 'ignored.txt\n',
      'a file with "quotes", täbs.txt': 'a\n',
    },
  });
  writeFileSync(at('text.txt'), lines().replace('two', 'TWO'));
  rmSync(at('gone.txt'));
  chmodSync(at('script.sh'), 0o755);
  writeFileSync(at('image.bin'), Buffer.concat([binary, binary]));
  writeFileSync(at('a file with "quotes", täbs.txt'), 'a\r\nno line feed at the end');
  mkdirSync(at('new/deep'), { recursive: true });
  writeFileSync(at('new/deep/file.txt'), 'new \t \n');
  writeFileSync(at('empty.txt'), '');
  symlinkSync('text.txt', at('link'));
  await repo.git('add', '--all');
  const tree = (await repo.git('write-tree')).trim();
  const frozen = (await repo.git('commit-tree', '-p', 'HEAD', '-m', 'frozen', tree)).trim();
  await repo.git('update-ref', 'refs/singletree/t/1', frozen);
  await repo.git('reset', '--hard', '--quiet');
  task = {
    id: 't',
    state: 'completed',
    baseCommit: repo.head,
    frozenCommit: frozen,
    frozenRef: 'refs/singletree/t/1',
    workspace: { path: repo.path, mode: 'worktree' },
  } as unknown as Task;
});
afterEach(async () => await repo[Symbol.asyncDispose]());

async function apply(): Promise<Applied> {
  return await applyChange(await changeOf(task, env));
}

/** Everything in the working tree, with modes and link targets. */
function content(folder = repo.path): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, parentPath } of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(parentPath, name);
    if (path.includes('/.git/') || path.endsWith('/.git')) continue;
    const stat = lstatSync(path);
    if (stat.isDirectory()) continue;
    const what = stat.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path, 'latin1');
    found[path.slice(repo.path.length + 1)] = `${(stat.mode & 0o111).toString(8)} ${what}`;
  }
  return found;
}

/** The frozen tree, checked out elsewhere. */
async function frozen(): Promise<Record<string, string>> {
  await repo.git('worktree', 'add', '--quiet', '--detach', at('.git/other'), 'refs/singletree/t/1');
  const path = at('.git/other');
  const found: Record<string, string> = {};
  for (const { name, parentPath } of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const file = join(parentPath, name);
    const stat = lstatSync(file);
    if (stat.isDirectory() || name === '.git') continue;
    const what = stat.isSymbolicLink() ? `-> ${readlinkSync(file)}` : readFileSync(file, 'latin1');
    found[file.slice(path.length + 1)] = `${(stat.mode & 0o111).toString(8)} ${what}`;
  }
  return found;
}

test('a clean working tree becomes exactly the frozen one; index and HEAD stay', async () => {
  expect(await apply()).toBe('applied');
  expect(content()).toEqual(await frozen());
  expect(await repo.git('diff', '--cached', '--name-only')).toBe('');
  expect((await repo.git('rev-parse', 'HEAD')).trim()).toBe(repo.head);
});

test('the patch alone gives the same, whatever the user configured', async () => {
  for (const [key, value] of [
    ['diff.noprefix', 'true'],
    ['diff.external', '/bin/false'],
    ['diff.renames', 'copies'],
    ['color.ui', 'always'],
    ['core.abbrev', '4'],
    ['apply.whitespace', 'fix'],
    ['diff.context', '0'],
  ])
    await repo.git('config', key!, value!);
  const { base, frozen: to, repository: call } = await changeOf(task, env);
  const patch = await patchBetween(base, to, call);
  writeFileSync(at('.git/change.patch'), patch);
  await repo.git('-c', 'apply.whitespace=nowarn', 'apply', '.git/change.patch');
  const applied = content();
  await repo.git('reset', '--hard', '--quiet');
  await repo.git('clean', '-fdq');
  expect(await apply()).toBe('applied');
  expect(applied).toEqual(content());
  expect(applied).toEqual(await frozen());
});

test('twice is once', async () => {
  await apply();
  const before = content();
  expect(await apply()).toBe('already_there');
  expect(content()).toEqual(before);
});

describe('with what the user changed meanwhile', () => {
  test('elsewhere: it stays, staged or not', async () => {
    writeFileSync(at('untouched.txt'), 'mine\n');
    await repo.git('add', 'untouched.txt');
    writeFileSync(at('mine.txt'), 'mine\n');
    expect(await apply()).toBe('applied');
    expect(content()).toEqual({ ...(await frozen()), 'untouched.txt': '0 mine\n', 'mine.txt': '0 mine\n' });
    expect((await repo.git('diff', '--cached', '--name-only')).trim()).toBe('untouched.txt');
  });

  test('in other lines of the same file: both', async () => {
    writeFileSync(at('text.txt'), lines('eleven').replace('nine', 'NINE'));
    expect(await apply()).toBe('merged');
    expect(readFileSync(at('text.txt'), 'utf8')).toBe(lines('eleven').replace('nine', 'NINE').replace('two', 'TWO'));
    expect(content()).toEqual({ ...(await frozen()), 'text.txt': content()['text.txt'] });
  });

  test('a part of it is there already', async () => {
    rmSync(at('gone.txt'));
    writeFileSync(at('empty.txt'), '');
    expect(await apply()).toBe('applied');
    expect(content()).toEqual(await frozen());
  });

  test('a block like the changed one stands elsewhere: it is not taken for it', async () => {
    writeFileSync(at('text.txt'), `${lines()}${lines().replace('two', 'TWO')}`);
    expect(await apply()).toBe('merged');
    expect(readFileSync(at('text.txt'), 'utf8')).toBe(lines().replace('two', 'TWO') + lines().replace('two', 'TWO'));
  });

  test.each<[string, () => void]>([
    ['the same line', () => writeFileSync(at('text.txt'), lines().replace('two', 'zwei'))],
    ['a file that the task made', () => (mkdirSync(at('new/deep'), { recursive: true }), writeFileSync(at('new/deep/file.txt'), 'mine\n'))],
    ['an ignored file in the way', () => writeFileSync(at('link'), 'mine\n')],
    ['a file that the task deleted', () => writeFileSync(at('gone.txt'), 'changed\n')],
    ['a binary file', () => writeFileSync(at('image.bin'), 'mine')],
    ['a folder where a file must go', () => mkdirSync(at('empty.txt/x'), { recursive: true })],
  ])('%s: nothing is changed at all', async (_, change) => {
    change();
    await repo.git('config', 'core.excludesFile', at('.gitignore'));
    writeFileSync(at('.git/info/exclude'), 'link\n');
    const before = content();
    await expect(apply()).rejects.toMatchObject({ exitCode: 1, message: expect.stringContaining('nothing was changed') });
    expect(content()).toEqual(before);
    expect(await repo.git('diff', '--cached', '--name-only')).toBe('');
  });
});

test('from a folder below the top, and where the environment leads elsewhere', async () => {
  mkdirSync(at('new'), { recursive: true });
  const below = { ...task, workspace: { ...task.workspace, path: at('new') } };
  const change = await changeOf(below, { ...env, GIT_DIR: '/nonexistent', GIT_INDEX_FILE: '/nonexistent' });
  expect(await applyChange(change)).toBe('applied');
  expect(content()).toEqual(await frozen());
});

test.each<[string, Partial<Task>, string]>([
  ['nothing frozen yet', { frozenCommit: undefined } as object, 'nothing of it was kept'],
  ['a ref that was deleted', { frozenCommit: '0123456789012345678901234567890123456789' }, 'no longer has the change'],
])('%s is said', async (_, fields, message) => {
  await expect(changeOf({ ...task, ...fields }, env)).rejects.toMatchObject({
    reason: 'NO_CHANGE',
    message: expect.stringContaining(message),
  });
});

test('no change is nothing, and a missing git is said', async () => {
  const same = { ...task, frozenCommit: repo.head };
  expect(await applyChange(await changeOf(same, env))).toBe('nothing');
  await expect(changeOf(task, { ...env, PATH: '/nonexistent' })).rejects.toMatchObject({ reason: 'GIT_MISSING' });
});

describe('of a daemon on another machine', () => {
  test('the repository is looked for there', async () => {
    const there = { ...task, workspace: { ...task.workspace, path: '/srv/shop' } };
    await expect(changeOf(there, env, 'build.example')).rejects.toMatchObject({
      reason: 'OTHER_MACHINE',
      message: 'what task t made is in the repository /srv/shop on build.example, with the daemon',
      hint: 'type this on build.example, or bring it here: git fetch build.example:/srv/shop refs/singletree/t/1',
    });
    const another = { ...task, frozenCommit: '0'.repeat(40) };
    await expect(changeOf(another, env, 'build.example')).rejects.toMatchObject({ reason: 'OTHER_MACHINE' });
  });

  test('the same repository at the same path here will do', async () => {
    expect((await changeOf(task, env, 'build.example')).repository.directory).toBe(repo.path);
  });
});
