import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { bench, noon } from './bench.testsuite.ts';
import { patchBetween } from './diff.ts';
import { freeze, freezeBase } from './freeze.ts';
import { shown } from './paths.ts';

test('a patch brings exactly the frozen change: texts, binaries, modes, renames, links, odd names, missing line ends', async () => {
  const { open, git, sh, repo, folder } = await bench(
    'seq 100 > old; printf "no end" > n; head -c 5000 /dev/urandom > bin; echo x > x; echo gone > gone; git add .; git commit -qm first',
  );
  const workspace = await open();
  const base = await freezeBase(git, workspace, noon);
  sh(
    'mv old new; echo 101 >> new; printf "still none" > n; head -c 100 /dev/urandom >> bin; chmod +x x; rm gone; ln -s x l; printf "a\\r\\n" > "sp ace"; echo > "q\\"uote"; touch empty',
    workspace.root,
  );
  sh('printf x > "$(printf "caf\\\\351")"; mkdir -p d/e; echo > d/e/f', workspace.root);
  const frozen = await freeze(git, workspace, { attempt: 1, base, at: noon });
  const patch = await patchBetween(git, workspace, base.commit, frozen.commit, 1_000_000);
  expect(patch.cut).toBe(false);
  writeFileSync(join(folder, 'patch'), patch.bytes);
  // Where nothing of the work is known.
  sh('git clone -q --single-branch "file://$PWD" ../other');
  expect(sh(`git apply --index ../patch; git write-tree`, join(folder, 'other')).trim()).toBe(frozen.tree);
  // However the user likes to see differences.
  sh('git config diff.noprefix true; git config diff.mnemonicPrefix true; git config color.ui always; git config diff.context 0', repo);
  expect((await patchBetween(git, workspace, base.commit, frozen.commit, 1_000_000)).bytes).toEqual(patch.bytes);
});

test('a patch that is too long ends with a whole line and says that it was cut', async () => {
  const { frozenAfter, git } = await bench();
  const { workspace, commit } = await frozenAfter('seq 100000 > many');
  const patch = await patchBetween(git, workspace, `${commit}^`, commit, 100_000);
  expect(patch.cut).toBe(true);
  expect(patch.bytes.length).toBeLessThanOrEqual(100_000);
  expect(patch.bytes.toString()).toMatch(/^diff --git a\/many b\/many\n[^]*\+\d+\n$/);
});

test('a path that is no UTF-8 is shown as git quotes it, any other as it is', () => {
  expect(shown(Buffer.from('é "x"\n').toString('latin1'))).toBe('é "x"\n');
  expect(shown('caf\xe9 "x"\n')).toBe('"caf\\351 \\"x\\"\\012"');
});
