import type { Git } from './git.ts';
import { shown, splitNul } from './paths.ts';
import { ownRepository, type Workspace } from './workspace.ts';

export interface FileChange {
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted' | 'renamed';
  /** The path before, where it was renamed. */
  readonly from?: string;
  /** Absent for binary files. */
  readonly linesAdded?: number;
  readonly linesRemoved?: number;
}

const options = ['-r', '-M', '--no-ext-diff', '--no-textconv', '--ignore-submodules=none'];

/** The files that differ between two trees or commits, in the order of their paths. */
export async function changesBetween(git: Git, workspace: Workspace, from: string, to: string): Promise<FileChange[]> {
  const call = ['diff-tree', ...options, '-z', '--raw', '--numstat', '--end-of-options', from, to];
  return parseChanges((await git(call, { env: ownRepository(workspace) })).stdout);
}

/** Reads `--raw --numstat -z`: first a record of modes and status for each file, then its lines added and removed, both in the same order. */
function parseChanges(listing: Buffer): FileChange[] {
  const records = splitNul(listing)[Symbol.iterator]();
  const take = (): string => records.next().value ?? '';
  const files: { change: FileChange['change']; path: string; from?: string }[] = [];
  let record = take();
  for (; record.startsWith(':'); record = take()) {
    const change = kinds[record.split(' ')[4]?.[0] ?? ''] ?? 'modified';
    const first = shown(take());
    files.push(change === 'renamed' ? { change, from: first, path: shown(take()) } : { change, path: first });
  }
  return files.map((file) => {
    const [added = '', removed = ''] = record.split('\t');
    // A renamed file's record ends before its two paths.
    if (file.from !== undefined) {
      take();
      take();
    }
    record = take();
    return added === '-' ? file : { ...file, linesAdded: Number(added), linesRemoved: Number(removed) };
  });
}

const kinds: Readonly<Record<string, FileChange['change']>> = { A: 'added', D: 'deleted', R: 'renamed' };

export interface Patch {
  /** What `git apply` takes; bytes, because the files' are no text. */
  readonly bytes: Buffer;
  /** Whether it was longer than asked for. What is left of it then is for reading only. */
  readonly cut: boolean;
}

/** The difference between two trees or commits, binary files included. */
export async function patchBetween(git: Git, workspace: Workspace, from: string, to: string, mostBytes: number): Promise<Patch> {
  const call = ['diff-tree', ...options, '--patch', '--binary', '--full-index', '--end-of-options', from, to];
  const { stdout, cut } = await git(call, { env: ownRepository(workspace), cutAtBytes: mostBytes });
  return { bytes: cut ? stdout.subarray(0, stdout.lastIndexOf('\n') + 1) : stdout, cut };
}
