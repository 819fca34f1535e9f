import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Plugin } from '../plugins/catalogue.ts';
import type { Task } from '../task/task.ts';
import { changeTrust } from '../trust/record.ts';
import { trustOf } from './trust.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-trust-')));
  file = join(folder, 'config/singletree/trusted.json');
  for (const path of ['repo/sub', 'worktree/sub/.agent', 'worktree/.agent']) mkdirSync(join(folder, path), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const plugin = (...paths: string[]): Plugin => ({ harness: { displayName: 'Agent', projectConfiguration: paths } }) as unknown as Plugin;

/** A worktree of a repository of which a part was named. */
const task = (attempts: number, more: object = {}): Task =>
  ({
    spec: { workspace: { path: join(folder, 'repo/sub'), mode: 'worktree' } },
    workspace: { root: join(folder, 'worktree'), cwd: join(folder, 'worktree/sub'), repository: '' },
    attempts: Array.from({ length: attempts }),
    ...more,
  }) as unknown as Task;

test('what a repository says to an agent is ignored, and told with what would change that, once a task', async () => {
  writeFileSync(join(folder, 'worktree/.agent/settings'), '');
  writeFileSync(join(folder, 'worktree/sub/.agent.json'), '');
  const agent = plugin('.agent/settings', '.agent/none', '.agent.json');
  expect(await trustOf(task(1), agent, file)).toEqual({
    trusted: false,
    warning: `what this repository tells Agent is ignored (.agent/settings, .agent.json); once you have looked at it: singletree trust '${folder}/repo'`,
  });
  expect(await trustOf(task(2), agent, file)).toEqual({ trusted: false });
});

test('nothing is told where there is nothing to be ignored, or nothing is ignored', async () => {
  expect(await trustOf(task(1), plugin('.agent/none'), file)).toEqual({ trusted: false });
  expect(await trustOf(task(1), { harness: {} } as Plugin, file)).toEqual({ trusted: false });
  expect(await trustOf(task(1, { workspace: undefined }), plugin('.agent'), file)).toEqual({ trusted: false });
  changeTrust(file, () => [{ path: join(folder, 'repo'), since: 0 }]);
  expect(await trustOf(task(1), plugin('.agent'), file)).toEqual({ trusted: true });
});

test('a record that cannot be believed ends the task', async () => {
  changeTrust(file, () => []);
  writeFileSync(file, '{');
  await expect(trustOf(task(1), plugin(), file)).rejects.toMatchObject({ name: 'StepFailure', reason: 'invalid_configuration' });
});
