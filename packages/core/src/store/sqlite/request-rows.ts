import type { ControlAnswer, StoredRequest } from '../store.ts';
import { documentOf, hasFields, optionalTextOf, textOf, type Row, type Statements } from './rows.ts';

export const selectRequest = 'SELECT hash, task_id, answer FROM requests WHERE id = ?';

export function requestOf(row: Row): StoredRequest {
  const taskId = optionalTextOf(row, 'task_id');
  const hash = textOf(row, 'hash');
  return taskId === undefined ? { hash, answer: documentOf(row, 'answer', isControlAnswer) } : { hash, taskId };
}

/** Keeps what a request that has no task of its own was answered. */
export function insertAnswer(
  statements: Statements,
  request: { readonly id: string; readonly hash: string },
  answer: ControlAnswer,
  at: number,
): void {
  const sql = 'INSERT INTO requests (id, hash, answer, at) VALUES (?, ?, ?, ?)';
  statements.run(sql, request.id, request.hash, JSON.stringify(answer), at);
}

function isControlAnswer(value: unknown): value is ControlAnswer {
  return hasFields(value, 'kind');
}
