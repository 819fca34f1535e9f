import { access } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { DomainError } from '../errors.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { quoted } from '../state-folder/refused.ts';
import type { Task } from '../task/task.ts';
import { isTrusted } from '../trust/covers.ts';
import { StepFailure } from './step-failure.ts';

export interface Trust {
  readonly trusted: boolean;
  /** What the user should know of what is not: told once a task. */
  readonly warning?: string;
}

/**
 * Whether the repository of a task may configure the harness. A record that cannot be believed ends the task: without its configuration the agent
 * might do something else than it was asked for.
 */
export async function trustOf({ spec, workspace, attempts }: Task, { harness }: Plugin, file: string | undefined): Promise<Trust> {
  if (!workspace) return { trusted: false };
  const { root, cwd } = workspace;
  try {
    if (await isTrusted(file, { root, cwd, named: spec.workspace.path })) return { trusted: true };
  } catch (error) {
    if (error instanceof DomainError) throw new StepFailure('invalid_configuration', error.message, { cause: error });
    throw error;
  }
  const ignored = attempts.length > 1 ? [] : await found([...new Set([root, cwd])], harness.projectConfiguration ?? []);
  if (ignored.length === 0) return { trusted: false };
  const top = quoted(resolve(spec.workspace.path, relative(cwd, root)));
  const what = `what this repository tells ${harness.displayName} is ignored (${ignored.join(', ')})`;
  return { trusted: false, warning: `${what}; once you have looked at it: singletree trust ${top}` };
}

/** Which of the paths are there, in any of the folders. */
async function found(folders: readonly string[], paths: readonly string[]): Promise<readonly string[]> {
  const isThere = async (path: string): Promise<boolean> =>
    await access(path).then(
      () => true,
      () => false,
    );
  const seen = await Promise.all(
    paths.map(async (path) => (await Promise.all(folders.map((folder) => isThere(join(folder, path))))).includes(true)),
  );
  return paths.filter((_, at) => seen[at]);
}
