import type { Instant } from '../../task/task.ts';
import { mostAheadMs, type Live, type MetricStore, type Point, type Snapshot } from '../metrics.ts';
import type { Database } from './database.ts';
import { documentOf, integerOf, optionalIntegerOf, textOf, type Row, type Statements } from './rows.ts';
import { standingOf } from './sqlite-outbox.ts';
import { isCompletion, taskOf } from './task-rows.ts';

const unfoldedRows = `
  SELECT completions.doc AS completion, tasks.doc, specs.doc AS spec FROM completions INDEXED BY completions_unfolded
  JOIN tasks ON tasks.id = completions.task_id JOIN specs ON specs.task_id = completions.task_id
  WHERE completions.folded = 0 ORDER BY completions.task_id LIMIT ?`;

/** The metrics port on the database whose commits insert its completions. */
export class SqliteMetrics implements MetricStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  unfolded(limit: number): ReturnType<MetricStore['unfolded']> {
    return this.#database.read((statements) =>
      statements.all(unfoldedRows, limit).map((row) => ({ task: taskOf(row), completion: documentOf(row, 'completion', isCompletion) })),
    );
  }

  fold(taskIds: readonly string[], changes: readonly Point[], at: Instant): Promise<Snapshot | 'conflict'> {
    return this.#database.write((statements) => {
      if (taskIds.some((id) => isFolded(statements, id))) return 'conflict';
      const before = metaOf(statements, 'metrics_at');
      const time = before === undefined || before - at > mostAheadMs ? at : Math.max(at, before + 1);
      for (const id of taskIds) statements.run('UPDATE completions SET folded = 1 WHERE task_id = ?', id);
      for (const change of changes) add(statements, change, time);
      statements.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('metrics_at', ?)`, String(time));
      return {
        since: metaOf(statements, 'metrics_since') ?? time,
        at: time,
        points: statements.all(selectPoints).map(pointOf),
        live: liveOf(statements),
      };
    });
  }

  series(): Promise<Pick<Point, 'metric' | 'labels'>[]> {
    return this.#database.read((statements) =>
      statements
        .all('SELECT metric, labels FROM metric_points')
        .map((row) => ({ metric: textOf(row, 'metric'), labels: documentOf(row, 'labels', isLabels) })),
    );
  }

  acknowledged(destination: string): Promise<Instant | undefined> {
    return this.#database.read((statements) =>
      optionalIntegerOf(statements.get('SELECT metrics_at FROM destinations WHERE name = ?', destination), 'metrics_at'),
    );
  }

  acknowledge(destination: string, at: Instant): Promise<void> {
    return this.#database.write((statements) =>
      statements.run(
        'INSERT INTO destinations (name, metrics_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET metrics_at = ?2',
        destination,
        at,
      ),
    );
  }
}

const selectPoints = 'SELECT metric, labels, count, sum, buckets, first_at FROM metric_points ORDER BY metric, labels';

function metaOf(statements: Statements, key: string): Instant | undefined {
  return optionalIntegerOf(statements.get('SELECT CAST(value AS INTEGER) AS at FROM meta WHERE key = ?', key), 'at');
}

const activeTasks =
  'SELECT harness AS name, count(*) AS tasks FROM tasks INDEXED BY tasks_leased WHERE lease_owner IS NOT NULL GROUP BY harness';
const queuedTasks = `SELECT harness AS name, count(*) AS tasks FROM tasks WHERE state = 'created' GROUP BY harness`;
const blockedTasks = `
  SELECT coalesce(doc ->> '$.blocked.reason', 'unknown') AS name, count(*) AS tasks FROM tasks WHERE state = 'blocked' GROUP BY name`;

function liveOf(statements: Statements): Live {
  const counted = (sql: string): { name: string; tasks: number }[] =>
    statements.all(sql).map((row) => ({ name: textOf(row, 'name'), tasks: integerOf(row, 'tasks') }));
  return {
    active: counted(activeTasks).map(({ name, tasks }) => ({ harness: name, tasks })),
    queued: counted(queuedTasks).map(({ name, tasks }) => ({ harness: name, tasks })),
    blocked: counted(blockedTasks).map(({ name, tasks }) => ({ reason: name, tasks })),
    outbox: standingOf(statements),
  };
}

function isFolded(statements: Statements, taskId: string): boolean {
  return optionalIntegerOf(statements.get('SELECT folded FROM completions WHERE task_id = ?', taskId), 'folded') !== 0;
}

function add(statements: Statements, { metric, labels, count, sum, buckets }: Point, at: Instant): void {
  const key = JSON.stringify(Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))));
  const row = statements.get(
    'SELECT metric, labels, count, sum, buckets, first_at FROM metric_points WHERE metric = ? AND labels = ?',
    metric,
    key,
  );
  const before = row && pointOf(row);
  const total = buckets?.map((added, index) => added + (before?.buckets?.[index] ?? 0));
  const firstAt = before ? (before.firstAt ?? null) : at;
  statements.run(
    'INSERT OR REPLACE INTO metric_points (metric, labels, count, sum, buckets, first_at) VALUES (?, ?, ?, ?, ?, ?)',
    metric,
    key,
    count + (before?.count ?? 0),
    sum + (before?.sum ?? 0),
    total ? JSON.stringify(total) : null,
    firstAt,
  );
}

function pointOf(row: Row): Point {
  const firstAt = optionalIntegerOf(row, 'first_at');
  return {
    metric: textOf(row, 'metric'),
    labels: documentOf(row, 'labels', isLabels),
    count: integerOf(row, 'count'),
    sum: integerOf(row, 'sum'),
    ...(firstAt === undefined ? {} : { firstAt }),
    ...(row['buckets'] === null ? {} : { buckets: documentOf(row, 'buckets', isBuckets) }),
  };
}

function isLabels(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((label) => typeof label === 'string');
}

function isBuckets(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => typeof count === 'number');
}
