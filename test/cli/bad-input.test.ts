import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.make();
  await machine.type(['up', '--detach', '--quiet']);
});
afterAll(async () => await machine[Symbol.asyncDispose]());

test.each<[string, string[], string, string]>([
  [
    'unknown harness',
    ['--harness', 'claud'],
    'UNKNOWN_HARNESS',
    'known harnesses: claude_code, codex, opencode, fake\ndid you mean claude_code?',
  ],
  ['missing workspace', ['--workspace', 'nowhere'], 'WORKSPACE_NOT_FOUND', ''],
  ['a file as workspace', ['--workspace', 'a.txt'], 'WORKSPACE_NOT_FOUND', 'name the directory'],
  ['not a git repository', ['--workspace', '/usr'], 'NOT_A_GIT_REPOSITORY', 'init'],
  ['two gates of one name', ['--gate', 'a=b', '--gate', 'a=c'], 'DUPLICATE_GATE', ''],
  ['a gate name that cannot be', ['--gate', 'a b=c'], 'INVALID_REQUEST', ''],
  ['a title of two lines', ['--title', 'a\nb'], 'INVALID_REQUEST', ''],
])('%s: nothing is created', async (_, flags, reason, hint) => {
  const { code, stdout, stderr } = await machine.type(['run', '--json', ...flags, 'x']);
  const { error } = JSON.parse(stderr);
  expect(error).toMatchObject({ reason });
  expect(error.hint ?? '').toContain(hint);
  expect([code, stdout]).toEqual([2, '']);
  expect((await machine.type(['ls', '--quiet'])).stdout).toBe('');
});

test('an agent that is not installed: the task fails, and says what installs it', async () => {
  const { code, stdout } = await machine.type(['run', '--harness', 'codex', 'x']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/harness_missing {2}Codex CLI: .*npm install --global @openai\/codex/);
  const listed = await machine.type(['harnesses', '--json']);
  expect(JSON.parse(listed.stdout)).toContainEqual(
    expect.objectContaining({ id: 'codex', status: 'missing', hint: expect.stringContaining('npm install') }),
  );
});

test('an id that is too short to be one', async () => {
  const created = await Promise.all(['y', 'z'].map(async (prompt) => await machine.type(['run', '--detach', prompt])));
  const [one = '', two = ''] = created.map(({ stdout }) => stdout.trim());
  const common = Array.from(one).findIndex((letter, index) => letter !== two[index]);
  const { code, stderr } = await machine.type(['get', one.slice(0, common)]);
  expect(code).toBe(2);
  expect(stderr).toContain(`more than one task begins with ${one.slice(0, common)}`);
  expect((await machine.type(['get', 'ffffffff'])).code).toBe(2);
});

test('a machine without git', async () => {
  const bin = join(machine.path, 'bin');
  mkdirSync(bin);
  // A shell, but no git.
  symlinkSync('/bin/sh', join(bin, 'sh'));
  const state = join(machine.path, 'state-without-git');
  writeFileSync(join(machine.path, 'x'), '');
  const { code, stderr } = await machine.type(['run', '--state', state, 'x'], { env: { PATH: bin } });
  expect(stderr).toMatch(/^error: git was not found on the PATH .*\n {2}install git 2\.30/);
  expect(code).toBe(2);
  expect((await machine.type(['down', '--state', state])).code).toBe(0);
});
