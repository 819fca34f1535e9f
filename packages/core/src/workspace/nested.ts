import { join } from 'node:path';

import type { Git } from './git.ts';
import { joinNul, shown, splitNul, type RawPath } from './paths.ts';
import { noIndex, type Workspace } from './workspace.ts';

export interface NestedFiles {
  /** Every nested repository, those inside others included. */
  readonly repositories: readonly RawPath[];
  readonly files: readonly RawPath[];
}

/**
 * The files of repositories that lie inside a checkout without being submodules, whether they have a commit or not. Git would enter such a
 * repository as a link to a commit, which nobody else has, or refuse it. Ignore rules hold, its own and those of the checkout around it.
 */
export async function listNested(
  git: Git,
  workspace: Workspace,
  env: Record<string, string>,
  tops: readonly RawPath[],
): Promise<NestedFiles> {
  const [repositories, files]: [RawPath[], RawPath[]] = [[], []];
  const open = [...tops];
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    repositories.push(top);
    for (const path of await untrackedBelow(git, workspace, env, top)) {
      if (path.endsWith('/')) open.push(`${top}/${path.slice(0, -1)}`);
      else files.push(`${top}/${path}`);
    }
  }
  if (files.length === 0) return { repositories, files };
  // Without the leading dot, a name that begins with a colon would be taken for a pattern.
  const stdin = joinNul(files.map((path) => `./${path}`));
  const ignored = new Set(splitNul((await git(['check-ignore', '-z', '--stdin'], { env, stdin, accept: [1] })).stdout));
  return { repositories, files: files.filter((path) => !ignored.has(`./${path}`)) };
}

/** With the nested repository as the checkout and an empty index, all its files are untracked. Its `.git` is never looked at. */
async function untrackedBelow(git: Git, workspace: Workspace, env: Record<string, string>, top: RawPath): Promise<RawPath[]> {
  const name = Buffer.from(top, 'latin1').toString();
  if (Buffer.from(name).toString('latin1') !== top) throw new Error(`the name of the nested repository ${shown(top)} is not valid UTF-8`);
  const inside = { ...env, GIT_WORK_TREE: join(workspace.root, name), GIT_INDEX_FILE: noIndex(workspace) };
  return splitNul((await git(['ls-files', '-z', '-o', '--exclude-standard'], { env: inside })).stdout);
}
