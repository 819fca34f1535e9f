import type { Git } from './git.ts';

/**
 * Which of these files a checkout of HEAD will not have, as far as it can be told: paths from a directory of the checkout. Links that are
 * committed are followed. One that leads out of the repository or to nothing is left open.
 */
export async function missingInHead(git: Git, directory: string, paths: readonly string[]): Promise<readonly string[]> {
  const plain = paths.filter((path) => !path.includes('\n') && path.split('/').every((name) => !['', '.', '..'].includes(name)));
  if (plain.length === 0) return [];
  const stdin = Buffer.from(plain.map((path) => `HEAD:./${path}\n`).join(''));
  const { stdout } = await git(['cat-file', '--batch-check', '--follow-symlinks'], { directory, stdin });
  const said = new Set(stdout.toString().split('\n'));
  return plain.filter((path) => said.has(`HEAD:./${path} missing`));
}
