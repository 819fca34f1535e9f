import type { CompletionEvent } from '../../task/completion.ts';
import type { TaskEvent } from '../../task/events.ts';
import type { LedgerEntry } from '../../task/ledger.ts';
import type { KillSwitch } from '../../task/scopes.ts';
import type { Instant, Task, TaskState } from '../../task/task.ts';
import type {
  ChangeSet,
  CommitResult,
  CompletionQuery,
  ControlChange,
  LedgerQuery,
  Store,
  StoredCompletion,
  StoredRequest,
  TaskQuery,
} from '../store.ts';
import { commitChange, commitControl } from './commit.ts';
import type { Database } from './database.ts';
import { killSwitchOf, selectKillSwitches } from './kill-switch-rows.ts';
import { documentOf, integerOf, optionalIntegerOf, optionalTextOf, textOf, type Row } from './rows.ts';
import { requestOf, selectRequest } from './request-rows.ts';
import { isCompletion, isEventBody, isLedgerEntry, selectTask, selectTaskBy, taskOf } from './task-rows.ts';

/** In the words of the partial index, so that SQLite finds that it applies. */
const claimable = `(tasks.state = 'created' OR (tasks.state = 'in_review' AND tasks.lease_owner IS NULL))`;
/** In this order, so that no row of tasks costs anything while no switch is thrown. */
const isKilled = `EXISTS (SELECT 1 FROM kill_switches CROSS JOIN json_each(tasks.scopes) AS own WHERE own.value = kill_switches.scope)`;
const workspaceIsFree = `NOT EXISTS (SELECT 1 FROM reservations WHERE path = tasks.in_place_path AND task_id <> tasks.id)`;

/** Looked at only for tasks that wait, which are few: a wait that began in the future was measured by a clock that was set back since. */
const isTime = `(not_before IS NULL OR not_before <= ? OR json_extract(tasks.doc, '$.since') > ?)`;

export const dueTasks: string = `${selectTaskBy('tasks_claimable')} WHERE ${claimable} AND ${isTime}
  AND harness NOT IN (SELECT value FROM json_each(?)) AND ${workspaceIsFree} AND NOT ${isKilled}
  ORDER BY priority DESC, created_at, tasks.id LIMIT ?`;

/** A task whose workspace is taken waits for the holder, not for the clock. */
export const nextDueTime = `
  SELECT not_before FROM tasks INDEXED BY tasks_waiting
  WHERE not_before > ? AND state = 'created' AND ${workspaceIsFree} ORDER BY not_before LIMIT 1`;

/** Greater than every character that an id can have. */
const afterAll = '\u{10ffff}';

export const ledgerOfTask = 'SELECT doc FROM model_calls WHERE task_id = ? ORDER BY attempt, rowid LIMIT ? OFFSET ?';
export const ledgerOfAttempt = 'SELECT doc FROM model_calls WHERE task_id = ? AND attempt = ? ORDER BY rowid LIMIT ? OFFSET ?';

export const completionsInOrder = `
  SELECT completions.doc, specs.doc ->> '$.traceparent' AS traceparent FROM completions JOIN specs ON specs.task_id = completions.task_id
  WHERE (completions.completed_at, completions.task_id) > (?, ?) AND completions.completed_at < ?
  ORDER BY completions.completed_at, completions.task_id LIMIT ?`;

/** The Store port on one SQLite database. */
export class SqliteStore implements Store {
  readonly #database: Database;
  readonly #listeners = new Set<(taskId: string, state: TaskState) => void>();
  readonly #controlListeners = new Set<() => void>();

  constructor(database: Database) {
    this.#database = database;
  }

