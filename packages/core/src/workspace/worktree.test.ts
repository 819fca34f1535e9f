import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bench } from './bench.testsuite.ts';
import { discardWorkspace } from './worktree.ts';

test.each<[string, (repo: string) => void]>([
  ['it was removed', (repo) => rmSync(repo, { recursive: true })],
  ['a file is there now', (repo) => (rmSync(repo, { recursive: true }), writeFileSync(repo, ''))],
  ['it was moved away', (repo) => renameSync(repo, `${repo}.moved`)],
])('a checkout whose repository is gone is removed, for no ref there could keep anything: %s', async (_, remove) => {
  const { frozenAfter, git, repo, workspaces } = await bench();
  const { workspace, ref } = await frozenAfter('echo b > b');
  remove(repo);
  await discardWorkspace(git, workspaces, workspace, ref);
  expect(existsSync(join(workspaces, 'task-1'))).toBe(false);
  expect(existsSync(workspace.ownGitDir)).toBe(true);
});

test('a checkout stays where its repository lost the ref, and where git cannot tell', async () => {
  const { frozenAfter, git, sh, workspaces } = await bench();
  const { workspace, ref } = await frozenAfter('echo b > b');
  sh(`git update-ref -d ${ref}`);
  await expect(discardWorkspace(git, workspaces, workspace, ref)).rejects.toThrow(`${workspace.root} is kept: `);
  sh('mv .git/HEAD .git/away');
  await expect(discardWorkspace(git, workspaces, workspace, ref)).rejects.toThrow(/rev-parse.*not a git repository/);
  expect(sh('cat b', workspace.root)).toBe('b\n');
});
