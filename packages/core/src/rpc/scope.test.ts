import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createCatalogue, type Plugin } from '../plugins/catalogue.ts';
import { scopeFrom } from './scope.ts';

const plugins = createCatalogue(['claude_code', 'codex'].map((id) => ({ id }) as Plugin));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-scope-')));
mkdirSync(join(folder, 'real', 'sub'), { recursive: true });
symlinkSync(join(folder, 'real'), join(folder, 'link'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a scope', () => {
  test.each(['all', 'harness=codex', 'model=claude-opus-4-5', 'model=a=b', 'label=team', 'label=team=', 'label=team=a', 'label=team=a=b'])(
    '%s is kept as it was typed',
    async (scope) => expect(await scopeFrom(scope, plugins)).toBe(scope),
  );

  test.each([
    ['link/sub', 'real/sub'],
    ['real/sub/', 'real/sub'],
    ['real//sub/..', 'real'],
    ['none/../link/./sub', 'real/sub'],
    ['link/none', 'real/none'],
    ['link/none/deeper/', 'real/none/deeper'],
  ])('of a directory is that directory: %s is %s', async (typed, meant) => {
    expect(await scopeFrom(`workspace=${folder}/${typed}`, plugins)).toBe(`workspace=${folder}/${meant}`);
  });

  test('of the whole machine is its root', async () => expect(await scopeFrom('workspace=/', plugins)).toBe('workspace=/'));

  test.each(['', 'al', 'all=', 'ALL', 'harness', 'harness=', 'model', 'model=', 'label', 'label=', 'label==a', 'task=1', '=', ' all'])(
    'that is none is refused: "%s"',
    async (text) => {
      await expect(scopeFrom(text, plugins)).rejects.toMatchObject({
        reason: 'INVALID_SCOPE',
        hint: expect.stringContaining('all, harness=ID, model=NAME, workspace=/ABSOLUTE/PATH, label=KEY, label=KEY=VALUE') as string,
      });
    },
  );

  test.each(['workspace', 'workspace=', 'workspace=src', 'workspace=~/src', 'workspace=./'])(
    'of a directory that is not absolute is refused: "%s"',
    async (text) => {
      await expect(scopeFrom(text, plugins)).rejects.toMatchObject({
        reason: 'INVALID_SCOPE',
        message: expect.stringContaining('absolute path') as string,
      });
    },
  );

  test('of an unknown harness is refused, with the one that was probably meant', async () => {
    await expect(scopeFrom('harness=codx', plugins)).rejects.toMatchObject({
      reason: 'UNKNOWN_HARNESS',
      hint: 'known harnesses: claude_code, codex\ndid you mean codex?',
    });
  });
});
