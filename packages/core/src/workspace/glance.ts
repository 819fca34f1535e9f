import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Git } from './git.ts';
import { indexName } from './own-git-dir.ts';
import { absolute, splitNul, type RawPath } from './paths.ts';
import { ownRepository, type Workspace } from './workspace.ts';

/** Of a checkout that has more changes only the first are looked at more closely. */
const mostPaths = 1_000;
const mostBytes = 1024 * 1024;

/**
 * What differs from the last snapshot, as a short text that stays the same while nothing changes further; empty where nothing differs. Goes by
 * sizes and times and writes nothing, so that it may be asked while an agent works: a fraction of a freeze.
 */
export async function glance(git: Git, workspace: Workspace): Promise<string> {
  const env = ownRepository(workspace, join(workspace.ownGitDir, indexName));
  const calls = [
    ['diff-files', '-z', '--name-only', '--ignore-submodules=dirty'],
    ['ls-files', '-z', '-o', '--exclude-standard'],
  ];
  const paths: RawPath[] = [];
  for (const call of calls) paths.push(...splitNul((await git(call, { env, cutAtBytes: mostBytes })).stdout));
  if (paths.length === 0) return '';
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0`);
  for (const path of paths.slice(0, mostPaths)) {
    const found = await lstat(absolute(workspace.root, path), { bigint: true }).catch(() => undefined);
    hash.update(`${found?.size} ${found?.mtimeNs}\0`);
  }
  return hash.digest('hex');
}
