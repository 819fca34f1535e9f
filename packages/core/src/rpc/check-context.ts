import { readContextFile } from '../attempt/context-file.ts';
import { DomainError } from '../errors.ts';
import type { TaskSpec } from '../task/task.ts';

/** Which of these files a checkout of HEAD will not have. Paths from the directory. */
export type MissingInHead = (directory: string, paths: readonly string[]) => Promise<readonly string[]>;

/**
 * Refuses the context files of which can be told, while the client still waits, that no attempt will get them. What setup commands may
 * still make is left to the attempt.
 */
export async function checkContext(
  { context, setup, workspace: { mode } }: Pick<TaskSpec, 'context' | 'setup' | 'workspace'>,
  directory: string,
  missingInHead: MissingInHead,
): Promise<void> {
  if (setup.length > 0) return;
  for (const [index, item] of context.entries()) {
    if (item.kind !== 'file') continue;
    const metadata = { field: `context[${index}].file`, path: item.path };
    const read = await readContextFile(directory, item.path);
    if ('refused' in read) {
      throw new DomainError('INVALID_CONTEXT_FILE', `context file ${item.path} ${read.refused}`, {
        hint: `a context file is a text of at most 1 MiB below ${directory}, named from there`,
        metadata,
      });
    }
    if (mode === 'in_place' || !(await missingInHead(directory, [item.path])).includes(item.path)) continue;
    throw new DomainError('INVALID_CONTEXT_FILE', `context file ${item.path} is not in HEAD, so a ${mode} will not have it`, {
      hint: 'commit it, or work in place',
      metadata,
    });
  }
}
