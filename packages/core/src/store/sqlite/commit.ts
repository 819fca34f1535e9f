import { isDeepStrictEqual } from 'node:util';
import type { LedgerChange } from '../../task/ledger.ts';
import { isFinal } from '../../task/task.ts';
import { assertSound, type StoredTask } from '../change-set.ts';
import type { ChangeSet, CommitResult, ControlChange } from '../store.ts';
import { insertKillSwitch, killSwitchOf, selectKillSwitches, valuesOf } from './kill-switch-rows.ts';
import { integerOf, textOf, type Row, type Statements } from './rows.ts';
import { insertAnswer } from './request-rows.ts';
import { changingValues, insertTask, lastingValues, updateTask } from './task-rows.ts';

const storedTask = `
  SELECT version, fence, sequence, EXISTS (SELECT 1 FROM completions WHERE task_id = tasks.id) AS completed FROM tasks WHERE id = ?`;

const thrownSwitch = 'SELECT 1 FROM kill_switches WHERE scope IN (SELECT value FROM json_each(?))';

/** The statements of one ChangeSet, inside a transaction that has the write lock: what is read here cannot change before it is written. */
export function commitChange(statements: Statements, change: ChangeSet): CommitResult {
  const stored = find(statements, change);
  const refusal = refusalOf(statements, change, stored);
  if (refusal) return refusal;
  assertSound(change, stored);
  write(statements, change, stored === undefined);
  return 'committed';
}

function find(statements: Statements, { task }: ChangeSet): StoredTask | undefined {
  const row = statements.get(storedTask, task.id);
  return row && read(row);
}

/** Why a change cannot be written; only reads. */
function refusalOf(
  statements: Statements,
  { task, expectedVersion, fence, request, unlessKilled, reserve }: ChangeSet,
  stored: StoredTask | undefined,
): Exclude<CommitResult, 'committed'> | undefined {
  if (stored && fence !== undefined && stored.fence !== fence) return 'fenced';
  if ((stored?.version ?? 0) !== expectedVersion) return 'conflict';
  if (request && isTaken(statements, request.id)) return 'conflict';
  if (reserve !== undefined && statements.get('SELECT 1 FROM reservations WHERE path = ? AND task_id <> ?', reserve, task.id))
    return 'conflict';
  return unlessKilled && statements.get(thrownSwitch, JSON.stringify(unlessKilled)) ? 'killed' : undefined;
}

const leasedInScope = `
  SELECT id FROM tasks WHERE lease_owner IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(tasks.scopes) WHERE value = ?)`;

/** The statements of one ControlChange, as above. Nothing is written before everything has been checked. */
export function commitControl(
  statements: Statements,
  { engage, release, hit = [], tasks = [], request, at }: ControlChange,
): 'committed' | 'conflict' {
  if (request && isTaken(statements, request.id)) return 'conflict';
  const found = tasks.map((change) => ({ change, stored: find(statements, change) }));
  if (found.some(({ change, stored }) => refusalOf(statements, change, stored))) return 'conflict';
  if (engage) {
    const row = statements.get(`${selectKillSwitches} WHERE scope = ?`, engage.scope);
    if (row && !isDeepStrictEqual(killSwitchOf(row), engage)) return 'conflict';
    if (statements.all(leasedInScope, engage.scope).some((leased) => !hit.includes(textOf(leased, 'id')))) return 'conflict';
    statements.run(insertKillSwitch, ...valuesOf(engage));
  }
  if (release !== undefined) statements.run('DELETE FROM kill_switches WHERE scope = ?', release);
  for (const { change, stored } of found) {
    assertSound(change, stored);
    write(statements, change, stored === undefined);
  }
  if (request) {
    insertAnswer(statements, request, request.answer, at);
  }
  return 'committed';
}

function isTaken(statements: Statements, requestId: string): boolean {
  return statements.get('SELECT 1 FROM requests WHERE id = ?', requestId) !== undefined;
}

function write(
  statements: Statements,
  { task, events, completion, destinations, request, ledger, reserve }: ChangeSet,
  isNew: boolean,
): void {
  if (isNew) {
    statements.run(insertTask, ...changingValues(task), ...lastingValues(task));
    statements.run('INSERT INTO specs (task_id, doc) VALUES (?, ?)', task.id, JSON.stringify(task.spec));
  } else {
    statements.run(updateTask, ...changingValues(task));
  }
  for (const { sequence, at, body } of events) {
    statements.run('INSERT INTO events (task_id, sequence, at, doc) VALUES (?, ?, ?, ?)', task.id, sequence, at, JSON.stringify(body));
  }
  if (ledger) writeLedger(statements, task.id, ledger);
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

function writeLedger(statements: Statements, taskId: string, { attempt, entries, whole }: LedgerChange): void {
  if (whole) statements.run('DELETE FROM model_calls WHERE task_id = ? AND attempt = ?', taskId, attempt);
  for (const entry of entries) {
    statements.run(
      'INSERT INTO model_calls (task_id, attempt, call_id, doc) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc',
      taskId,
      attempt,
      entry.callId ?? null,
      JSON.stringify(entry),
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
