import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { bench, noon } from './bench.testsuite.ts';
import { freeze, freezeBase } from './freeze.ts';
import { isUnchanged, restore, startOver } from './restore.ts';

const messy = `
  echo gate > a; rm b; rm -r d; ln -s /etc d; chmod +x c; echo coverage > new; mkdir -p deep/er; echo x > deep/er/x; git init -q made; echo m > made/m
  echo '*' > .gitignore; printf 'y' > "$(printf 'caf\\351')"`;

test.each(['worktree', 'clone'] as const)('what a gate changed in a %s is put back and told; ignored files stay', async (mode) => {
  const { frozenAfter, git, sh, files } = await bench(
    'echo a > a; echo b > b; echo c > c; mkdir d; echo d > d/d; echo "*.o" > .gitignore; git add .; git commit -qm first',
  );
  const frozen = await frozenAfter('echo agent > agent; echo A > a; git init -q n; echo n > n/n', mode);
  const { workspace } = frozen;
  expect(await restore(git, workspace, frozen)).toEqual([]);
  sh(`echo o > x.o; mkdir keep; echo o > keep/y.o; ${messy}`, workspace.root);
  writeFileSync(join(workspace.root, 'core'), '');
  truncateSync(join(workspace.root, 'core'), 60 * 1024 * 1024);
  expect(await isUnchanged(git, workspace, frozen)).toBe(false);
  const changed = await restore(git, workspace, frozen);
  expect(changed.map(({ path }) => path)).toEqual(['.gitignore', 'a', 'b', 'c', 'd/d', '"caf\\351"', 'deep/er/x', 'made/m', 'new', 'core']);
  expect(await isUnchanged(git, workspace, frozen)).toBe(true);
  const wanted = Object.keys(files(frozen.commit)).map((path) => `./${path}`);
  const there = sh('find . -path ./.git -prune -o -path "*/.git" -prune -o \\( -type f -o -type l \\) -print', workspace.root)
    .trim()
    .split('\n');
  expect(there.sort()).toEqual([...wanted, './keep/y.o', './x.o'].sort());
  expect(sh('cat a; test -x c && echo executable; cat n/n', workspace.root)).toBe('A\nn\n');
});

test('a large file that the agent left is not the gate’s, and stays', async () => {
  const { frozenAfter, git, sh } = await bench();
  const frozen = await frozenAfter('truncate -s 60M mine');
  sh('truncate -s 60M theirs', frozen.workspace.root);
  expect(await restore(git, frozen.workspace, frozen)).toEqual([{ path: 'theirs', change: 'added' }]);
  expect(sh('ls', frozen.workspace.root)).toBe('a\nmine\n');
});

test('in place, what a gate changed is told and left', async () => {
  const { frozenAfter, git, sh } = await bench();
  const frozen = await frozenAfter('echo agent > a', 'in_place');
  sh('echo gate > a; echo new > new', frozen.workspace.root);
  expect((await restore(git, frozen.workspace, frozen)).map(({ path }) => path)).toEqual(['a', 'new']);
  expect(sh('cat a new', frozen.workspace.root)).toBe('gate\nnew\n');
  await expect(startOver(git, frozen.workspace, frozen)).rejects.toThrow(/never reset/);
});

test('a worktree that was made again comes back to the frozen tree', async () => {
  const { frozenAfter, git, sh, open } = await bench();
  const frozen = await frozenAfter('echo agent > a; echo b > b');
  sh(`rm -rf ${frozen.workspace.root}`);
  const workspace = await open();
  await restore(git, workspace, frozen);
  expect(sh('cat a b', workspace.root)).toBe('agent\nb\n');
});

test('starting over brings back the base: files, HEAD, index and no half merge; ignored files and what setup made stay', async () => {
  const { open, git, sh } = await bench('echo a > a; echo "*.o" > .gitignore; git add .; git commit -qm first');
  const workspace = await open();
  sh('echo lock > lock; git init -q dep; echo d > dep/d; truncate -s 60M data; echo o > x.o', workspace.root);
  const base = await freezeBase(git, workspace, noon);
  sh(
    `git checkout -q -b side; echo side > a; git commit -qam side; git checkout -q -b other HEAD~; echo other > a; git commit -qam other; git merge -q side > /dev/null || true
     rm lock dep/d; git init -q made; echo m > made/m; echo i > made/i.o; truncate -s 60M more; touch "$(git rev-parse --absolute-git-dir)/index.lock"`,
    workspace.root,
  );
  await startOver(git, workspace, base);
  expect(sh('git status --porcelain | sort; git symbolic-ref -q HEAD || git rev-parse HEAD', workspace.root)).toBe(
    `?? data\n?? dep/\n?? lock\n${workspace.head}\n`,
  );
  expect(sh('git log -1 --format=%s other', workspace.root)).toBe('other\n');
  expect(sh('cat a lock dep/d x.o; ls; ls -A made', workspace.root)).toBe('a\nlock\nd\no\na\ndata\ndep\nlock\nmade\nx.o\ni.o\n');
  expect((await freeze(git, workspace, { attempt: 2, base, at: noon })).changed).toBe(false);
});
