import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { processesWithMarker, until, type MarkedProcess, type Repository } from '@singletree/testing';
import type { Left } from './history.ts';

export interface Place {
  readonly state: string;
  /** HOME of the agents: what they leave has it in its environment. */
  readonly home: string;
  readonly repositories: readonly Pick<Repository, 'git'>[];
}

/** Looks at what is left when no daemon lives, once nothing is on its way out any more: a shim's last act is to write the ending. */
export async function whatIsLeft({ state, home, repositories }: Place): Promise<Left> {
  const living = (): MarkedProcess[] =>
    [
      ...processesWithMarker(`HOME=${home}`),
      ...processesWithMarker('SINGLETREE_PROCESS=').filter(({ command }) => command.includes(state)),
    ].filter(({ pid }, index, all) => all.findIndex((other) => other.pid === pid) === index);
  // Whatever stays is judged, not waited for.
  await until(() => living().length === 0, { what: 'the last process to leave', timeoutMs: 5_000 }).catch(() => undefined);
  const directories = processDirectories(state);
  return {
    leases: leasesIn(state),
    openDirectories: directories.filter((directory) => isOpen(join(state, 'processes', directory))),
    // The daemon's own git directory of a task, `TASK.git`, stays for its diff.
    worktrees: [...foldersIn(join(state, 'worktrees')).filter((name) => !name.endsWith('.git')), ...(await worktreesOf(repositories))],
    processes: living(),
    outputs: outputsIn(state, directories),
    refs: new Map((await Promise.all(repositories.map(refsOf))).flat()),
  };
}

function leasesIn(state: string): { taskId: string; state: string }[] {
  using database = new DatabaseSync(join(state, 'singletree.db'), { readOnly: true });
  const rows = database.prepare('SELECT id, state FROM tasks WHERE lease_owner IS NOT NULL').all();
  return rows.map((row) => ({ taskId: String(row['id']), state: String(row['state']) }));
}

/** `TASK/ATTEMPT/PROCESS`, of those that were made whole. */
function processDirectories(state: string): string[] {
  const root = join(state, 'processes');
  const attempts = foldersIn(root).flatMap((task) => foldersIn(join(root, task)).map((attempt) => join(task, attempt)));
  const processes = attempts.flatMap((attempt) => foldersIn(join(root, attempt)).map((process) => join(attempt, process)));
  return processes.filter((process) => existsSync(join(root, process, 'spec.json')));
}

/** Neither ended, nor settled, nor won by the daemon, which starts nothing. */
function isOpen(directory: string): boolean {
  if (existsSync(join(directory, 'exit.json')) || existsSync(join(directory, 'settled.json'))) return false;
  const owner = join(directory, 'owner');
  return !existsSync(owner) || !readFileSync(owner, 'utf8').includes('"daemon"');
}

/** Bytes of what harnesses have said, by `TASK/ATTEMPT/stdout` and `…/stderr`. */
export function outputsIn(state: string, directories: readonly string[] = processDirectories(state)): Map<string, number> {
  const outputs = new Map<string, number>();
  for (const directory of directories) {
    const [task, attempt, process] = directory.split('/');
    if (process !== 'harness-0-1') continue;
    for (const source of ['stdout', 'stderr']) {
      const log = join(state, 'processes', directory, `${source}.log`);
      if (existsSync(log)) outputs.set(`${task}/${attempt}/${source}`, statSync(log).size);
    }
  }
  return outputs;
}

async function worktreesOf(repositories: Place['repositories']): Promise<string[]> {
  const lists = await Promise.all(repositories.map(({ git }) => git('worktree', 'list', '--porcelain')));
  // The first is the repository's own.
  return lists.flatMap((list) => (list.match(/^worktree .*$/gm) ?? []).slice(1));
}

async function refsOf({ git }: Pick<Repository, 'git'>): Promise<[string, string][]> {
  const list = await git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/singletree/');
  return list
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [ref = '', commit = ''] = line.split(' ');
      return [ref, commit];
    });
}

function foldersIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}
