import type { Instant } from '../../task/task.ts';
import {
  mostRetryAfterMs,
  type HistoryWanted,
  type OutboxKey,
  type OutboxRecord,
  type OutboxRow,
  type OutboxStore,
  type Queued,
  type QueueChange,
  type TaskHistory,
} from '../outbox.ts';
import type { Database } from './database.ts';
import { documentOf, integerOf, optionalBytesOf, optionalIntegerOf, optionalTextOf, textOf, type Row } from './rows.ts';
import { insertAnswer, requestOf, selectRequest } from './request-rows.ts';
import { isCompletion, isEventBody, isLedgerEntry, taskOf } from './task-rows.ts';

const ofKey = `task_id = ? AND destination = ? AND signal = ?`;

/**
 * A row that was made in the future, or is due later than any receiver may ask for, got its time from a clock that was set back since: what is
 * left of its wait nobody can tell, so it is over.
 */
export const pendingRows = `
  SELECT outbox.task_id, outbox.destination, outbox.attempts, outbox.payload, completions.doc AS completion, tasks.doc, specs.doc AS spec
  FROM outbox INDEXED BY outbox_by_age
  JOIN completions ON completions.task_id = outbox.task_id
  JOIN tasks ON tasks.id = outbox.task_id
  JOIN specs ON specs.task_id = outbox.task_id
  WHERE outbox.state = 'pending' AND outbox.destination = ?1
    AND (outbox.due_at <= ?2 OR outbox.created_at > ?2 OR outbox.due_at > ?2 + ${mostRetryAfterMs})
  ORDER BY outbox.created_at, outbox.task_id LIMIT ?3`;

const eventsOf = (which: string): string => `SELECT sequence, at, doc FROM events WHERE task_id = ? AND (${which}) ORDER BY sequence`;
const isChange = `doc ->> '$.kind' = 'state_changed'`;
const isTool = `doc ->> '$.event.kind' IN ('tool.started', 'tool.finished')`;
const changesOfState = eventsOf(isChange);
const changesAndTools = eventsOf(`${isChange} OR ${isTool}`);
const selectLedger = 'SELECT doc FROM model_calls WHERE task_id = ? ORDER BY attempt, rowid';

/** In the words of the partial index, so that SQLite finds that it applies. */
const isKept = `state IN ('undirected', 'dead')`;

/** But not where the task has a row for the destination already: nothing is sent under two rows. */
export const directRows = `
  UPDATE outbox SET destination = ?1, state = 'pending', due_at = ?2 WHERE rowid IN (
    SELECT kept.rowid FROM outbox AS kept WHERE state = 'undirected' AND ${isKept} AND created_at >= ?3 AND (?4 IS NULL OR task_id = ?4)
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE task_id = kept.task_id AND signal = kept.signal AND destination = ?1))`;

/** With the bytes that were refused: they may have come nevertheless, and then they are recognised. */
const revive = `
  UPDATE outbox SET state = 'pending', due_at = ?2
  WHERE state = 'dead' AND ${isKept} AND destination = ?1 AND created_at >= ?3 AND (?4 IS NULL OR task_id = ?4)`;

export const countKept = `SELECT count(*) AS kept FROM outbox WHERE state = ? AND ${isKept}`;

const recordOf = `
  SELECT state, payload, delivered_at, last_error FROM outbox
  WHERE task_id = ? AND signal = 'traces' AND (destination = ? OR destination IS NULL) ORDER BY destination IS NULL LIMIT 1`;

