import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { bench, noon } from './bench.testsuite.ts';
import { freeze, freezeBase } from './freeze.ts';
import { WorkspaceFailure } from './workspace.ts';

describe('what is in a frozen tree', () => {
  test('added, changed and deleted files, modes and symbolic links, with what each changed', async () => {
    const { frozenAfter, files } = await bench('printf "1\\n2\\n" > a; echo b > b; echo c > c.sh; git add .; git commit -qm first');
    const frozen = await frozenAfter('printf "1\\ntwo\\n3\\n" > a; rm b; chmod +x c.sh; ln -s a link; mkdir d; echo d > d/d');
    expect(files(frozen.commit)).toEqual({ a: '1\ntwo\n3\n', 'c.sh': '100755 c\n', link: '120000 a', 'd/d': 'd\n' });
    expect(frozen.files).toEqual([
      { path: 'a', change: 'modified', linesAdded: 2, linesRemoved: 1 },
      { path: 'b', change: 'deleted', linesAdded: 0, linesRemoved: 1 },
      { path: 'c.sh', change: 'modified', linesAdded: 0, linesRemoved: 0 },
      { path: 'd/d', change: 'added', linesAdded: 1, linesRemoved: 0 },
      { path: 'link', change: 'added', linesAdded: 1, linesRemoved: 0 },
    ]);
    expect(frozen).toMatchObject({ changed: true, linesAdded: 4, linesRemoved: 2, notKept: [] });
  });

  test('no change at all is told as none', async () => {
    const { frozenAfter } = await bench();
    expect(await frozenAfter('true')).toMatchObject({ changed: false, files: [], linesAdded: 0, linesRemoved: 0, notKept: [] });
  });

  test('a renamed file with both its names, and a binary file without lines', async () => {
    const { frozenAfter } = await bench('seq 50 > "old name"; git add .; git commit -qm first');
    const { files } = await frozenAfter(`mv 'old name' new; printf '\\0\\1' > bin`);
    expect(files).toEqual([
      { path: 'bin', change: 'added' },
      { path: 'new', change: 'renamed', from: 'old name', linesAdded: 0, linesRemoved: 0 },
    ]);
  });

  test('file names with a line break, quotes, a leading dash or colon, spaces, and bytes that are no UTF-8', async () => {
    const { frozenAfter, sh } = await bench();
    const frozen = await frozenAfter(
      `for name in "$(printf 'new\\nline')" 'q"uo\\te' -- :x '*' ' s ' "$(printf 'caf\\351')" été; do echo x > "./$name"; done`,
    );
    expect(frozen.files.map(({ path }) => path).sort()).toEqual(
      [' s ', '"caf\\351"', '*', '--', ':x', 'new\nline', 'q"uo\\te', 'été'].sort(),
    );
    expect(sh(`git ls-tree -z ${frozen.commit} | tr -d '\\0' | od -An -c | tr -d ' \\n'`)).toContain('caf351');
  });

  test('a directory in place of a file, a file in place of a directory, a symbolic link out of the repository', async () => {
    const { frozenAfter, files } = await bench('echo f > f; mkdir d; echo x > d/x; mkdir e; echo y > e/y; git add .; git commit -qm first');
    const frozen = await frozenAfter('rm f; mkdir f; echo in > f/in; rm -r d; echo d > d; rm -r e; ln -s /etc e');
    expect(files(frozen.commit)).toEqual({ 'f/in': 'in\n', d: 'd\n', e: '120000 /etc' });
  });

  test("the agent's own commits are kept, and its last one is the parent", async () => {
    const { frozenAfter, sh } = await bench();
    const frozen = await frozenAfter('echo b > b; git add b; git commit -qm "by the agent"; echo c > c');
    expect(sh(`git log --format=%s ${frozen.commit}`)).toBe('Task task-1, attempt 1\nby the agent\nfirst\n');
    expect(frozen.parent).toBe(sh(`git rev-parse ${frozen.commit}^`).trim());
    expect(frozen.files.map(({ path }) => path)).toEqual(['b', 'c']);
  });
});

