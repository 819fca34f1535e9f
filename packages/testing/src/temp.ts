import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes an empty private folder (0700) that is removed with all it holds when it is disposed of: `await using folder = await temporaryFolder()`. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'singletree-'));
  return {
    path,
    // Retried because a process that is just being killed may still add a file while the folder is emptied.
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}

/** What a git call of ours may see: no configuration of the machine or the user, no repository around it, no prompt. */
function gitEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: home,
    LANG: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Test',
    GIT_AUTHOR_EMAIL: 'test@example.invalid',
    GIT_COMMITTER_NAME: 'Test',
    GIT_COMMITTER_EMAIL: 'test@example.invalid',
  };
}

export interface RepositoryOptions {
  /** Content by path below the root; folders are made as needed. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Where to make it: an empty or missing folder, which then stays. Absent: a temporary folder, removed at the end. */
  readonly path?: string;
}

export interface Repository extends AsyncDisposable {
  readonly path: string;
  /** The one commit, as a full hash. */
  readonly head: string;
  /** Runs git here, without the user's configuration, and gives its standard output. Rejects with git's own words on failure. */
  git(...args: readonly string[]): Promise<string>;
}

/** Makes a git repository whose branch `main` has one commit with these files. Needs no git identity. */
export async function repository(options: RepositoryOptions): Promise<Repository> {
  const folder = options.path === undefined ? await temporaryFolder() : { path: options.path, [Symbol.asyncDispose]: async () => {} };
  const { path } = folder;
  await mkdir(path, { recursive: true });
  for (const [name, content] of Object.entries(options.files)) {
    const file = join(path, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const git = async (...args: readonly string[]): Promise<string> =>
    (await run('git', args, { cwd: path, env: gitEnvironment(path), maxBuffer: 64 * 1024 * 1024 })).stdout;
  await git('init', '--quiet');
  // Not `init --initial-branch`: git before 2.28 does not know it.
  await git('symbolic-ref', 'HEAD', 'refs/heads/main');
  await git('add', '--all');
  await git('commit', '--quiet', '--allow-empty', '--message', 'Begin');
  return {
    path,
    head: (await git('rev-parse', 'HEAD')).trim(),
    git,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
