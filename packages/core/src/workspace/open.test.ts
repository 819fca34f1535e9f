import { chownSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { bench, noon, type Bench } from './bench.testsuite.ts';
import { patchBetween } from './diff.ts';
import { repositoryFacts } from './facts.ts';
import { freeze, freezeBase } from './freeze.ts';
import { discardUnfinished, recordedWorkspace } from './open.ts';
import { restore } from './restore.ts';
import { discardWorkspace } from './worktree.ts';

describe('a worktree', () => {
  test('has the files of HEAD on no branch, at the place below that was named, and nothing uncommitted', async () => {
    const { open, sh, repo, workspaces } = await bench(
      'mkdir sub; echo s > sub/s; git add .; git commit -qm first; echo dirty > sub/s; echo u > u; mkdir dir; echo v > dir/v',
    );
    const workspace = await open('worktree', { directory: join(repo, 'sub') });
    expect(workspace).toMatchObject({
      root: join(workspaces, 'task-1/repo'),
      cwd: join(workspaces, 'task-1/repo/sub'),
      uncommitted: 3,
      repository: join(repo, '.git'),
    });
    expect(sh('cat s; git status --porcelain; git symbolic-ref -q HEAD || echo none', workspace.cwd)).toBe('s\nnone\n');
    expect(await recordedWorkspace(workspaces, 'task-1')).toEqual(workspace);
  });

  test('takes over the index of the checkout as old as it is', async () => {
    const { open } = await bench();
    const { ownGitDir, gitDir } = await open();
    const [own, theirs] = [ownGitDir, gitDir].map((path) => statSync(join(path, 'index')));
    expect(own?.size).toBe(theirs?.size);
    expect(own?.mtimeMs).toBeLessThanOrEqual(theirs?.mtimeMs ?? 0);
  });

  test('of a worktree starts from that worktree’s HEAD', async () => {
    const { open, sh, folder } = await bench();
    sh('git worktree add -q ../linked; cd ../linked; echo l > l; git add l; git commit -qm linked');
    const workspace = await open('worktree', { directory: join(folder, 'linked') });
    expect(sh('cat l', workspace.root)).toBe('l\n');
  });

  test('is made beside others of the same repository at the same time', async () => {
    const { open, sh, repo } = await bench();
    // So many that git meets half-made worktrees in nearly every run.
    const tasks = Array.from({ length: 24 }, (_, index) => `task-${index}`);
    const roots = (await Promise.all(tasks.map((task) => open('worktree', { task })))).map(({ root }) => root);
    expect(new Set(roots).size).toBe(tasks.length);
    expect(readdirSync(join(repo, '.git/worktrees'))).toHaveLength(tasks.length);
    for (const root of roots) expect(sh('cat a; git status --porcelain', root)).toBe('one\n');
  });

  test('is made again from the same commit when it has gone', async () => {
    const { open, sh, workspaces } = await bench();
    const workspace = await open();
    sh('echo later > later; git add .; git commit -qm later');
    rmSync(join(workspaces, 'task-1'), { recursive: true });
    expect(await open()).toEqual(workspace);
    expect(sh('ls', workspace.root)).toBe('a\n');
  });

  test('is removed with what the repository knew of it; its frozen trees can still be read', async () => {
    const { frozenAfter, git, sh, workspaces, files } = await bench();
    const { workspace, ref } = await frozenAfter('echo b > b; mkdir -p ro/x; chmod 500 ro');
    await expect(discardWorkspace(git, workspaces, workspace, `${ref}0`)).rejects.toThrow(/is kept: .* no longer has /);
    expect(sh('cat b', workspace.root)).toBe('b\n');
    await discardWorkspace(git, workspaces, workspace, ref);
    await discardWorkspace(git, workspaces, workspace, ref);
    expect(sh('git worktree list | wc -l; ls .git/worktrees 2> /dev/null | wc -l').replace(/\s+/g, ' ')).toBe('1 0 ');
    expect(existsSync(join(workspaces, 'task-1'))).toBe(false);
    expect(files(ref)).toEqual({ a: 'one\n', b: 'b\n' });
  });
});

describe('begun again after a crash', () => {
  const worktrees = (sh: Bench['sh']): string =>
    sh('git worktree list --porcelain | grep -c ^worktree; ls .git/worktrees 2> /dev/null || true').replace(/\s+/g, ' ');

  const crashes: readonly [string, (bench: Bench) => void][] = [
    [
      'before the worktree was registered',
      ({ sh, workspaces }) => sh(`mkdir -p ${workspaces}/task-1/repo; echo half > ${workspaces}/task-1/repo/a`),
    ],
    [
      'while git was making it',
      ({ sh, workspaces }) =>
        sh(
          `mkdir -p .git/worktrees/repo ${workspaces}/task-1/repo; echo initializing > .git/worktrees/repo/locked; echo ${workspaces}/task-1/repo/.git > .git/worktrees/repo/gitdir`,
        ),
    ],
    [
      'before the files were checked out',
      ({ sh, workspaces }) => sh(`mkdir -p ${workspaces}/task-1; git worktree add -q --detach --no-checkout ${workspaces}/task-1/repo`),
    ],
    [
      'when the directory was lost',
      ({ sh, workspaces }) =>
        sh(`mkdir -p ${workspaces}/task-1; git worktree add -q --detach ${workspaces}/task-1/repo; rm -r ${workspaces}/task-1`),
    ],
    [
      'while our own git directory was made',
      ({ sh, workspaces }) =>
        sh(
          `mkdir -p ${workspaces}/task-1 ${workspaces}/task-1.git/info; git worktree add -q --detach ${workspaces}/task-1/repo; echo '[broken' > ${workspaces}/task-1.git/config`,
        ),
    ],
    [
      'before the record was whole',
      ({ sh, workspaces }) =>
        sh(
          `mkdir -p ${workspaces}/task-1 ${workspaces}/task-1.git; git worktree add -q --detach ${workspaces}/task-1/repo; echo '{"ta' > ${workspaces}/task-1.git/workspace.json.new`,
        ),
    ],
  ];

  test.each(crashes.filter(([name]) => name !== 'when the directory was lost'))(
    'or not, for a task that was stopped: %s',
    async (_, crash) => {
      const made = await bench();
      crash(made);
      await discardUnfinished({ git: made.git, folder: made.workspaces, task: 'task-1', directory: made.repo });
      expect(worktrees(made.sh)).toBe('1 ');
      expect(readdirSync(made.workspaces)).toEqual([]);
    },
  );

  test.each(crashes)('%s', async (_, crash) => {
    const made = await bench();
    crash(made);
    const workspace = await made.open();
    expect(made.sh('cat a; git status --porcelain', workspace.root)).toBe('one\n');
    expect(worktrees(made.sh)).toBe('2 repo ');
    const base = await freezeBase(made.git, workspace, noon);
    expect(base.commit).toBe(workspace.head);
    expect(await made.open()).toEqual(workspace);
  });

  test('after an attempt has worked in it: nothing is touched', async () => {
    const { open, sh } = await bench();
    const workspace = await open();
    sh('echo work > work; rm -f a', workspace.root);
    await open();
    expect(sh('ls', workspace.root)).toBe('work\n');
  });
});

describe('in place and in a clone', () => {
  test('in place is the directory itself, before the first commit too', async () => {
    const { open, repo } = await bench('mkdir sub');
    expect(await open('in_place', { directory: join(repo, 'sub') })).toMatchObject({
      root: repo,
      cwd: join(repo, 'sub'),
      gitDir: join(repo, '.git'),
    });
    rmSync(join(repo, '.git'), { recursive: true });
    await expect(open('in_place')).rejects.toMatchObject({ reason: 'workspace_gone' });
  });

  test('a clone shares nothing with the repository and has no way back', async () => {
    const { open, sh, repo } = await bench();
    const workspace = await open('clone');
    expect(sh('git remote; git status --porcelain; cat a; find .git/objects -type f -links +1', workspace.root)).toBe('one\n');
    sh('echo x >> .git/config; rm -rf .git/refs', workspace.root);
    expect(sh('git log --format=%s', repo)).toBe('first\n');
  });
});

describe('refused', () => {
  test.each<[string, string, string, string | RegExp, string?]>([
    ['a directory that does not exist', '/nowhere/at/all', 'WORKSPACE_NOT_FOUND', 'the workspace /nowhere/at/all does not exist'],
    ['a relative path', 'repo', 'WORKSPACE_NOT_FOUND', 'the workspace "repo" is not an absolute path'],
    ['a file', 'REPO/a', 'WORKSPACE_NOT_FOUND', /is a file$/],
    ['a path through a file', 'REPO/a/b', 'WORKSPACE_NOT_FOUND', /does not exist$/],
    ['no repository', 'FOLDER/user', 'NOT_A_GIT_REPOSITORY', /not a git repository/],
    ['the inside of .git', 'REPO/.git', 'NOT_A_GIT_REPOSITORY', /the inside of a git directory/],
    ['a bare repository', 'FOLDER/bare', 'NOT_A_GIT_REPOSITORY', /is a bare repository/, 'git clone -q --bare . ../bare'],
    ['a worktree of nothing', 'FOLDER/empty', 'NO_COMMIT', /has no commit that a worktree could start from$/, 'git init -q ../empty'],
    [
      'a HEAD that is damaged',
      'REPO',
      'NO_COMMIT',
      /^HEAD of .* names no commit that git can read: fatal: /,
      'echo 1111111111111111111111111111111111111111 > .git/refs/heads/main',
    ],
    ['a folder that is not in HEAD', 'REPO/new', 'NO_COMMIT', /the folder new of .* is not in its last commit/, 'mkdir new'],
    [
      'a repository that names another checkout',
      'REPO',
      'NOT_A_GIT_REPOSITORY',
      /names .*\/user as its checkout/,
      'mkdir ../user/repo; git config core.worktree "$HOME"; mv .git "$HOME/r"; mkdir x; echo "gitdir: $HOME/r" > .git',
    ],
  ])('%s', async (_, directory, reason, message, setUp = 'true') => {
    const { open, sh, repo, folder, workspaces } = await bench();
    sh(setUp);
    const refused = await open('worktree', { directory: directory.replace('REPO', repo).replace('FOLDER', folder) }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ reason, message: typeof message === 'string' ? message : expect.stringMatching(message) });
    expect(existsSync(workspaces)).toBe(false);
  });

  test('a checkout that git cannot make is told in its words, and the next try finds nothing in its way', async () => {
    const { open, sh } = await bench(
      `git config filter.no.clean cat; git config filter.no.smudge false; git config filter.no.required true; echo '* filter=no' > .gitattributes; echo a > a; git add .; git commit -qm first`,
    );
    await expect(open()).rejects.toMatchObject({
      reason: 'workspace_gone',
      message: expect.stringMatching(/^the workspace could not be made: git worktree .*smudge filter/s),
    });
    sh('git config --unset filter.no.required');
    expect(sh('cat a; git worktree list | wc -l', (await open()).root).replace(/\s+/g, ' ')).toBe('a 2 ');
  });

  test('NO_COMMIT names the command that mends it, and it does', async () => {
    const { open, sh, folder } = await bench();
    const directory = join(folder, "it's new");
    sh(`mkdir "${directory}"; cd "${directory}"; git init -q .; echo b > b`);
    const refused: unknown = await open('worktree', { directory }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      hint: expect.stringMatching(/^git -C '.*' add -A && git -C '.*' commit -m 'First commit', or work in place$/),
    });
    sh((refused as { hint: string }).hint.replace(/, or .*/, ''));
    expect(sh('cat b', (await open('worktree', { directory })).root)).toBe('b\n');
  });

  test.skipIf(process.geteuid?.() === 0)('a directory that cannot be read, and in place one that cannot be written to', async () => {
    const { open, repo, sh } = await bench();
    sh('chmod 300 .');
    await expect(open()).rejects.toMatchObject({
      reason: 'WORKSPACE_NOT_ACCESSIBLE',
      message: expect.stringMatching(/cannot be read: EACCES/),
    });
    sh('chmod 500 .');
    await expect(open('in_place')).rejects.toMatchObject({
      reason: 'WORKSPACE_NOT_ACCESSIBLE',
      message: expect.stringContaining('cannot be written to'),
    });
    sh(`chmod 700 ${repo}`);
  });

  test.runIf(process.geteuid?.() === 0)('a repository above that belongs to somebody else, unless it is named itself', async () => {
    const { open, repo, sh } = await bench();
    sh('mkdir sub; echo s > sub/s; git add .; git commit -qm sub');
    chownSync(repo, 12_345, 12_345);
    await expect(open('in_place', { directory: join(repo, 'sub') })).rejects.toMatchObject({
      reason: 'WORKSPACE_NOT_ACCESSIBLE',
      message: expect.stringContaining('uid 12345'),
    });
    expect((await open('in_place')).root).toBe(repo);
  });
});

