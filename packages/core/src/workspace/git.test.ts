import { describe, expect, test } from 'vitest';

import { hostCall } from '../supervision/host.ts';
import { createGit, GitFailure, gitVersion, isOlder, oldestGit, type Git, type HostCall } from './git.ts';

const answering = (answer: Partial<Awaited<ReturnType<HostCall>>>): Git =>
  createGit({
    hostCall: () =>
      Promise.resolve({ code: 0, signal: null, stdout: Buffer.alloc(0), stderr: '', timedOut: false, truncated: false, ...answer }),
    home: '/home',
    path: '/bin',
  });

describe('the version', () => {
  test.each([
    ['2.29.3', true],
    ['1.99.9', true],
    ['2.30', false],
    ['2.30.0', false],
    ['2.30.2', false],
    ['2.100.0', false],
    ['10.0.0', false],
  ])('%s is older than 2.30.0: %s', (version, older) => expect(isOlder(version, '2.30.0')).toBe(older));

  test.each([
    ['git version 2.39.5\n', '2.39.5'],
    ['git version 2.39.5 (Apple Git-154)\n', '2.39.5'],
    ['git version 2.55.GIT\n', '2.55'],
  ])('%j is %s', async (said, version) => expect(await gitVersion(answering({ stdout: Buffer.from(said) }))).toBe(version));

  test.each(['git version 2.29.3\n', 'git version 1.8.3.1\n', 'something else'])('%j is refused', async (said) => {
    await expect(gitVersion(answering({ stdout: Buffer.from(said) }))).rejects.toMatchObject({
      reason: 'GIT_TOO_OLD',
      message: `"${said.trim()}" is too old: git 2.30.0 or newer is needed`,
      metadata: { oldest: oldestGit },
    });
  });

  test('of the git that runs these tests is new enough', async () => {
    const git = createGit({ hostCall, home: '/nonexistent', path: process.env['PATH'] ?? '' });
    expect(isOlder(await gitVersion(git), oldestGit)).toBe(false);
  });
});

test('a missing git is told with the PATH that was searched', async () => {
  const git = createGit({ hostCall, home: '/nonexistent', path: '/nonexistent/bin' });
  await expect(gitVersion(git)).rejects.toMatchObject({
    reason: 'GIT_MISSING',
    message: 'git was not found on the PATH /nonexistent/bin',
    hint: expect.stringContaining(oldestGit),
  });
});

test('a call that fails says what git said, how it ended, and which call it was', async () => {
  await expect(answering({ code: 128, stderr: 'fatal: no\n' })(['write-tree'])).rejects.toThrow(
    'git write-tree exited with 128: fatal: no',
  );
  await expect(answering({ code: null, signal: 'SIGKILL', timedOut: true })(['read-tree'])).rejects.toThrow(
    'git read-tree took longer than 60 s',
  );
  await expect(answering({ code: null, signal: 'SIGSEGV' })(['diff'])).rejects.toThrow('git diff was ended by SIGSEGV: it said nothing');
  await expect(answering({ truncated: true, code: null })(['ls-files'])).rejects.toThrow('git ls-files said more than');
  expect(await answering({ code: null, signal: 'SIGSEGV' })(['diff']).catch((error: unknown) => error)).toBeInstanceOf(GitFailure);
  expect(await answering({ code: 1 })(['show-ref'], { accept: [1] })).toMatchObject({ code: 1 });
});

test.each(['SIGKILL', 'SIGTERM'])('a call that somebody ended by %s tells nothing of the repository', async (signal) => {
  const ended: unknown = await answering({ code: null, signal })(['worktree', 'add']).catch((error: unknown) => error);
  expect(ended).toEqual(new Error(`git worktree was ended from outside, by ${signal}`));
  expect(ended).not.toBeInstanceOf(GitFailure);
});

test('nothing of the daemon’s environment reaches git', async () => {
  const seen: unknown[] = [];
  const spy: HostCall = (_, __, options) => {
    seen.push(options.env);
    return Promise.resolve({ code: 0, signal: null, stdout: Buffer.alloc(0), stderr: '', timedOut: false, truncated: false });
  };
  await createGit({ hostCall: spy, home: '/private', path: '/bin' })(['status'], { env: { GIT_DIR: '/r' } });
  expect(seen[0]).toMatchObject({
    HOME: '/private',
    PATH: '/bin',
    GIT_DIR: '/r',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
  });
  expect(Object.keys(seen[0] as object).filter((name) => !/^(GIT_|HOME$|PATH$|LC_ALL$)/.test(name))).toEqual([]);
});