/** The outbox port on the database whose commits insert its rows. */
export class SqliteOutbox implements OutboxStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  pending(destination: string, now: Instant, limit: number): Promise<OutboxRow[]> {
    return this.#database.read((statements) => statements.all(pendingRows, destination, now, limit).map(outboxRow));
  }

  history(taskId: string, { tools, modelCalls }: HistoryWanted): Promise<TaskHistory> {
    return this.#database.read((statements) => ({
      events: statements.all(tools ? changesAndTools : changesOfState, taskId).map((row) => ({
        sequence: integerOf(row, 'sequence'),
        at: integerOf(row, 'at'),
        body: documentOf(row, 'doc', isEventBody),
      })),
      calls: modelCalls ? statements.all(selectLedger, taskId).map((row) => documentOf(row, 'doc', isLedgerEntry)) : [],
    }));
  }

  freeze(row: OutboxKey, payload: Uint8Array): Promise<Uint8Array> {
    return this.#database.write((statements) => {
      statements.run(`UPDATE outbox SET payload = ? WHERE ${ofKey} AND payload IS NULL`, payload, ...valuesOf(row));
      const stored = statements.get(`SELECT payload FROM outbox WHERE ${ofKey}`, ...valuesOf(row));
      const frozen = stored && optionalBytesOf(stored, 'payload');
      if (!frozen) throw new Error(`there is no outbox row for task ${row.taskId} and destination ${row.destination}`);
      return frozen;
    });
  }

  delivered(row: OutboxKey, at: Instant): Promise<void> {
    return this.#after(row, `state = 'delivered', delivered_at = ?, last_error = NULL`, at);
  }

  retryAt(row: OutboxKey, at: Instant, error: string): Promise<void> {
    return this.#after(row, 'due_at = ?, last_error = ?', at, error);
  }

  dead(row: OutboxKey, error: string): Promise<void> {
    return this.#after(row, `state = 'dead', last_error = ?`, error);
  }

  nextPending(destination: string): Promise<Instant | undefined> {
    const sql = `SELECT min(due_at) AS due_at FROM outbox WHERE state = 'pending' AND destination = ?`;
    return this.#database.read((statements) => optionalIntegerOf(statements.get(sql, destination), 'due_at'));
  }

  backlog(): Promise<{ readonly rows: number; readonly oldest?: Instant }> {
    return this.#database.read((statements) => {
      const row = statements.get(`SELECT count(*) AS pending, min(created_at) AS oldest FROM outbox WHERE state = 'pending'`);
      const oldest = optionalIntegerOf(row, 'oldest');
      return { rows: row ? integerOf(row, 'pending') : 0, ...(oldest === undefined ? {} : { oldest }) };
    });
  }

  queue({ destination, from, since = 0, taskId, at, request }: QueueChange): Promise<Queued> {
    return this.#database.write((statements) => {
      const earlier = request && statements.get(selectRequest, request.id);
      if (earlier) return { kind: 'repeated', earlier: requestOf(earlier) };
      statements.run(from === 'dead' ? revive : directRows, destination, at, since, taskId ?? null);
      const answer = { kind: 'queued', rows: integerOf(statements.get('SELECT changes() AS changed') ?? {}, 'changed') } as const;
      if (request) insertAnswer(statements, request, answer, at);
      return answer;
    });
  }

  unsent(): Promise<{ readonly undirected: number; readonly dead: number }> {
    return this.#database.read((statements) => {
      const count = (state: string): number => integerOf(statements.get(countKept, state) ?? {}, 'kept');
      return { undirected: count('undirected'), dead: count('dead') };
    });
  }

  record(taskId: string, destination: string): Promise<OutboxRecord | undefined> {
    return this.#database.read((statements) => {
      const row = statements.get(recordOf, taskId, destination);
      return row && outboxRecord(row);
    });
  }

  instanceId(): Promise<string> {
    return this.#database.read((statements) => textOf(statements.get(`SELECT value FROM meta WHERE key = 'instance_id'`) ?? {}, 'value'));
  }

  /** What one try to send a row led to. A row that is no longer pending stays as it is: a late answer changes nothing. */
  #after(row: OutboxKey, set: string, ...values: (string | number)[]): Promise<void> {
    return this.#database.write((statements) =>
      statements.run(`UPDATE outbox SET attempts = attempts + 1, ${set} WHERE ${ofKey} AND state = 'pending'`, ...values, ...valuesOf(row)),
    );
  }
}

function outboxRecord(row: Row): OutboxRecord {
  const payload = optionalBytesOf(row, 'payload');
  const deliveredAt = optionalIntegerOf(row, 'delivered_at');
  const lastError = optionalTextOf(row, 'last_error');
  return {
    state: recordStateOf(textOf(row, 'state')),
    ...(payload === undefined ? {} : { payload }),
    ...(deliveredAt === undefined ? {} : { deliveredAt }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

function recordStateOf(text: string): OutboxRecord['state'] {
  if (text === 'undirected' || text === 'pending' || text === 'delivered' || text === 'dead') return text;
  throw new Error(`the outbox holds the state "${text}", which there is not`);
}

function valuesOf({ taskId, destination, signal }: OutboxKey): string[] {
  return [taskId, destination, signal];
}

function outboxRow(row: Row): OutboxRow {
  const payload = optionalBytesOf(row, 'payload');
  return {
    taskId: textOf(row, 'task_id'),
    destination: textOf(row, 'destination'),
    signal: 'traces',
    task: taskOf(row),
    completion: documentOf(row, 'completion', isCompletion),
    attempts: integerOf(row, 'attempts'),
    ...(payload === undefined ? {} : { payload }),
  };
}
