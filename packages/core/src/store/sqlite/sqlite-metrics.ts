import type { Instant } from '../../task/task.ts';
import type { MetricStore, Point, Totals } from '../metrics.ts';
import type { Database } from './database.ts';
import { documentOf, integerOf, optionalIntegerOf, textOf, type Row, type Statements } from './rows.ts';
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

  fold(taskIds: readonly string[], changes: readonly Point[], at: Instant): Promise<'folded' | 'conflict'> {
    return this.#database.write((statements) => {
      if (taskIds.some((id) => isFolded(statements, id))) return 'conflict';
      for (const id of taskIds) statements.run('UPDATE completions SET folded = 1 WHERE task_id = ?', id);
      for (const change of changes) add(statements, change);
      statements.run(
        `INSERT INTO meta (key, value) VALUES ('metrics_at', ?1)
         ON CONFLICT DO UPDATE SET value = CAST(max(CAST(value AS INTEGER), CAST(?1 AS INTEGER)) AS TEXT)`,
        String(at),
      );
      return 'folded';
    });
  }

  totals(): Promise<Totals> {
    return this.#database.read((statements) => {
      const at = statements.get(`SELECT CAST(value AS INTEGER) AS at FROM meta WHERE key = 'metrics_at'`);
      const since = statements.get(`SELECT CAST(value AS INTEGER) AS since FROM meta WHERE key = 'metrics_since'`);
      return {
        since: integerOf(since ?? {}, 'since'),
        ...(at ? { at: integerOf(at, 'at') } : {}),
        points: statements.all('SELECT metric, labels, count, sum, buckets FROM metric_points ORDER BY metric, labels').map(pointOf),
      };
    });
  }
}

function isFolded(statements: Statements, taskId: string): boolean {
  return optionalIntegerOf(statements.get('SELECT folded FROM completions WHERE task_id = ?', taskId), 'folded') !== 0;
}

function add(statements: Statements, { metric, labels, count, sum, buckets }: Point): void {
  const key = JSON.stringify(Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))));
  const row = statements.get('SELECT metric, labels, count, sum, buckets FROM metric_points WHERE metric = ? AND labels = ?', metric, key);
  const before = row && pointOf(row);
  const total = buckets?.map((added, index) => added + (before?.buckets?.[index] ?? 0));
  statements.run(
    'INSERT OR REPLACE INTO metric_points (metric, labels, count, sum, buckets) VALUES (?, ?, ?, ?, ?)',
    metric,
    key,
    count + (before?.count ?? 0),
    sum + (before?.sum ?? 0),
    total ? JSON.stringify(total) : null,
  );
}

function pointOf(row: Row): Point {
  return {
    metric: textOf(row, 'metric'),
    labels: documentOf(row, 'labels', isLabels),
    count: integerOf(row, 'count'),
    sum: integerOf(row, 'sum'),
    ...(row['buckets'] === null ? {} : { buckets: documentOf(row, 'buckets', isBuckets) }),
  };
}

function isLabels(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((label) => typeof label === 'string');
}

function isBuckets(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => typeof count === 'number');
}