describe('what a checkout can hide', () => {
  test('a tracked file that matches .gitignore is kept, its changes too', async () => {
    const { frozenAfter, files } = await bench('echo "*.log" > .gitignore; echo t > t.log; git add -f .; git commit -qm first');
    const frozen = await frozenAfter('echo changed > t.log; echo new > new.log');
    expect(files(frozen.commit)).toMatchObject({ 't.log': 'changed\n' });
    expect(frozen.files.map(({ path }) => path)).toEqual(['t.log']);
    expect(frozen.notKept).toEqual([{ path: 'new.log', reason: 'ignored by git' }]);
  });

  test('changes behind --assume-unchanged and --skip-worktree are seen', async () => {
    const { frozenAfter, files } = await bench('echo a > a; echo b > b; git add .; git commit -qm first');
    const frozen = await frozenAfter('git update-index --assume-unchanged a; git update-index --skip-worktree b; echo A > a; echo B > b');
    expect(files(frozen.commit)).toEqual({ a: 'A\n', b: 'B\n' });
  });

  test('a change that keeps size and time of the file is seen', async () => {
    const { frozenAfter, files } = await bench('echo a > a; git add .; git commit -qm first');
    const frozen = await frozenAfter('touch -r a ../time; echo b > a; touch -r ../time a');
    expect(files(frozen.commit)).toEqual({ a: 'b\n' });
  });

  test('what a sparse checkout leaves out is not deleted; what is written there is kept', async () => {
    const script =
      'mkdir in out gone; echo i > in/i; echo o > out/o; echo p > out/p; echo g > gone/g; git add .; git commit -qm first; git sparse-checkout init --cone; git sparse-checkout set in';
    const { frozenAfter, files, sh, repo } = await bench(script);
    expect(sh('ls', repo)).toBe('in\n');
    const frozen = await frozenAfter('echo I > in/i; mkdir -p out; echo P > out/p; echo file > gone', 'in_place');
    expect(files(frozen.commit)).toEqual({ gone: 'file\n', 'in/i': 'I\n', 'out/o': 'o\n', 'out/p': 'P\n' });
    expect(frozen.files.map(({ path }) => path)).toEqual(['gone', 'gone/g', 'in/i', 'out/p']);
  });
});

describe('repositories inside', () => {
  const nested = (commit: string): string =>
    `git init -q n; mkdir n/deep; echo 1 > n/one; echo 2 > n/deep/two; echo x > n/x.log; echo x > n/x.tmp; echo i > n/i; echo i > n/.gitignore; git init -q n/deep/er; echo 3 > n/deep/er/three; ${commit}`;
  const expected = {
    '.gitignore': '*.log\n',
    a: 'one\n',
    'n/.gitignore': 'i\n',
    'n/one': '1\n',
    'n/deep/two': '2\n',
    'n/deep/er/three': '3\n',
  };
  const script = 'echo one > a; echo "*.log" > .gitignore; echo "*.tmp" > .git/info/exclude; git add .; git commit -qm first';

  test('a nested repository without a commit is entered file by file, without its .git', async () => {
    const { frozenAfter, files } = await bench(script);
    expect(files((await frozenAfter(nested('true'))).commit)).toEqual(expected);
  });

  test('a nested repository with a commit too', async () => {
    const { frozenAfter, files } = await bench(script);
    expect(
      files(
        (await frozenAfter(nested('cd n/deep/er; git add .; git commit -qm deep; cd ../..; git add . 2> /dev/null; git commit -qm nested')))
          .commit,
      ),
    ).toEqual(expected);
  });

  test('a tracked file that became a repository', async () => {
    const { frozenAfter, files } = await bench('echo x > x; echo e > e; git add .; git commit -qm first');
    const frozen = await frozenAfter(
      'rm x e; git init -q e; git -C e commit -q --allow-empty -m empty; git init -q x; cd x; echo y > y; git add y; git commit -qm nested; cd ..; git init -q :z; echo z > :z/z',
    );
    expect(files(frozen.commit)).toEqual({ 'x/y': 'y\n', ':z/z': 'z\n' });
  });

  const withSubmodule = `git init -q ../sub; cd ../sub; echo s > s; git add s; git commit -qm sub; cd ../repo; git -c protocol.file.allow=always submodule --quiet add ../sub sub; git commit -qm first`;

  test.each([
    ['a change', 'echo dirty > sub/s', 'a submodule with changes that are not committed'],
    ['a new file', 'echo new > sub/new', 'a submodule with changes that are not committed'],
    ['a new commit', 'cd sub; git commit -q --allow-empty -m new', expect.stringContaining("the submodule's new commit")],
  ])('%s in a submodule is not kept, and told', async (_, change, reason) => {
    const { frozenAfter } = await bench(withSubmodule);
    expect((await frozenAfter(change, 'in_place')).notKept).toEqual([{ path: 'sub', reason }]);
  });

  test('a clean submodule is nothing to tell, and files in one that is not checked out are', async () => {
    const { frozenAfter } = await bench(withSubmodule);
    expect((await frozenAfter('true', 'in_place')).notKept).toEqual([]);
    const other = await bench(withSubmodule);
    const { notKept, files } = await other.frozenAfter('echo lost > sub/lost');
    expect(notKept).toEqual([{ path: 'sub', reason: 'in a submodule that is not checked out' }]);
    expect(files).toEqual([]);
  });
});

