import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { WorkspaceMode } from '../task/task.ts';
import { checkContext, type MissingInHead } from './check-context.ts';

describe('a context file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-context-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'directory'));
  writeFileSync(join(folder, 'notes.md'), 'notes');
  const context = (path: string) => [
    { kind: 'text' as const, text: 'a text' },
    { kind: 'file' as const, path },
  ];

  const workspace = (mode: WorkspaceMode) => ({ path: folder, mode });
  const inHead: MissingInHead = async () => [];
  const nothing: MissingInHead = async (_, paths) => paths;

  test('that is there is taken', async () => {
    await checkContext({ context: context('notes.md'), setup: [], workspace: workspace('worktree') }, folder, inHead);
  });

  test.each([
    ['missing.md', 'does not exist in the workspace'],
    ['..', 'is not in the workspace'],
    ['directory', 'is not a regular file'],
  ])('%s is refused by name', async (path, refused) => {
    await expect(
      checkContext({ context: context(path), setup: [], workspace: workspace('worktree') }, folder, inHead),
    ).rejects.toMatchObject({
      reason: 'INVALID_CONTEXT_FILE',
      message: `context file ${path} ${refused}`,
      metadata: { field: 'context[1].file', path },
    });
  });

  test.each(['worktree', 'clone'] as const)('that is not committed is refused for a %s', async (mode) => {
    await expect(
      checkContext({ context: context('notes.md'), setup: [], workspace: workspace(mode) }, folder, nothing),
    ).rejects.toMatchObject({
      reason: 'INVALID_CONTEXT_FILE',
      message: `context file notes.md is not in HEAD, so a ${mode} will not have it`,
      hint: 'commit it, or work in place',
      metadata: { field: 'context[1].file', path: 'notes.md' },
    });
  });

  test('need not be committed in place', async () => {
    await checkContext({ context: context('notes.md'), setup: [], workspace: workspace('in_place') }, folder, nothing);
  });

  test('may still be made by setup', async () => {
    await checkContext({ context: context('missing.md'), setup: ['touch missing.md'], workspace: workspace('worktree') }, folder, nothing);
  });
});
