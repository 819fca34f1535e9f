import { expect, test } from 'vitest';

import { bench } from './bench.testsuite.ts';
import { glance } from './glance.ts';
import { restore } from './restore.ts';

test.each(['worktree', 'clone', 'in_place'] as const)('a glance at a %s sees each further change, and nothing else', async (mode) => {
  const { frozenAfter, git, sh } = await bench(
    'echo a > a; mkdir d; echo d > d/d; echo "*.o" > .gitignore; git add .; git commit -qm first',
  );
  const { workspace, ...frozen } = await frozenAfter('echo agent > a; echo new > b', mode);
  await restore(git, workspace, frozen);
  const seen = [await glance(git, workspace)];
  expect(seen).toEqual(['']);
  for (const work of [
    'echo more >> a',
    'echo more >> b',
    'echo c > c',
    'echo more >> c',
    'rm d/d',
    'git add .; git commit -qm agent; echo e > e',
  ]) {
    sh(work, workspace.root);
    const now = await glance(git, workspace);
    expect(seen, work).not.toContain(now);
    seen.push(now);
  }
  sh('echo ignored > x.o; cat a b c > /dev/null; git log > /dev/null; git status > /dev/null', workspace.root);
  expect(await glance(git, workspace)).toBe(seen.at(-1));
});
