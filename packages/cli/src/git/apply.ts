import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { patchBetween, pathsBetween, type Change } from './change.ts';
import { git, mustGit, type GitCall } from './git.ts';

export type Applied = 'applied' | 'merged' | 'already_there' | 'nothing';

/**
 * Brings exactly the frozen change into the working tree, or nothing of it. Where its files have changed there meanwhile, both changes are
 * merged if they do not touch the same lines. The index and HEAD stay as they are.
 */
export async function applyChange(change: Change): Promise<Applied> {
  const { base, frozen, repository } = change;
  const touched = await pathsBetween(base, frozen, repository);
  if (touched.length === 0) return 'nothing';
  const folder = mkdtempSync(join(tmpdir(), 'singletree-apply-'));
  // An index of our own, in which a conflict touches nothing.
  const own = { ...repository, more: { GIT_INDEX_FILE: join(folder, 'index') } };
  try {
    const [baseTree, frozenTree] = await Promise.all([treeOf(base, repository), treeOf(frozen, repository)]);
    const now = await treeWith(touched, change, own);
    if (now === frozenTree) return 'already_there';
    const goal = now === baseTree ? frozenTree : await merged(change, now, own);
    const { code, stderr } = await git(['apply', '--whitespace=nowarn', '-'], {
      ...repository,
      stdin: await patchBetween(now, goal, repository),
    });
    if (code !== 0) throw conflict(change, stderr);
    return goal === frozenTree ? 'applied' : 'merged';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tree of the base with some paths as they are in the working tree. */
async function treeWith(paths: Buffer, change: Change, own: GitCall): Promise<string> {
  await mustGit(['read-tree', '--reset', change.base], own);
  const { code, stderr } = await git(['update-index', '--add', '--remove', '--replace', '-z', '--stdin'], { ...own, stdin: paths });
  // A folder, a socket or the like, where the change has a file.
  if (code !== 0) throw conflict(change, stderr);
  return (await mustGit(['write-tree'], own)).toString().trim();
}

/** The tree with both changes. What is in the working tree already as the task left it is no conflict. */
async function merged(change: Change, now: string, own: GitCall): Promise<string> {
  const { base, frozen, repository } = change;
  const different = await pathsBetween(now, frozen, repository);
  const touched = new Set(names(await pathsBetween(base, frozen, repository)));
  const open = names(different).filter((path) => touched.has(path));
  await treeWith(Buffer.from(open.map((path) => `${path}\0`).join(''), 'latin1'), change, own);
  const patch = await patchBetween(base, frozen, repository);
  const { code, stderr } = await git(['apply', '--3way', '--cached', '--whitespace=nowarn', '-'], { ...own, stdin: patch });
  if (code !== 0) throw conflict(change, stderr);
  return (await mustGit(['write-tree'], own)).toString().trim();
}

/** Paths as they are, byte for byte. */
function names(paths: Buffer): string[] {
  return paths.toString('latin1').split('\0').filter(Boolean);
}

async function treeOf(commit: string, repository: GitCall): Promise<string> {
  return (await mustGit(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], repository)).toString().trim();
}

function conflict({ task, repository }: Change, said: string): CommandFailure {
  const found = [...said.matchAll(/^(?:U |error: patch failed: |error: )([^:\n]+)/gm)].map(([, file = '']) => file);
  const files = [...new Set(found)].slice(0, 10).join(', ');
  const where = files === '' ? '' : `: ${files}`;
  return new CommandFailure(`the change does not fit onto what is in ${repository.directory} now${where}; nothing was changed`, {
    code: 'failed_precondition',
    reason: 'CONFLICT',
    hint: `commit or put away what was changed there, or merge it yourself: git merge ${task.frozenRef ?? task.frozenCommit ?? ''}`,
    exitCode: exitCodes.failure,
  });
}
