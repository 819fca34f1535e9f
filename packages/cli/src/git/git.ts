import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { CommandFailure } from '../failure.ts';

export interface GitCall {
  /** Where git looks for the repository. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** Added to the environment. */
  readonly more?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Variables that would lead git to another repository, as they are set where a hook or an alias called us. */
const leading = /^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX)$/;

/** Runs git to its end. Throws GIT_MISSING where there is none; what git refuses is an answer. */
export async function git(args: readonly string[], { directory, env, more, stdin }: GitCall): Promise<GitAnswer> {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !leading.test(name)));
  const child = spawn('git', ['-C', directory, ...args], { env: { ...kept, LC_ALL: 'C.UTF-8', ...more }, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  // Git may say no before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  try {
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
    return { code: child.exitCode ?? 128, stdout, stderr: stderr.toString().trim() };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new CommandFailure('git was not found on the PATH', {
      code: 'failed_precondition',
      reason: 'GIT_MISSING',
      hint: 'install git 2.30 or newer',
    });
  }
}

/** The same, for calls that have no reason to fail. */
export async function mustGit(args: readonly string[], call: GitCall): Promise<Buffer> {
  const { code, stdout, stderr } = await git(args, call);
  if (code === 0) return stdout;
  throw new CommandFailure(`git ${args.find((arg) => !arg.startsWith('-')) ?? ''} in ${call.directory}: ${stderr || `exit ${code}`}`, {
    code: 'failed_precondition',
    reason: 'GIT_FAILED',
  });
}
