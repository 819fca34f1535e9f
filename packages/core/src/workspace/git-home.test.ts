import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { hostCall } from '../supervision/host.ts';
import { bench } from './bench.testsuite.ts';
import { writeGitHome } from './git-home.ts';
import { createGit } from './git.ts';
import { parseSettings, renderSettings } from './settings.ts';

test('what the user ignores everywhere is not frozen, by core.excludesFile or by its default place', async () => {
  const named = await bench(
    'printf "*.mine\\n" > "$HOME/ignore"; echo a > a; git add a; git commit -qm first',
    '[core]\n\texcludesFile = ~/ignore\n',
  );
  expect((await named.frozenAfter('echo > x.mine; echo > x')).files.map(({ path }) => path)).toEqual(['x']);
  const byDefault = await bench(
    'mkdir -p "$HOME/.config/git"; echo "*.mine" > "$HOME/.config/git/ignore"; echo a > a; git add a; git commit -qm first',
  );
  expect((await byDefault.frozenAfter('echo > x.mine; echo > x')).files.map(({ path }) => path)).toEqual(['x']);
});

test('only what decides how files become blobs is taken over; git-lfs is set up where it is found', async () => {
  const { folder, userHome } = await bench(
    'true',
    '[alias]\n\tst = status\n[core]\n\tautocrlf = input\n\teditor = vi\n[credential]\n\thelper = store\n[filter "x"]\n\tclean = up\n',
  );
  const [home, bin] = [join(folder, 'other'), join(folder, 'bin')];
  mkdirSync(bin);
  writeFileSync(join(bin, 'git-lfs'), '#!/bin/sh\n');
  chmodSync(join(bin, 'git-lfs'), 0o755);
  const path = `${bin}:${process.env['PATH'] ?? ''}`;
  const git = createGit({ hostCall, home, path });
  await writeGitHome({ git, home, path, user: { home: userHome } });
  const keys = parseSettings((await git(['config', '-z', '--list', '--global'])).stdout).map(({ key }) => key);
  const ours = ['user.name', 'user.email', 'safe.directory', 'core.excludesfile', 'core.attributesfile'];
  expect(keys).toEqual([
    ...ours,
    'core.autocrlf',
    'filter.x.clean',
    'filter.lfs.clean',
    'filter.lfs.smudge',
    'filter.lfs.process',
    'filter.lfs.required',
  ]);
});

test('files under git-lfs are frozen as pointers, their contents beside the repository’s own', async () => {
  // Stands in for git-lfs: the clean filter stores what it reads where lfs.storage says.
  const script = `git config filter.lfs.clean 'mkdir -p "$(git config lfs.storage)"; tee "$(git config lfs.storage)/object" | wc -c'; git config filter.lfs.smudge cat
    echo '*.bin filter=lfs' > .gitattributes; git add .; git commit -qm first`;
  const { frozenAfter, files, repo } = await bench(script);
  const frozen = await frozenAfter('printf 12345 > x.bin');
  expect(files(frozen.commit)['x.bin']?.trim()).toBe('5');
  expect(readFileSync(join(repo, '.git/lfs/object'), 'utf8')).toBe('12345');
});

test('a setting with quotes, backslashes, comment signs, line breaks and bytes that are no UTF-8 is read by git as it was written', async () => {
  const { folder, git } = await bench();
  const value = Buffer.from(' "q" \\b #c ;d \n\t\u00e9 ').toString('latin1') + '\xff';
  const written = [
    { key: 'filter.a "b" \\c.d.clean', value },
    { key: 'core.autocrlf', value: 'true' },
  ];
  writeFileSync(join(folder, 'config'), renderSettings(written), 'latin1');
  const read = await git(['config', '-z', '--list', '--file', join(folder, 'config')]);
  expect(parseSettings(read.stdout)).toEqual(written);
  expect(parseSettings(Buffer.from('core.bare\0'))).toEqual([{ key: 'core.bare', value: 'true' }]);
});
