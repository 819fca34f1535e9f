import { isFinal } from '../../task/task.ts';
import { assertSound, type StoredTask } from '../change-set.ts';
import type { ChangeSet, CommitResult } from '../store.ts';
import { integerOf, type Row, type Statements } from './rows.ts';
import { changingValues, insertTask, lastingValues, updateTask } from './task-rows.ts';

const storedTask = `
  SELECT version, fence, sequence, EXISTS (SELECT 1 FROM completions WHERE task_id = tasks.id) AS completed FROM tasks WHERE id = ?`;

/** The statements of one ChangeSet, inside a transaction that has the write lock: what is read here cannot change before it is written. */
export function commitChange(statements: Statements, change: ChangeSet): CommitResult {
  const { task, expectedVersion, fence, request, reserve } = change;
  const row = statements.get(storedTask, task.id);
  const stored = row && read(row);
  if (stored && fence !== undefined && stored.fence !== fence) return 'fenced';
  if ((stored?.version ?? 0) !== expectedVersion) return 'conflict';
  if (request && statements.get('SELECT 1 FROM requests WHERE id = ?', request.id)) return 'conflict';
  if (reserve !== undefined && statements.get('SELECT 1 FROM reservations WHERE path = ? AND task_id <> ?', reserve, task.id))
    return 'conflict';
  assertSound(change, stored);
  write(statements, change, stored === undefined);
  return 'committed';
}

function write(statements: Statements, { task, events, completion, destinations, request, reserve }: ChangeSet, isNew: boolean): void {
  if (isNew) {
    statements.run(insertTask, ...changingValues(task), ...lastingValues(task));
    statements.run('INSERT INTO specs (task_id, doc) VALUES (?, ?)', task.id, JSON.stringify(task.spec));
  } else {
    statements.run(updateTask, ...changingValues(task));
  }
  for (const { sequence, at, body } of events) {
    statements.run('INSERT INTO events (task_id, sequence, at, doc) VALUES (?, ?, ?, ?)', task.id, sequence, at, JSON.stringify(body));
  }
  if (request) {
    const at = events.at(-1)?.at ?? task.since;
    statements.run('INSERT INTO requests (id, hash, task_id, at) VALUES (?, ?, ?, ?)', request.id, request.hash, task.id, at);
  }
  if (reserve !== undefined) statements.run('INSERT OR IGNORE INTO reservations (path, task_id) VALUES (?, ?)', reserve, task.id);
  if (isFinal(task.state)) statements.run('DELETE FROM reservations WHERE task_id = ?', task.id);
  if (!completion) return;
  statements.run('INSERT INTO completions (task_id, doc) VALUES (?, ?)', task.id, JSON.stringify(completion));
  const directed = destinations !== undefined && destinations.length > 0;
  for (const destination of directed ? destinations : [null]) {
    statements.run(
      `INSERT INTO outbox (task_id, destination, signal, state, created_at, due_at) VALUES (?, ?, 'traces', ?, ?, ?)`,
      task.id,
      destination,
      directed ? 'pending' : 'undirected',
      completion.completedAt,
      completion.completedAt,
    );
  }
}

function read(row: Row): StoredTask {
  return {
    version: integerOf(row, 'version'),
    fence: integerOf(row, 'fence'),
    sequence: integerOf(row, 'sequence'),
    completed: integerOf(row, 'completed') === 1,
  };
}
