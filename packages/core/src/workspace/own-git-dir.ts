import { copyFile, mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { Git } from './git.ts';
import { rawOf, splitNul } from './paths.ts';
import { carriedSettings, parseSettings, renderSettings, settingOf, type Setting } from './settings.ts';

/** Index that the last freeze left. It only saves reading every file again: without it the result is the same. */
export const indexName = 'index';
/** Paths that a sparse checkout leaves out: their absence is no deletion. */
export const sparseName = 'sparse';

export interface OwnGitDirOptions {
  readonly path: string;
  /** The checkout's git directory, and the one that its repository shares. */
  readonly gitDir: string;
  readonly commonDir: string;
  readonly settings: SettingsInForce;
  readonly objectFormat: string;
}

/** What a repository's configuration says, its own and those above together, before any agent has run. */
export interface SettingsInForce {
  /** Those that decide how files become blobs. */
  readonly carried: readonly Setting[];
  /** Whether the checkout leaves files out on purpose. */
  readonly sparse: boolean;
}

/**
 * Makes the git directory by which the daemon reads a workspace. An agent can write its repository's configuration, and a filter
 * named there would run in the daemon, outside everything that watches the agent. So what the user had configured before any agent ran is
 * copied here, and git never reads the repository's own again.
 */
export async function makeOwnGitDir(git: Git, options: OwnGitDirOptions): Promise<void> {
  const { path, commonDir, gitDir } = options;
  for (const folder of ['objects', 'refs', 'info']) await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
  await writeFile(join(path, 'HEAD'), 'ref: refs/heads/none\n');
  const sha256 = options.objectFormat === 'sha1' ? [] : [{ key: 'extensions.objectformat', value: options.objectFormat }];
  const lfs = settingOf(options.settings.carried, 'lfs.storage') ?? 'lfs';
  const settings: Setting[] = [
    { key: 'core.repositoryformatversion', value: sha256.length > 0 ? '1' : '0' },
    ...sha256,
    { key: 'core.bare', value: 'false' },
    ...options.settings.carried,
    // What git-lfs cleans must lie where the repository will look for it.
    { key: 'lfs.storage', value: rawOf(resolve(commonDir, Buffer.from(lfs, 'latin1').toString())) },
  ];
  await writeFile(join(path, 'config'), renderSettings(settings), 'latin1');
  for (const file of ['info/exclude', 'info/attributes']) await copyIfThere(join(commonDir, file), join(path, file));
  if (options.settings.sparse) await writeFile(join(path, sparseName), await sparsePaths(git, gitDir));
}

export async function settingsInForce(git: Git, gitDir: string, userHome: string): Promise<SettingsInForce> {
  const listed = parseSettings((await git(['config', '-z', '--list', '--includes'], { env: { GIT_DIR: gitDir } })).stdout);
  return { carried: carriedSettings(listed, userHome), sparse: (settingOf(listed, 'core.sparsecheckout') ?? 'false') !== 'false' };
}

async function sparsePaths(git: Git, gitDir: string): Promise<Buffer> {
  const entries = splitNul((await git(['ls-files', '-z', '-t'], { env: { GIT_DIR: gitDir } })).stdout);
  const absent = entries.filter((entry) => entry.startsWith('S ')).map((entry) => `${entry.slice(2)}\0`);
  return Buffer.from(absent.join(''), 'latin1');
}

/**
 * Takes over the index of a checkout that was just made, so that the first freeze need not read every file.
 *
 * Git takes an entry for possibly changed if its file is not older than the index. A copy is younger, so the time goes with it, rounded down
 * to be safe on the side of reading once more.
 */
export async function adoptIndex({ ownGitDir, gitDir }: { ownGitDir: string; gitDir: string }): Promise<void> {
  const [from, to] = [join(gitDir, 'index'), join(ownGitDir, indexName)];
  await copyFile(from, to);
  const written = Math.floor((await stat(from)).mtimeMs / 1000);
  await utimes(to, written, written);
}

async function copyIfThere(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