describe('what is left out', () => {
  test('an untracked file of 60 MiB is told and not kept; a tracked one is kept', async () => {
    const { open, git, sh } = await bench('echo small > tracked; git add .; git commit -qm first');
    const workspace = await open();
    const base = await freezeBase(git, workspace, noon);
    for (const name of ['big', 'tracked']) {
      writeFileSync(join(workspace.root, name), '');
      truncateSync(join(workspace.root, name), 60 * 1024 * 1024);
    }
    const frozen = await freeze(git, workspace, { attempt: 1, base, at: noon });
    expect(frozen.notKept).toEqual([{ path: 'big', reason: 'not tracked, and larger than 50 MiB' }]);
    expect(sh(`git ls-tree -l ${frozen.commit}`)).toMatch(/^[^\n]* 62914560\ttracked\n$/);
  });

  test('only what is ignored since the base is told, whole directories as one, and not without end', async () => {
    const { frozenAfter } = await bench(
      'printf "node_modules/\\n*.o\\nout/\\n" > .gitignore; git add .; git commit -qm first; mkdir node_modules; touch node_modules/x old.o',
    );
    const frozen = await frozenAfter('touch node_modules/y new.o; mkdir out; touch out/1 out/2', 'in_place');
    expect(frozen.notKept.map(({ path }) => path)).toEqual(['new.o', 'out/']);
    const many = await bench('echo "*.o" > .gitignore; git add .; git commit -qm first');
    expect(await many.frozenAfter('for i in $(seq 250); do echo > $i.o; done')).toMatchObject({
      notKept: { length: 200 },
      notKeptOmitted: 50,
    });
  });
});

test('thousands of changed files are counted and not all listed', async () => {
  const { frozenAfter } = await bench();
  const frozen = await frozenAfter('mkdir many; cd many; seq 1100 | split -l 1 -a 4 -');
  expect(frozen).toMatchObject({ files: { length: 1000 }, filesOmitted: 100, linesAdded: 1100 });
});

