import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@singletree/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { typed } from '../typed.testsuite.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let home: string;
let repo: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  home = join(realpathSync(folder.path), 'home');
  repo = join(home, 'src/shop');
  mkdirSync(join(repo, '.git'), { recursive: true });
});
afterEach(async () => await folder[Symbol.asyncDispose]());

const type = async (argv: readonly string[], cwd = repo, env: NodeJS.ProcessEnv = {}) => {
  const said = await typed(['trust', ...argv], { cwd, env: { HOME: home, ...env } });
  return { code: said.code, stdout: said.stdout.replaceAll(home, '~'), stderr: said.stderr.replaceAll(home, '~') };
};
const listed = async (): Promise<string[]> => (await type(['--list', '--quiet'])).stdout.split('\n').filter(Boolean);

test('a folder is trusted, listed, and trusted no longer', async () => {
  expect(await type(['--list'])).toEqual({
    code: 0,
    stdout: 'nothing is trusted: what repositories say to agents is ignored\n',
    stderr: '',
  });
  expect(await type([])).toEqual({
    code: 0,
    stdout: '~/src/shop is trusted: what repositories in it say to agents runs from the next attempt on\n',
    stderr: '  singletree trust --revoke ~/src/shop   trust it no longer\n',
  });
  expect((await type([])).stdout).toContain('~/src/shop is already trusted');
  expect(await listed()).toEqual(['~/src/shop']);
  expect((await type(['--list'])).stdout).toMatch(/folder +since\n +~\/src\/shop +\d{4}-\d\d-\d\d\n/);
  expect((await type(['--revoke'])).stdout).toBe('~/src/shop is trusted no longer, from the next attempt on\n');
  expect(await listed()).toEqual([]);
});

test('for programs', async () => {
  const record = '~/.config/singletree/trusted.json';
  expect(JSON.parse((await type(['--json'])).stdout)).toEqual({ path: '~/src/shop', trusted: true, changed: true, record });
  expect(JSON.parse((await type(['--json'])).stdout)).toMatchObject({ changed: false });
  expect(JSON.parse((await type(['--list', '--json'])).stdout)).toEqual({
    record,
    folders: [{ path: '~/src/shop', since: expect.stringMatching(/Z$/), exists: true }],
  });
  expect(JSON.parse((await type(['--revoke', '--json'])).stdout)).toEqual({ path: '~/src/shop', trusted: false, changed: true, record });
});

test('it is named as one likes, and recorded as it really is', async () => {
  symlinkSync(repo, join(home, 'link'));
  await type(['../link'], join(home, 'src'));
  await type(['./shop/../shop/'], join(home, 'src'));
  expect(await listed()).toEqual(['~/src/shop']);
  await type(['--revoke', join(home, 'link')]);
  expect(await listed()).toEqual([]);
});

test('one that has gone is told as gone, and can be revoked', async () => {
  await type([]);
  rmSync(repo, { recursive: true });
  expect((await type(['--list'], home)).stdout).toContain('is gone');
  expect((await type(['--revoke', repo], home)).code).toBe(0);
  expect(await listed().catch(() => [])).toEqual([]);
});

test('what is trusted with a folder above it stays so when it alone is revoked', async () => {
  await type([join(home, 'src')]);
  expect((await type([])).stdout).toContain('it was covered by ~/src before');
  expect((await type(['--revoke'])).stderr).toContain('it is still trusted with ~/src');
  expect(await type(['--revoke'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('it is trusted with ~/src: singletree trust --revoke ~/src'),
  });
});

test('a folder of repositories is none of the parts of a home folder that is a repository too', async () => {
  mkdirSync(join(home, '.git'));
  expect((await type([join(home, 'src')])).code).toBe(0);
  expect(await listed()).toEqual(['~/src']);
});

describe('what is refused', () => {
  test.each<[string, string[], string]>([
    ['the home folder', ['HOME'], '~ holds everything that you will ever clone'],
    ['what is above it', ['HOME/..'], 'holds everything that you will ever clone'],
    ['everything', ['/'], '/ holds everything that you will ever clone'],
    ['a folder that is not there', ['HOME/none'], '~/none cannot be trusted: ENOENT'],
    ['a file', ['HOME/file'], '~/file is a file'],
    ['a part of a repository', ['HOME/src/shop/sub'], '~/src/shop/sub is a part of the repository ~/src/shop'],
    ['what is not trusted, to be revoked', ['--revoke', 'HOME/src'], '~/src is not in the list of what is trusted'],
    ['a folder to be listed', ['--list', 'HOME'], '--list lists every folder'],
    ['both at once', ['--list', '--revoke'], "cannot be used with option '--revoke'"],
  ])('%s', async (_, argv, text) => {
    mkdirSync(join(repo, 'sub'));
    writeFileSync(join(home, 'file'), '');
    const said = await type(argv.map((arg) => arg.replace('HOME', home)));
    expect(said.stderr).toContain(text);
    expect(said.code).toBe(2);
    expect(await listed()).toEqual([]);
  });

  test('the word of an agent', async () => {
    const said = await type([], repo, { CLAUDECODE: '1' });
    expect(said).toMatchObject({ code: 2, stderr: expect.stringContaining('an agent may not say what is trusted') });
    expect((await type(['--yes-from-agent'], repo, { CLAUDECODE: '1' })).code).toBe(0);
    expect((await type(['--revoke'], repo, { CLAUDECODE: '1' })).code).toBe(0);
  });

  test('a record that is damaged', async () => {
    await type([]);
    const record = join(home, '.config/singletree/trusted.json');
    writeFileSync(record, '{');
    for (const argv of [[], ['--list'], ['--revoke']]) {
      const said = await type(argv);
      expect(said).toMatchObject({
        code: 78,
        stdout: '',
        stderr: expect.stringContaining('trusted.json, which says what is trusted, is damaged'),
      });
    }
    expect(readFileSync(record, 'utf8')).toBe('{');
  });

  test('nobody with a home', async () => {
    expect(await typed(['trust', '--list'], { cwd: '/', env: {} })).toMatchObject({ code: 2, stderr: expect.stringContaining('set HOME') });
  });
});
