import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { CompletionEvent } from '../../task/completion.ts';
import type { TaskEventBody } from '../../task/events.ts';
import type { LedgerEntry } from '../../task/ledger.ts';
import { scopesOf } from '../../task/scopes.ts';
import type { Task, TaskSpec } from '../../task/task.ts';
import { documentOf, hasFields, type Row } from './rows.ts';

/** Reads whole tasks; goes on with a WHERE or an ORDER BY over `tasks`. */
export const selectTask: string = selectTaskBy('');

/** The same through an index that SQLite would not choose by itself, since it knows nothing of how the states are spread. */
export function selectTaskBy(index: string): string {
  const indexed = index && `INDEXED BY ${index}`;
  return `SELECT tasks.id, tasks.doc, specs.doc AS spec FROM tasks ${indexed} JOIN specs ON specs.task_id = tasks.id`;
}

export function taskOf(row: Row): Task {
  return { ...documentOf(row, 'doc', isTaskDocument), spec: documentOf(row, 'spec', isSpec) };
}

export function isEventBody(value: unknown): value is TaskEventBody {
  return hasFields(value, 'kind');
}

export function isLedgerEntry(value: unknown): value is LedgerEntry {
  return hasFields(value, 'attempt', 'provenance');
}

export function isCompletion(value: unknown): value is CompletionEvent {
  return hasFields(value, 'eventId', 'outcome');
}

/** As the SQL function `scopes_of(doc, spec)`: what a migration fills the column with. */
export function scopesColumn(doc: SQLOutputValue, spec: SQLOutputValue): string {
  return JSON.stringify(scopesOf(taskOf({ doc, spec })));
}

function isTaskDocument(value: unknown): value is Omit<Task, 'spec'> {
  return hasFields(value, 'id', 'state', 'version', 'attempts');
}

function isSpec(value: unknown): value is TaskSpec {
  return hasFields(value, 'instructions', 'harness', 'workspace');
}

export const insertTask = `
  INSERT INTO tasks (state, not_before, lease_owner, fence, version, sequence, scopes, doc, id, priority, created_at, harness, in_place_path)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export const updateTask = `
  UPDATE tasks SET state = ?, not_before = ?, lease_owner = ?, fence = ?, version = ?, sequence = ?, scopes = ?, doc = ? WHERE id = ?`;

/** The values of `updateTask`, and the first ones of `insertTask`: the document, and of it what queries look at. */
export function changingValues(task: Task): SQLInputValue[] {
  const { spec: _, ...changing } = task;
  return [
    task.state,
    task.notBefore ?? null,
    task.lease?.owner ?? null,
    task.fence,
    task.version,
    task.sequence,
    JSON.stringify(scopesOf(task)),
    JSON.stringify(changing),
    task.id,
  ];
}

/** The other values of `insertTask`, which never change. */
export function lastingValues({ spec, createdAt }: Task): SQLInputValue[] {
  return [spec.priority, createdAt, spec.harness, spec.workspace.reserves ?? null];
}
