import { GitFailure, type Git } from './git.ts';

/** The commit that is checked out, or undefined before the first one. */
export async function headCommit(git: Git, gitDir: string): Promise<string | undefined> {
  const env = { GIT_DIR: gitDir };
  try {
    return (await git(['rev-parse', '--verify', '--end-of-options', 'HEAD^{commit}'], { env })).stdout.toString().trim();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    // Unborn is a branch without a commit. A HEAD that names a commit which is missing is damage.
    const branch = (await git(['symbolic-ref', '--quiet', 'HEAD'], { env, accept: [1] })).stdout.toString().trim();
    if (branch === '') throw error;
    if ((await git(['show-ref', '--verify', '--quiet', branch], { env, accept: [1] })).code === 0) throw error;
    return undefined;
  }
}
