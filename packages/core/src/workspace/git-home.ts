import { access, constants, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { writeDurably } from './durable.ts';
import type { Git } from './git.ts';
import { rawOf } from './paths.ts';
import { carriedSettings, parseSettings, renderSettings, type Setting } from './settings.ts';

/** Whoever made a frozen commit, it was not the person whose name git would find. */
export const identity = { name: 'Singletree', email: 'singletree@localhost' } as const;

export interface GitHomeOptions {
  readonly git: Git;
  /** Directory that becomes HOME of every call of `git`. */
  readonly home: string;
  readonly path: string;
  /** Whose ignore rules, line endings and filters hold: the person's who started the daemon. */
  readonly user: { readonly home: string; readonly xdgConfigHome?: string };
}

/**
 * Writes the private HOME of the daemon's git. Without what is carried over, files that the user ignores everywhere would be
 * committed, and files under git-lfs would be frozen as if their contents had changed.
 *
 * Every directory is safe here: the call that finds a repository checks its owner by itself (`locate`), all others name it outright.
 */
export async function writeGitHome({ git, home, path, user }: GitHomeOptions): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const configHome = user.xdgConfigHome ?? join(user.home, '.config');
  const env = { HOME: user.home, XDG_CONFIG_HOME: configHome, GIT_CONFIG_NOSYSTEM: '0' };
  const listed = parseSettings((await git(['config', '-z', '--list', '--includes'], { env })).stdout);
  const carried = carriedSettings(listed, user.home);
  const settings: Setting[] = [
    { key: 'user.name', value: identity.name },
    { key: 'user.email', value: identity.email },
    { key: 'safe.directory', value: '*' },
    // Git's own defaults, which it would look for in the wrong HOME.
    { key: 'core.excludesfile', value: rawOf(join(configHome, 'git/ignore')) },
    { key: 'core.attributesfile', value: rawOf(join(configHome, 'git/attributes')) },
    ...carried,
  ];
  const hasLfs = carried.some(({ key }) => key.startsWith('filter.lfs.'));
  if (!hasLfs && (await isOnPath('git-lfs', path))) settings.push(...lfsSettings);
  await writeDurably(join(home, '.gitconfig'), renderSettings(settings), 'latin1');
}

/** What `git lfs install` writes. */
const lfsSettings: readonly Setting[] = [
  { key: 'filter.lfs.clean', value: 'git-lfs clean -- %f' },
  { key: 'filter.lfs.smudge', value: 'git-lfs smudge -- %f' },
  { key: 'filter.lfs.process', value: 'git-lfs filter-process' },
  { key: 'filter.lfs.required', value: 'true' },
];

async function isOnPath(program: string, path: string): Promise<boolean> {
  const found = await Promise.all(
    path
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) =>
        access(join(folder, program), constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
  );
  return found.includes(true);
}
