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
  type RecordRow,
  type Standing,
  type TaskHistory,
} from '../outbox.ts';
import type { Database } from './database.ts';
import { documentOf, integerOf, optionalBytesOf, optionalIntegerOf, optionalTextOf, textOf, type Row, type Statements } from './rows.ts';
import { insertAnswer, requestOf, selectRequest } from './request-rows.ts';
import { isCompletion, isEventBody, isLedgerEntry, taskOf } from './task-rows.ts';

const ofKey = `task_id = ? AND destination = ? AND signal = ?`;

/**
 * A row that was made in the future, or is due later than any receiver may ask for, got its time from a clock that was set back since: what is
 * left of its wait nobody can tell, so it is over.
 */
export const pendingRows = `
  SELECT outbox.task_id, outbox.destination, outbox.attempts, payloads.bytes AS payload, completions.doc AS completion, tasks.doc, specs.doc AS spec
  FROM outbox INDEXED BY outbox_by_age
  LEFT JOIN payloads ON payloads.task_id = outbox.task_id AND payloads.signal = outbox.signal
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

const isWanted = `created_at >= ?1 AND (?2 IS NULL OR task_id = ?2)`;
export const undirectedRows = `SELECT rowid, task_id, signal, created_at FROM outbox WHERE state = 'undirected' AND ${isKept} AND ${isWanted}`;
/** Of destinations that there are not any more. */
const orphanedRows = (state: 'pending' | 'dead'): string => `
  SELECT rowid, task_id, signal, created_at FROM outbox
  WHERE state = '${state}' AND destination NOT IN (SELECT value FROM json_each(?3)) AND ${isWanted}`;
const leftRows = `SELECT * FROM (${undirectedRows} UNION ALL ${orphanedRows('pending')})`;
const allRows = `SELECT * FROM outbox WHERE ${isWanted} AND ?3 IS NOT NULL`;

/** A task that has a row for the destination already gets no second one: nothing is sent under two rows. */
const insertRows = (from: string): string => `
  INSERT INTO outbox (task_id, destination, signal, state, created_at, due_at)
  SELECT task_id, ?4, signal, 'pending', created_at, ?5 FROM (${from}) WHERE true ON CONFLICT DO NOTHING`;
const insertLeft = insertRows(leftRows);
const insertAll = insertRows(allRows);
const deleteLeft = `DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM (${leftRows}))`;
const insertOrphanedDead = insertRows(orphanedRows('dead'));
const deleteOrphanedDead = `DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM (${orphanedRows('dead')}))`;

/** With the bytes that were refused: they may have come nevertheless, and then they are recognised. */
const revive = `
  UPDATE outbox SET state = 'pending', due_at = ?4
  WHERE state = 'dead' AND ${isKept} AND ${isWanted} AND destination IN (SELECT value FROM json_each(?3))`;

export const countUndirected = `SELECT count(*) AS rows FROM outbox WHERE state = 'undirected' AND ${isKept}`;
export const countPending = `
  SELECT destination, count(*) AS rows, min(created_at) AS oldest FROM outbox INDEXED BY outbox_by_age WHERE state = 'pending' GROUP BY destination`;
const countDead = `SELECT destination, count(*) AS rows FROM outbox WHERE state = 'dead' AND ${isKept} GROUP BY destination`;
const selectDestinations = 'SELECT name, delivered, dead, rejected FROM destinations ORDER BY name';
const countOwed = `
  SELECT count(*) AS rows FROM (SELECT 1 FROM outbox WHERE state = 'pending' AND destination IN (SELECT value FROM json_each(?)) LIMIT ?)`;

const recordRows = `
  SELECT destination, state, delivered_at, last_error FROM outbox WHERE task_id = ? AND signal = 'traces' ORDER BY destination`;
const selectPayload = `SELECT bytes FROM payloads WHERE task_id = ? AND signal = ?`;

export const deliveredBefore = `SELECT rowid FROM outbox WHERE state = 'delivered' AND delivered_at < ?1`;
const prunedRows = `
  DELETE FROM outbox WHERE rowid IN (
    ${deliveredBefore}
    UNION ALL SELECT rowid FROM outbox WHERE state = 'undirected' AND ${isKept} AND created_at < ?1
    UNION ALL SELECT rowid FROM outbox
      WHERE state = 'pending' AND destination NOT IN (SELECT value FROM json_each(?2)) AND created_at < ?1
    LIMIT ?3)
  RETURNING task_id, signal`;
const prunedPayload = `
  DELETE FROM payloads WHERE task_id = ?1 AND signal = ?2 AND NOT EXISTS (SELECT 1 FROM outbox WHERE task_id = ?1 AND signal = ?2)`;

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
    const { taskId, destination, signal } = row;
    return this.#database.write((statements) => {
      if (!statements.get(`SELECT 1 FROM outbox WHERE ${ofKey}`, ...valuesOf(row)))
        throw new Error(`there is no outbox row for task ${taskId} and destination ${destination}`);
      statements.run('INSERT OR IGNORE INTO payloads (task_id, signal, bytes) VALUES (?, ?, ?)', taskId, signal, payload);
      const stored = statements.get(selectPayload, taskId, signal);
      return (stored && optionalBytesOf(stored, 'bytes')) ?? payload;
    });
  }

  delivered(row: OutboxKey, at: Instant, rejected = 0): Promise<void> {
    return this.#after(row, `state = 'delivered', delivered_at = ?, last_error = NULL`, [at], { delivered: 1, dead: 0, rejected });
  }

  retryAt(row: OutboxKey, at: Instant, error: string): Promise<void> {
    return this.#after(row, 'due_at = ?, last_error = ?', [at, error]);
  }

  dead(row: OutboxKey, error: string): Promise<void> {
    return this.#after(row, `state = 'dead', last_error = ?`, [error], { delivered: 0, dead: 1, rejected: 0 });
  }

  nextPending(destination: string): Promise<Instant | undefined> {
    const sql = `SELECT min(due_at) AS due_at FROM outbox WHERE state = 'pending' AND destination = ?`;
    return this.#database.read((statements) => optionalIntegerOf(statements.get(sql, destination), 'due_at'));
  }

  standing(): Promise<Standing> {
    return this.#database.read(standingOf);
  }

  owed(destinations: readonly string[], most: number): Promise<number> {
    return this.#database.read((statements) => rowsOf(statements.get(countOwed, JSON.stringify(destinations), most)));
  }

  queue({ from, destinations, to, since = 0, taskId, at, request }: QueueChange): Promise<Queued> {
    return this.#database.write((statements) => {
      const earlier = request && statements.get(selectRequest, request.id);
      if (earlier) return { kind: 'repeated', earlier: requestOf(earlier) };
      const targets = to === undefined ? destinations : [to];
      const left = [since, taskId ?? null, JSON.stringify(destinations)] as const;
      let rows = 0;
      const run = (sql: string, ...values: (string | number | null)[]): void => {
        statements.run(sql, ...values);
        rows += integerOf(statements.get('SELECT changes() AS changed') ?? {}, 'changed');
      };
      const [insert, remove] =
        from === 'dead' ? [insertOrphanedDead, deleteOrphanedDead] : [to === undefined ? insertLeft : insertAll, deleteLeft];
      if (from === 'dead') run(revive, since, taskId ?? null, JSON.stringify(targets), at);
      for (const target of targets) run(insert, ...left, target, at);
      if (targets.length > 0) statements.run(remove, ...left);
      const answer = { kind: 'queued', rows } as const;
      if (request) insertAnswer(statements, request, answer, at);
      return answer;
    });
  }

  record(taskId: string): Promise<OutboxRecord | undefined> {
    return this.#database.read((statements) => {
      const rows = statements.all(recordRows, taskId).map(recordRow);
      const stored = statements.get(selectPayload, taskId, 'traces');
      const payload = stored && optionalBytesOf(stored, 'bytes');
      return rows.length === 0 ? undefined : { rows, ...(payload === undefined ? {} : { payload }) };
    });
  }

  prune({ before, destinations, limit }: Parameters<OutboxStore['prune']>[0]): Promise<number> {
    return this.#database.write((statements) => {
      const pruned = statements.all(prunedRows, before, JSON.stringify(destinations), limit);
      for (const row of pruned) statements.run(prunedPayload, textOf(row, 'task_id'), textOf(row, 'signal'));
      return pruned.length;
    });
  }

  keepBytesOf(rules: string): Promise<void> {
    return this.#database.write((statements) => {
      const before = statements.get(`SELECT value FROM meta WHERE key = 'payload_rules'`);
      if (before && textOf(before, 'value') === rules) return;
      if (before) statements.run('DELETE FROM payloads');
      statements.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('payload_rules', ?)`, rules);
    });
  }

  instanceId(): Promise<string> {
    return this.#database.read((statements) => textOf(statements.get(`SELECT value FROM meta WHERE key = 'instance_id'`) ?? {}, 'value'));
  }

  /** What one try to send a row led to. A row that is no longer pending stays as it is: a late answer changes nothing. */
  #after(row: OutboxKey, set: string, values: readonly (string | number)[], counts?: Counts): Promise<void> {
    return this.#database.write((statements) => {
      const isPending = statements.get(`SELECT 1 FROM outbox WHERE ${ofKey} AND state = 'pending'`, ...valuesOf(row)) !== undefined;
      if (!isPending) return;
      statements.run(`UPDATE outbox SET attempts = attempts + 1, ${set} WHERE ${ofKey}`, ...values, ...valuesOf(row));
      if (counts) statements.run(count, row.destination, counts.delivered, counts.dead, counts.rejected);
    });
  }
}

