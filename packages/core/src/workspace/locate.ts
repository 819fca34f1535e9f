import { access, constants, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';

import { DomainError } from '../errors.ts';
import { GitFailure, type Git } from './git.ts';

/** The repository that a directory lies in. */
export interface Located {
  /** The directory without symbolic links. */
  readonly directory: string;
  /** Top of the checkout. */
  readonly top: string;
  /** From the top to the directory; empty at the top. */
  readonly below: string;
  /** Git directory of this checkout: it has the HEAD. */
  readonly gitDir: string;
  /** Git directory that all checkouts of the repository share: it has objects and refs. */
  readonly commonDir: string;
  readonly objectFormat: string;
}

/**
 * Finds the repository that a directory lies in. Throws WORKSPACE_NOT_FOUND, WORKSPACE_NOT_ACCESSIBLE or NOT_A_GIT_REPOSITORY.
 * Executes nothing of what the repository's configuration names.
 */
export async function locate(git: Git, named: string): Promise<Located> {
  const directory = await readableDirectory(named);
  const answer = await describe(git, directory);
  const lines = answer.split('\n').slice(0, -1);
  const [bare, inGitDir, inWorkTree, objectFormat, gitDir, common, top, ...rest] = lines;
  if (bare === 'true' || (inGitDir === 'true' && inWorkTree === 'false')) {
    throw new DomainError(
      'NOT_A_GIT_REPOSITORY',
      `${directory} is ${bare === 'true' ? 'a bare repository' : 'the inside of a git directory'}: it has no files to work on`,
      {
        hint: 'name a checkout: a clone of it, or one of its worktrees',
        metadata: { path: directory },
      },
    );
  }
  if (objectFormat === undefined || gitDir === undefined || common === undefined || top === undefined || rest.length > 0) {
    throw new DomainError(
      'NOT_A_GIT_REPOSITORY',
      `${directory}: git describes its repository in a way that cannot be read, perhaps because a path has a line break`,
      {
        metadata: { path: directory },
      },
    );
  }
  await checkOwner(directory, top);
  await checkTop(top, gitDir);
  return { directory, top, below: relative(top, directory), gitDir, commonDir: resolve(directory, common), objectFormat };
}

async function describe(git: Git, directory: string): Promise<string> {
  const questions = [
    '--is-bare-repository',
    '--is-inside-git-dir',
    '--is-inside-work-tree',
    '--show-object-format',
    '--absolute-git-dir',
    '--git-common-dir',
    '--show-toplevel',
  ];
  try {
    // A bare repository is found here to be refused in our own words.
    const answer = await git(['rev-parse', ...questions], { directory, settings: ['safe.bareRepository=all'] });
    return answer.stdout.toString();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    // The last question has no answer without a checkout; those before it were answered.
    if (error.stdout.length > 0) return error.stdout.toString();
    throw new DomainError('NOT_A_GIT_REPOSITORY', `${directory} is not in a git repository: ${error.stderr}`, {
      hint: `make it one: git -C ${quoted(directory)} init && git -C ${quoted(directory)} add -A && git -C ${quoted(directory)} commit -m 'First commit'`,
      metadata: { path: directory },
      cause: error,
    });
  }
}

async function readableDirectory(named: string): Promise<string> {
  if (!isAbsolute(named)) throw new DomainError('WORKSPACE_NOT_FOUND', `the workspace "${named}" is not an absolute path`);
  const metadata = { path: named };
  try {
    const directory = await realpath(named);
    if (!(await stat(directory)).isDirectory()) {
      throw new DomainError('WORKSPACE_NOT_FOUND', `the workspace ${named} is a file`, { hint: 'name the directory', metadata });
    }
    await access(directory, constants.R_OK | constants.X_OK);
    return directory;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new DomainError('WORKSPACE_NOT_FOUND', `the workspace ${named} does not exist`, { metadata, cause: error });
    throw new DomainError(
      'WORKSPACE_NOT_ACCESSIBLE',
      `the workspace ${named} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { metadata, cause: error },
    );
  }
}

/**
 * Git's own rule against a repository that somebody planted in a directory above, made for a daemon that may run as root: the top must
 * belong to us or to the owner of the directory that was named.
 */
async function checkOwner(directory: string, top: string): Promise<void> {
  const [named, found] = await Promise.all([stat(directory), stat(top)]);
  if (found.uid === process.geteuid?.() || found.uid === named.uid) return;
  throw new DomainError(
    'WORKSPACE_NOT_ACCESSIBLE',
    `${directory} lies in the repository ${top}, which belongs to another user (uid ${found.uid})`,
    {
      hint: `name ${top} itself if you trust it`,
      metadata: { path: directory, repository: top },
    },
  );
}

/** A repository may name any directory as its checkout (`core.worktree`). Ours must be the one in which git found it. */
async function checkTop(top: string, gitDir: string): Promise<void> {
  const link = join(top, '.git');
  const target = (await isDirectory(link))
    ? link
    : resolve(top, /^gitdir: (.+)$/m.exec(await readFile(link, 'utf8').catch(() => ''))?.[1] ?? '');
  if ((await realpath(target)) === (await realpath(gitDir))) return;
  throw new DomainError('NOT_A_GIT_REPOSITORY', `the repository ${gitDir} names ${top} as its checkout, but ${link} does not lead to it`, {
    hint: 'unset core.worktree in its configuration',
    metadata: { path: top, repository: gitDir },
  });
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** A path as a word of a shell, for commands that a hint names. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
