import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository, temporaryFolder } from './temp.ts';

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

test('a temporary folder is gone with its content once it is disposed of', async () => {
  let path: string;
  {
    await using folder = await temporaryFolder();
    path = folder.path;
    await writeFile(join(path, 'file'), 'content');
    expect(await exists(join(path, 'file'))).toBe(true);
  }
  expect(await exists(path)).toBe(false);
});

test('a repository has one commit on main with the files, whatever git is configured to', async () => {
  await using made = await repository({ files: { 'src/a.txt': 'a\n', '.gitignore': 'node_modules\n', 'node_modules/x': 'ignored' } });
  expect(await made.git('log', '--format=%D %an %s')).toBe('HEAD -> main Test Begin\n');
  expect(await made.git('ls-files')).toBe('.gitignore\nsrc/a.txt\n');
  expect(await made.git('rev-parse', 'HEAD')).toBe(`${made.head}\n`);
  await expect(made.git('no-such-command')).rejects.toThrow('no-such-command');
  await made[Symbol.asyncDispose]();
  expect(await exists(made.path)).toBe(false);
});

test('a repository in a folder that was given stays there', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'deep', 'repo');
  {
    await using made = await repository({ files: {}, path });
    expect(made.path).toBe(path);
  }
  expect(await exists(join(path, '.git'))).toBe(true);
});
