import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkContext } from './check-context.ts';

describe('a context file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-context-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'directory'));
  writeFileSync(join(folder, 'notes.md'), 'notes');
  const context = (path: string) => [
    { kind: 'text' as const, text: 'a text' },
    { kind: 'file' as const, path },
  ];

  test('that is there is taken', async () => {
    await checkContext({ context: context('notes.md'), setup: [] }, folder);
  });

  test.each([
    ['missing.md', 'does not exist in the workspace'],
    ['..', 'is not in the workspace'],
    ['directory', 'is not a regular file'],
  ])('%s is refused by name', async (path, refused) => {
    await expect(checkContext({ context: context(path), setup: [] }, folder)).rejects.toMatchObject({
      reason: 'INVALID_CONTEXT_FILE',
      message: `context file ${path} ${refused}`,
      metadata: { field: 'context[1].file', path },
    });
  });

  test('may still be made by setup', async () => {
    await checkContext({ context: context('missing.md'), setup: ['touch missing.md'] }, folder);
  });
});
