import { DomainError } from '../errors.ts';
import { taskNotFound } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import type { Task } from '../task/task.ts';

const idLength = 36;
const named = 5;

/** The task with this id, or the only one whose id begins with it. */
export async function findTask(store: Store, idOrPrefix: string): Promise<Task> {
  const exact = idOrPrefix.length === idLength ? await store.task(idOrPrefix) : undefined;
  if (exact) return exact;
  const [first, ...more] = await store.tasksByPrefix(idOrPrefix, named);
  if (!first) throw taskNotFound(idOrPrefix);
  if (more.length === 0) return first;
  const ids = [first, ...more].map((task) => task.id);
  throw new DomainError('AMBIGUOUS_TASK_ID', `more than one task begins with ${idOrPrefix}`, {
    hint: `for example ${ids.slice(0, 3).join(', ')}; give more of the id`,
    metadata: { task_id: idOrPrefix, matches: ids.join(',') },
  });
}