describe('how it is frozen', () => {
  test('no git identity is needed, and HEAD, index and branch of the checkout stay as they are', async () => {
    const { frozenAfter, sh, repo } = await bench();
    const frozen = await frozenAfter('echo b > b', 'in_place');
    expect(sh(`git log -1 --format='%an <%ae> %ct' ${frozen.commit}`)).toBe(`Singletree <singletree@localhost> ${noon / 1000}\n`);
    expect(sh('git status --porcelain; git log --format=%s; git symbolic-ref HEAD', repo)).toBe('?? b\nfirst\nrefs/heads/main\n');
    expect(sh(`git rev-parse ${frozen.ref}`).trim()).toBe(frozen.commit);
    expect(frozen.ref).toBe('refs/singletree/task-1/1');
  });

  test('the same tree, parent and time give the same commit', async () => {
    const { open, git, sh } = await bench();
    const workspace = await open();
    const base = await freezeBase(git, workspace, noon);
    sh('echo b > b', workspace.root);
    const first = await freeze(git, workspace, { attempt: 1, base, at: noon });
    expect(await freeze(git, workspace, { attempt: 1, base, at: noon + 999 })).toEqual(first);
    expect((await freeze(git, workspace, { attempt: 1, base, at: noon + 1000 })).commit).not.toBe(first.commit);
  });

  test('HEAD without a commit: in place starts from the empty tree', async () => {
    const { frozenAfter, files, sh } = await bench('echo mine > mine; git add mine');
    const frozen = await frozenAfter('echo b > b', 'in_place');
    expect(frozen.parent).toBeUndefined();
    expect(sh(`git rev-list --count ${frozen.commit}`)).toBe('1\n');
    expect(files(frozen.commit)).toEqual({ mine: 'mine\n', b: 'b\n' });
    expect(frozen.files.map(({ path }) => path)).toEqual(['b']);
  });

  test("in place, the user's own changes are not the agent's", async () => {
    const { frozenAfter, files } = await bench(
      'echo a > a; echo b > b; git add .; git commit -qm first; echo mine >> a; echo mine > untracked; git add a',
    );
    const frozen = await frozenAfter('echo agent >> b; echo agent >> untracked', 'in_place');
    expect(frozen.files).toEqual([
      { path: 'b', change: 'modified', linesAdded: 1, linesRemoved: 0 },
      { path: 'untracked', change: 'modified', linesAdded: 1, linesRemoved: 0 },
    ]);
    expect(files(frozen.commit)).toEqual({ a: 'a\nmine\n', b: 'b\nagent\n', untracked: 'mine\nagent\n' });
    expect(files('refs/singletree/task-1/base')).toEqual({ a: 'a\nmine\n', b: 'b\n', untracked: 'mine\n' });
  });

  test('the base of a clean worktree is HEAD itself; what setup wrote belongs to the base', async () => {
    const { open, git, sh } = await bench();
    const workspace = await open();
    expect((await freezeBase(git, workspace, noon)).commit).toBe(workspace.head);
    sh('echo lock > lock', workspace.root);
    const base = await freezeBase(git, workspace, noon);
    expect(base.commit).not.toBe(workspace.head);
    expect((await freeze(git, workspace, { attempt: 1, base, at: noon })).changed).toBe(false);
  });

  test('a repository that names its objects by SHA-256', async () => {
    const { frozenAfter, files } = await bench(
      'rm -r .git; git init -q --object-format=sha256 .; echo one > a; git add a; git commit -qm first',
    );
    const frozen = await frozenAfter('echo b > b');
    expect(frozen.commit).toHaveLength(64);
    expect(files(frozen.ref)).toEqual({ a: 'one\n', b: 'b\n' });
  });

  test('line endings: a checkout with autocrlf is no change, and a blob with CRLF is kept as it is', async () => {
    const script = `printf 'x\\r\\n' > crlf; git -c core.autocrlf=false add crlf; printf 'x\\n' > lf; git add lf; git commit -qm first`;
    const { frozenAfter, files } = await bench(script, '[core]\n\tautocrlf = true\n');
    const frozen = await frozenAfter(`grep -q "$(printf '\\r')" lf; echo b > b`);
    expect(frozen.files.map(({ path }) => path)).toEqual(['b']);
    expect(files(frozen.commit)).toEqual({ crlf: 'x\r\n', lf: 'x\n', b: 'b\n' });
  });

  test('a filter that the user has configured is run, as for the user', async () => {
    const script = `git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z'; echo '*.up filter=up' > .gitattributes; echo hello > x.up; git add .; git commit -qm first`;
    const { frozenAfter, files } = await bench(script);
    const frozen = await frozenAfter('test "$(cat x.up)" = hello; echo world >> x.up');
    expect(files(frozen.commit)['x.up']).toBe('HELLO\nWORLD\n');
    expect(frozen.files).toEqual([{ path: 'x.up', change: 'modified', linesAdded: 1, linesRemoved: 0 }]);
  });

  test('what git cannot read is a failure with its words, and nothing is named by a ref', async () => {
    const { open, git, sh } = await bench();
    const workspace = await open();
    const base = await freezeBase(git, workspace, noon);
    sh('echo garbage > "$(git rev-parse --absolute-git-dir)/HEAD"', workspace.root);
    const failure = await freeze(git, workspace, { attempt: 1, base, at: noon }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkspaceFailure);
    expect(failure).toMatchObject({ reason: 'workspace_unfreezable', message: expect.stringMatching(/^git .* fatal: /) });
    expect(sh('git for-each-ref refs/singletree/task-1/1')).toBe('');
    sh(`rm -r ${workspace.root}`);
    await expect(freeze(git, workspace, { attempt: 1, base, at: noon })).rejects.toMatchObject({ reason: 'workspace_gone' });
  });

  test('the lock of an earlier try that was killed while it named the commit is no obstacle', async () => {
    const { frozenAfter, files, repo } = await bench();
    const refs = join(repo, '.git/refs/singletree/task-1');
    mkdirSync(refs, { recursive: true });
    for (const name of ['base', '1']) writeFileSync(join(refs, `${name}.lock`), '');
    expect(files((await frozenAfter('echo b > b')).ref)).toMatchObject({ b: 'b\n' });
  });

  test('an index that a crash left aside, or none at all, changes nothing', async () => {
    const { open, git, sh } = await bench();
    const workspace = await open();
    const base = await freezeBase(git, workspace, noon);
    sh('echo b > b', workspace.root);
    const first = await freeze(git, workspace, { attempt: 1, base, at: noon });
    sh('mkdir index-crashed; mv index index-crashed; touch index-crashed/index.lock', workspace.ownGitDir);
    expect(await freeze(git, workspace, { attempt: 1, base, at: noon })).toEqual(first);
    expect(statSync(join(workspace.ownGitDir, 'index')).isFile()).toBe(true);
    await open();
    expect(sh('ls -d index-* || true', workspace.ownGitDir)).toBe('');
  });

  test('in a clone, what the agent committed comes to the repository with the frozen tree', async () => {
    const { frozenAfter, sh, files } = await bench();
    const frozen = await frozenAfter('echo b > b; git add b; git commit -qm "by the agent"; echo c > c', 'clone');
    sh(`rm -r ${frozen.workspace.root}`);
    expect(files(frozen.ref)).toEqual({ a: 'one\n', b: 'b\n', c: 'c\n' });
    expect(sh(`git log --format=%s ${frozen.ref}; git fsck --connectivity-only 2>&1`)).toBe(
      'Task task-1, attempt 1\nby the agent\nfirst\n',
    );
    expect(readFileSync(join(frozen.workspace.ownGitDir, 'config'), 'utf8')).toContain('[core]');
  });
});