interface Counts {
  readonly delivered: number;
  readonly dead: number;
  readonly rejected: number;
}

const count = `
  INSERT INTO destinations (name, delivered, dead, rejected) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT DO UPDATE SET delivered = delivered + ?2, dead = dead + ?3, rejected = rejected + ?4`;

/** How the rows stand; a read of what is committed. */
export function standingOf(statements: Statements): Standing {
  const byDestination = (sql: string): Map<string, Row> => new Map(statements.all(sql).map((row) => [textOf(row, 'destination'), row]));
  const [pending, dead] = [byDestination(countPending), byDestination(countDead)];
  const ever = new Map(statements.all(selectDestinations).map((row) => [textOf(row, 'name'), row]));
  const names = [...new Set([...pending.keys(), ...dead.keys(), ...ever.keys()])].sort();
  return {
    undirected: rowsOf(statements.get(countUndirected)),
    destinations: names.map((destination) => {
      const counted = ever.get(destination);
      const oldest = optionalIntegerOf(pending.get(destination), 'oldest');
      const of = (column: string): number => (counted ? integerOf(counted, column) : 0);
      return {
        destination,
        pending: rowsOf(pending.get(destination)),
        ...(oldest === undefined ? {} : { oldest }),
        dead: rowsOf(dead.get(destination)),
        ever: { delivered: of('delivered'), dead: of('dead'), rejectedSpans: of('rejected') },
      };
    }),
  };
}

function rowsOf(row: Row | undefined): number {
  return row ? integerOf(row, 'rows') : 0;
}

function recordRow(row: Row): RecordRow {
  const destination = optionalTextOf(row, 'destination');
  const deliveredAt = optionalIntegerOf(row, 'delivered_at');
  const lastError = optionalTextOf(row, 'last_error');
  return {
    state: recordStateOf(textOf(row, 'state')),
    ...(destination === undefined ? {} : { destination }),
    ...(deliveredAt === undefined ? {} : { deliveredAt }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

function recordStateOf(text: string): RecordRow['state'] {
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
