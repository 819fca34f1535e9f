import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bench } from './bench.testsuite.ts';
import { missingInHead } from './committed.ts';

test('tells what is in the checkout only, from a subfolder too', async () => {
  const { git, repo, sh } = await bench(`mkdir -p d/real; echo a > top; echo a > d/real/é; echo a > 'd/s p'; ln -s real d/link
    git add .; git commit -qm first; echo u > untracked; echo u > d/real/new; echo u > staged; git add staged`);
  expect(await missingInHead(git, repo, ['top', 'd/real/é', 'd/link/é', 'd/s p', 'untracked', 'd/real/new', 'staged'])).toEqual([
    'untracked',
    'd/real/new',
    'staged',
  ]);
  expect(await missingInHead(git, join(repo, 'd'), ['real/é', 'top', 'link/é', 'real/new'])).toEqual(['top', 'real/new']);
  // What is not plain is left to the attempt.
  expect(await missingInHead(git, repo, ['./none', 'd/../none', 'a\nb'])).toEqual([]);
  sh('git rm -q --cached top');
  expect(await missingInHead(git, repo, ['top'])).toEqual([]);
});
