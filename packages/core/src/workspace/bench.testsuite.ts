import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import { hostCall } from '../supervision/host.ts';
import { freeze, freezeBase, type FrozenTree } from './freeze.ts';
import { writeGitHome } from './git-home.ts';
import { createGit, type Git } from './git.ts';
import { openWorkspace } from './open.ts';
import type { Workspace, WorkspaceMode } from './workspace.ts';

/** A temporary folder with a user's repository `repo`, a folder of workspaces, and the daemon's git. Removed when the test is over. */
export interface Bench {
  readonly folder: string;
  readonly repo: string;
  readonly workspaces: string;
  readonly userHome: string;
  readonly git: Git;
  /** Runs a shell script as the user, in the repository or below. Gives what it says. */
  sh(script: string, cwd?: string): string;
  open(mode?: WorkspaceMode, options?: { directory?: string; task?: string }): Promise<Workspace>;
  /** Opens a workspace, freezes its base, lets `work` change it and freezes it again. */
  frozenAfter(work: string, mode?: WorkspaceMode): Promise<FrozenTree & { workspace: Workspace }>;
  /** Paths and contents of a commit's or tree's files. */
  files(tree: string): Record<string, string>;
}

export const noon: number = Date.UTC(2026, 10, 21, 12);

const asUser = { GIT_AUTHOR_NAME: 'U', GIT_AUTHOR_EMAIL: 'u@x', GIT_COMMITTER_NAME: 'U', GIT_COMMITTER_EMAIL: 'u@x' };

/** @param script makes the repository; it runs in an empty one */
export async function bench(script = 'echo one > a; git add a; git commit -qm first', userConfig = ''): Promise<Bench> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-workspace-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [repo, workspaces, userHome] = [join(folder, 'repo'), join(folder, 'workspaces'), join(folder, 'user')];
  for (const path of [repo, userHome]) mkdirSync(path);
  const path = process.env['PATH'] ?? '';
  const env = { PATH: path, HOME: userHome, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C.UTF-8', ...asUser };
  const sh = (text: string, cwd = repo): string =>
    execFileSync('/bin/sh', ['-ec', text], { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  sh(`printf '%s' '${userConfig}' > "$HOME/.gitconfig"; git init -q .; git symbolic-ref HEAD refs/heads/main; ${script}`);
  const git = createGit({ hostCall, home: join(folder, 'home'), path });
  await writeGitHome({ git, home: join(folder, 'home'), path, user: { home: userHome } });
  const open: Bench['open'] = (mode = 'worktree', { directory = repo, task = 'task-1' } = {}) =>
    openWorkspace({ git, folder: workspaces, task, directory, mode, userHome });
  return {
    folder,
    repo,
    workspaces,
    userHome,
    git,
    sh,
    open,
    async frozenAfter(work, mode) {
      const workspace = await open(mode);
      const base = await freezeBase(git, workspace, noon);
      sh(work, workspace.root);
      return { ...(await freeze(git, workspace, { attempt: 1, base, at: noon })), workspace };
    },
    files(tree) {
      const listed = sh(`git ls-tree -r -z ${tree}`).split('\0').slice(0, -1);
      const entries = listed.map((entry) => /^(\d+) (\w+) (\w+)\t([^]*)$/.exec(entry) ?? []);
      return Object.fromEntries(
        entries.map(([, mode, kind, object, name = '']) => [
          name,
          `${mode === '100644' ? '' : `${mode} `}${kind === 'blob' ? sh(`git cat-file blob ${object}`) : object}`,
        ]),
      );
    },
  };
}