/** Everything by which a repository can have git run a program, each leaving a mark when it does. */
const traps = `
  canary() { printf '#!/bin/sh\\necho %s >> %s\\n' "$1" "$HOME/../canary" > "$HOME/$1"; chmod +x "$HOME/$1"; }
  for name in fsmonitor hook external textconv command merge pager editor ssh alternate upload; do canary $name; done
  mkdir -p .git/hooks; for hook in post-checkout post-index-change reference-transaction pre-auto-gc; do ln -sf "$HOME/hook" .git/hooks/$hook; done
  git config core.hooksPath "$PWD/.git/hooks"; git config core.fsmonitor "$HOME/fsmonitor"; git config core.pager "$HOME/pager"; git config core.editor "$HOME/editor"
  git config diff.external "$HOME/external"; git config diff.x.textconv "$HOME/textconv"; git config diff.x.command "$HOME/command"; git config merge.x.driver "$HOME/merge"
  git config core.sshCommand "$HOME/ssh"; git config core.alternateRefsCommand "$HOME/alternate"; git config uploadpack.packObjectsHook "$HOME/upload"`;

test.each(['worktree', 'clone', 'in_place'] as const)('nothing that a repository or an agent has configured is run: %s', async (mode) => {
  const { sh, git, folder, open, repo, workspaces } = await bench(
    `echo '* diff=x merge=x' > .gitattributes; echo one > a; git add .; git commit -qm first; ${traps}`,
  );
  const canary = join(folder, 'canary');
  const untouched = (when: string): void => expect(existsSync(canary) ? `${when}: ${readFileSync(canary, 'utf8')}` : '').toBe('');
  rmSync(canary, { force: true });
  const workspace = await open(mode);
  const base = await freezeBase(git, workspace, noon);
  untouched('opened');
  // A filter is what a user may well have configured. One that came after the opening is the agent's.
  writeFileSync(join(folder, 'user/filter'), `#!/bin/sh\necho filter >> ${canary}\ncat\n`, { mode: 0o755 });
  const agent = `git config filter.evil.clean "$HOME/filter"; git config filter.evil.smudge "$HOME/filter"; echo '* filter=evil diff=x' > .gitattributes; echo changed > a; echo b > b`;
  sh(`git -c core.hooksPath=/dev/null commit -q --allow-empty -m agent; ${agent}`, workspace.root);
  rmSync(canary, { force: true });
  const frozen = await freeze(git, workspace, { attempt: 1, base, at: noon });
  expect(frozen.files.map(({ path }) => path)).toEqual(['.gitattributes', 'a', 'b']);
  writeFileSync(join(workspace.root, 'a'), 'by a gate');
  await restore(git, workspace, frozen);
  await patchBetween(git, workspace, base.commit, frozen.commit, 10_000);
  await repositoryFacts(git, workspace, frozen.commit);
  await discardWorkspace(git, workspaces, workspace, frozen.ref);
  untouched('frozen, restored, shown and removed');
  // The traps do work: a git without our care falls into them.
  sh('git status > /dev/null; git diff > /dev/null; true', repo);
  expect(readFileSync(canary, 'utf8')).toMatch(/fsmonitor/);
});
