import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** Runs statements, preparing each text once. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepare(sql).run(...values);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new TypeError(`column ${column} holds ${typeof value}, not text`);
  return value;
}

/** Text, or undefined where the column is NULL. */
export function optionalTextOf(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : textOf(row, column);
}

/** An integer. Node refuses to read one beyond 2⁵³, so none is ever rounded. */
export function integerOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} holds ${typeof value}, not an integer`);
  return value;
}

/** An integer, or undefined where the column is NULL or there is no row. */
export function optionalIntegerOf(row: Row | undefined, column: string): number | undefined {
  return row && row[column] !== null ? integerOf(row, column) : undefined;
}

/** Bytes, or undefined where the column is NULL. */
export function optionalBytesOf(row: Row, column: string): Uint8Array | undefined {
  const value = row[column];
  if (value === null) return undefined;
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} holds ${typeof value}, not bytes`);
  return value;
}

/** A document of ours. What it holds is what this program wrote or a migration made; the guard tells only which kind it is. */
export function documentOf<T>(row: Row, column: string, isKind: (value: unknown) => value is T): T {
  const value: unknown = JSON.parse(textOf(row, column));
  if (!isKind(value)) throw new TypeError(`column ${column} holds a document of another kind: ${textOf(row, column).slice(0, 80)}`);
  return value;
}

export function hasFields(value: unknown, ...fields: string[]): boolean {
  return typeof value === 'object' && value !== null && fields.every((field) => field in value);
}
