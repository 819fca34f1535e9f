import { readContextFile } from '../attempt/context-file.ts';
import { DomainError } from '../errors.ts';
import type { TaskSpec } from '../task/task.ts';

/**
 * Refuses the context files of which can be told, while the client still waits, that no attempt will get them. What setup commands may
 * still make is left to the attempt, and so is a file that is there but not in the commit that a worktree is made from.
 */
export async function checkContext({ context, setup }: Pick<TaskSpec, 'context' | 'setup'>, directory: string): Promise<void> {
  if (setup.length > 0) return;
  for (const [index, item] of context.entries()) {
    if (item.kind !== 'file') continue;
    const read = await readContextFile(directory, item.path);
    if (!('refused' in read)) continue;
    throw new DomainError('INVALID_CONTEXT_FILE', `context file ${item.path} ${read.refused}`, {
      hint: `a context file is a text of at most 1 MiB below ${directory}, named from there`,
      metadata: { field: `context[${index}].file`, path: item.path },
    });
  }
}