  async commit(change: ChangeSet): Promise<CommitResult> {
    const result = await this.#database.write((statements) => commitChange(statements, change));
    // In a turn of its own: a listener that throws must not make a commit that is on disk look failed.
    if (result === 'committed') queueMicrotask(() => this.#tell(change.task));
    return result;
  }

  async commitControl(change: ControlChange): Promise<'committed' | 'conflict'> {
    const result = await this.#database.write((statements) => commitControl(statements, change));
    if (result === 'committed') {
      queueMicrotask(() => {
        for (const { task } of change.tasks ?? []) this.#tell(task);
        for (const listener of this.#controlListeners) listener();
      });
    }
    return result;
  }

  task(id: string): Promise<Task | undefined> {
    return this.#one(`${selectTask} WHERE tasks.id = ?`, [id], taskOf);
  }

  tasksByPrefix(prefix: string, limit: number): Promise<Task[]> {
    const sql = `${selectTask} WHERE tasks.id >= ? AND tasks.id < ? ORDER BY tasks.id DESC LIMIT ?`;
    return this.#many(sql, [prefix, prefix + afterAll, limit], taskOf);
  }

  async tasks({ limit, before = afterAll, states }: TaskQuery): Promise<Task[]> {
    if (!states) return await this.#many(`${selectTask} WHERE tasks.id < ? ORDER BY tasks.id DESC LIMIT ?`, [before, limit], taskOf);
    // A page of each state, merged: every one follows the index, however many tasks the state has.
    const sql = `${selectTask} WHERE state = ? AND tasks.id < ? ORDER BY tasks.id DESC LIMIT ?`;
    return await this.#database.read((statements) =>
      [...new Set(states)]
        .flatMap((state) => statements.all(sql, state, before, limit))
        .map((row) => ({ id: textOf(row, 'id'), row }))
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
        .map(({ row }) => taskOf(row)),
    );
  }

  async countByState(): Promise<Record<TaskState, number>> {
    const counts: Record<TaskState, number> = {
      created: 0,
      assigned: 0,
      in_progress: 0,
      in_review: 0,
      blocked: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    };
    const isKey = (state: string): state is TaskState => Object.hasOwn(counts, state);
    const rows = await this.#many('SELECT state, count(*) AS tasks FROM tasks GROUP BY state', [], (row) => row);
    for (const row of rows) {
      const state = textOf(row, 'state');
      if (isKey(state)) counts[state] = integerOf(row, 'tasks');
    }
    return counts;
  }

  async waiting(most: number): Promise<number> {
    const sql = `SELECT count(*) AS tasks FROM (SELECT 1 FROM tasks WHERE state = 'created' LIMIT ?)`;
    const [tasks = 0] = await this.#many(sql, [most], (row) => integerOf(row, 'tasks'));
    return tasks;
  }

  events(taskId: string, afterSequence: number, limit: number): Promise<TaskEvent[]> {
    const sql = 'SELECT sequence, at, doc FROM events WHERE task_id = ? AND sequence > ? ORDER BY sequence LIMIT ?';
    return this.#many(sql, [taskId, afterSequence, limit], (row) => ({
      sequence: integerOf(row, 'sequence'),
      at: integerOf(row, 'at'),
      body: documentOf(row, 'doc', isEventBody),
    }));
  }

  ledger({ taskId, attempt, skip, limit }: LedgerQuery): Promise<LedgerEntry[]> {
    const isOfTask = attempt === undefined;
    return this.#many(isOfTask ? ledgerOfTask : ledgerOfAttempt, [taskId, ...(isOfTask ? [] : [attempt]), limit, skip], (row) =>
      documentOf(row, 'doc', isLedgerEntry),
    );
  }

  completion(taskId: string): Promise<CompletionEvent | undefined> {
    return this.#one('SELECT doc FROM completions WHERE task_id = ?', [taskId], (row) => documentOf(row, 'doc', isCompletion));
  }

  completions({ since = 0, until = Number.MAX_SAFE_INTEGER, after, limit }: CompletionQuery): Promise<StoredCompletion[]> {
    // Every id is greater than the empty one.
    const { completedAt, taskId } = after && after.completedAt >= since ? after : { completedAt: since, taskId: '' };
    return this.#many(completionsInOrder, [completedAt, taskId, until, limit], (row) => {
      const traceparent = optionalTextOf(row, 'traceparent');
      return { completion: documentOf(row, 'doc', isCompletion), ...(traceparent === undefined ? {} : { traceparent }) };
    });
  }

  due(now: Instant, limit: number, full: readonly string[] = []): Promise<Task[]> {
    return this.#many(dueTasks, [now, now, JSON.stringify(full), limit], taskOf);
  }

  async nextDue(after: Instant): Promise<Instant | undefined> {
    return await this.#one(nextDueTime, [after], (row) => optionalIntegerOf(row, 'not_before'));
  }

  leased(): Promise<Task[]> {
    return this.#many(`${selectTask} WHERE lease_owner IS NOT NULL ORDER BY tasks.id`, [], taskOf);
  }

  workspaceHolder(path: string): Promise<string | undefined> {
    return this.#one('SELECT task_id FROM reservations WHERE path = ?', [path], (row) => textOf(row, 'task_id'));
  }

  killSwitches(): Promise<KillSwitch[]> {
    return this.#many(`${selectKillSwitches} ORDER BY thrown_at, rowid`, [], killSwitchOf);
  }

  request(requestId: string): Promise<StoredRequest | undefined> {
    return this.#one(selectRequest, [requestId], requestOf);
  }

  onCommit(listener: (taskId: string, state: TaskState) => void): () => void {
    // Wrapped, so that the same function may listen twice and each stops for itself.
    const entry: typeof listener = (taskId, state) => listener(taskId, state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  onControl(listener: () => void): () => void {
    const entry: typeof listener = () => listener();
    this.#controlListeners.add(entry);
    return () => this.#controlListeners.delete(entry);
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #tell({ id, state }: Task): void {
    for (const listener of this.#listeners) listener(id, state);
  }

  #many<T>(sql: string, values: (string | number)[], decode: (row: Row) => T): Promise<T[]> {
    return this.#database.read((statements) => statements.all(sql, ...values).map(decode));
  }

  #one<T>(sql: string, values: (string | number)[], decode: (row: Row) => T): Promise<T | undefined> {
    return this.#database.read((statements) => {
      const row = statements.get(sql, ...values);
      return row && decode(row);
    });
  }
}
