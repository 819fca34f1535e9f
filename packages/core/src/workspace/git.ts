import { DomainError } from '../errors.ts';
import type { HostAnswer, HostCallOptions } from '../supervision/host.ts';

/** Runs a program to its end: `supervision/host`. A parameter, so that this room starts no process by itself. */
export type HostCall = (file: string, args: readonly string[], options: HostCallOptions) => Promise<HostAnswer>;

/** 2.30 is the first whose `rev-parse` understands `--end-of-options`, and what Debian 11 ships; every call of this room was tried with it. */
export const oldestGit = '2.30.0';

/**
 * Settings that no configuration of a repository may override: nothing that a repository or an agent wrote there is executed,
 * nothing is fetched, and the index has a form that can be copied. `core.fsmonitor` is empty, not `false`: git before 2.36 would run a
 * program of that name.
 */
const fixedSettings = [
  'core.fsmonitor=',
  'core.hooksPath=/dev/null',
  'core.pager=cat',
  'core.splitIndex=false',
  'core.untrackedCache=false',
  'core.ignoreStat=false',
  'core.fsync=committed,reference',
  'core.fsyncMethod=batch',
  'gc.auto=0',
  'maintenance.auto=false',
  'index.sparse=false',
  'protocol.allow=never',
  'safe.bareRepository=explicit',
  'submodule.recurse=false',
].flatMap((setting) => ['-c', setting]);

export interface GitCall {
  /** Where git looks for a repository. Without it and without GIT_DIR in `env` git finds none. */
  readonly directory?: string;
  /** Added to the hardened environment: the GIT_* variables that name repository, index and objects. */
  readonly env?: Readonly<Record<string, string>>;
  /** `-c` settings that win over the fixed ones. */
  readonly settings?: readonly string[];
  readonly stdin?: Uint8Array;
  /** Exit codes that are an answer and no failure. */
  readonly accept?: readonly number[];
  /** Answer with what was said until here instead of failing. */
  readonly cutAtBytes?: number;
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  /** Whether there was more than `cutAtBytes`. */
  readonly cut: boolean;
}

/** One call of the daemon's own git. A call that fails throws `GitFailure`; one that somebody ended tells nothing of the repository and throws another error. */
export type Git = (args: readonly string[], call?: GitCall) => Promise<GitAnswer>;

/** Git said no. The message is what it said. */
export class GitFailure extends Error {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;

  constructor(command: string, ended: string, answer: HostAnswer) {
    super(`git ${command} ${ended}: ${answer.stderr.trim() || 'it said nothing'}`);
    this.name = 'GitFailure';
    this.code = answer.code;
    this.stdout = answer.stdout;
    this.stderr = answer.stderr.trim();
  }
}

export interface GitOptions {
  readonly hostCall: HostCall;
  /** The private HOME, see `writeGitHome`. */
  readonly home: string;
  /** The PATH on which git and the filters that the user configured (git-lfs for one) are found. */
  readonly path: string;
  readonly timeoutMs?: number;
}

/** Git's own ends (SIGSEGV, SIGABRT) come again; of these the machine is the cause, or somebody on it, and the same call may well succeed. */
const machineSignals: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);

/** Most that one call may print. A listing of a million paths fits. */
const maxBytes = 256 * 1024 * 1024;

export function createGit({ hostCall, home, path, timeoutMs = 60_000 }: GitOptions): Git {
  const environment = {
    PATH: path,
    HOME: home,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
  };
  return async (args, call = {}) => {
    const place = call.directory === undefined ? [] : ['-C', call.directory];
    const settings = (call.settings ?? []).flatMap((setting) => ['-c', setting]);
    const answer = await startGit(hostCall, [...place, ...fixedSettings, ...settings, ...args], {
      // Not the repository: a working directory that has gone would look like a missing git.
      cwd: '/',
      // Discovery stops at a directory that was named, so without one there is nothing to discover.
      env: { ...environment, ...(call.directory === undefined ? { GIT_DIR: '/dev/null' } : {}), ...call.env },
      timeoutMs,
      maxBytes: call.cutAtBytes ?? maxBytes,
      ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
    });
    const command = args.find((arg) => !arg.startsWith('-')) ?? '';
    if (answer.timedOut) throw new GitFailure(command, `took longer than ${timeoutMs / 1000} s`, answer);
    if (answer.truncated && call.cutAtBytes !== undefined) return { code: 0, stdout: answer.stdout, cut: true };
    if (answer.truncated) throw new GitFailure(command, `said more than ${maxBytes} bytes`, answer);
    if (machineSignals.has(answer.signal ?? '')) throw new Error(`git ${command} was ended from outside, by ${answer.signal}`);
    if (answer.code === null) throw new GitFailure(command, `was ended by ${answer.signal ?? 'a signal'}`, answer);
    if (answer.code !== 0 && !call.accept?.includes(answer.code)) throw new GitFailure(command, `exited with ${answer.code}`, answer);
    return { code: answer.code, stdout: answer.stdout, cut: false };
  };
}

/** Starts git, or says that there is none. */
async function startGit(hostCall: HostCall, args: readonly string[], options: HostCallOptions): Promise<HostAnswer> {
  try {
    return await hostCall('git', args, options);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOENT') throw error;
    throw new DomainError('GIT_MISSING', `git was not found on the PATH ${options.env?.['PATH'] ?? ''}`, {
      hint: `install git ${oldestGit} or newer`,
      cause: error,
    });
  }
}

/** The version of the installed git, such as `2.39.5`. Throws GIT_MISSING, and GIT_TOO_OLD below `oldestGit`. */
export async function gitVersion(git: Git): Promise<string> {
  const said = (await git(['version'])).stdout.toString().trim();
  const version = /^git version (\d+\.\d+(?:\.\d+)?)/.exec(said)?.[1];
  if (version === undefined || isOlder(version, oldestGit)) {
    throw new DomainError('GIT_TOO_OLD', `"${said}" is too old: git ${oldestGit} or newer is needed`, {
      hint: `install git ${oldestGit} or newer`,
      metadata: { found: version ?? said, oldest: oldestGit },
    });
  }
  return version;
}

export function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  for (let part = 0; part < 3; part += 1) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
