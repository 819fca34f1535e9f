import type { DatabaseSync } from 'node:sqlite';
import { failpointSync } from '../../failpoints.ts';
import { StorageFull, StoreBusy, StoreFailed } from '../errors.ts';
import { isAboutTheStatement, isBusy, isFull } from './errors.ts';

interface Write {
  /** Does the statements; gives what tells the caller, once they are committed. */
  run(): () => void;
  reject(error: Error): void;
}

/**
 * Group commit: writes that arrive in the same turn of the event loop share one synced transaction, each in a savepoint of its own.
 * A group is written in one synchronous piece, so no read ever sees half of it.
 */
export class WriteQueue {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #onFailed: (failure: StoreFailed) => void;
  #waiting: Write[] = [];
  #refusal: Error | undefined;

  constructor(database: DatabaseSync, path: string, onFailed: (failure: StoreFailed) => void) {
    this.#database = database;
    this.#path = path;
    this.#onFailed = onFailed;
  }

  /** Why nothing is taken any more. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /** Runs statements in the next transaction. Resolves after its commit is on disk; an error thrown by `write` undoes only what it wrote. */
  enqueue<T>(write: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#refusal) {
        reject(this.#refusal);
        return;
      }
      this.#waiting.push({
        run() {
          const result = write();
          return () => resolve(result);
        },
        reject,
      });
      if (this.#waiting.length === 1) setImmediate(() => this.flush());
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length > 0) this.#commit(group);
  }

  /** Takes no more writes. Those that wait are committed first. */
  stop(): void {
    this.flush();
    this.#refusal ??= new Error(`the database ${this.#path} is closed`);
  }

  /** The database can no longer be believed: everything that waits and everything after is refused. */
  fail(cause: unknown): StoreFailed {
    if (this.#refusal instanceof StoreFailed) return this.#refusal;
    const failure = new StoreFailed(this.#path, cause);
    this.#refusal = failure;
    for (const write of this.#waiting.splice(0)) write.reject(failure);
    this.#onFailed(failure);
    return failure;
  }

  #commit(group: readonly Write[]): void {
    let settled: (() => void)[];
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      settled = group.map((write) => this.#inSavepoint(write));
      failpointSync('store.commit.before');
      this.#database.exec('COMMIT');
      failpointSync('store.commit.after');
    } catch (error) {
      this.#undo(group, error);
      return;
    }
    for (const settle of settled) settle();
  }

  #inSavepoint(write: Write): () => void {
    this.#database.exec('SAVEPOINT one');
    try {
      const settle = write.run();
      this.#database.exec('RELEASE one');
      return settle;
    } catch (error) {
      if (!isAboutTheStatement(error)) throw error;
      this.#database.exec('ROLLBACK TO one');
      this.#database.exec('RELEASE one');
      return () => write.reject(asError(error));
    }
  }

  #undo(group: readonly Write[], error: unknown): void {
    try {
      // SQLite may have rolled back by itself, for want of space for example.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    } catch (worse) {
      error = worse;
    }
    if (isFull(error) && group.length > 1) {
      // Whose change was too large for the space that is left shows only when each is alone.
      for (const write of group) this.#alone(write);
    } else if (isFull(error) || isBusy(error)) {
      const refusal = isFull(error) ? new StorageFull(this.#path, error) : new StoreBusy(this.#path, error);
      for (const write of group) write.reject(refusal);
    } else {
      const failure = this.fail(error);
      for (const write of group) write.reject(failure);
    }
  }

  #alone(write: Write): void {
    if (this.#refusal) write.reject(this.#refusal);
    else this.#commit([write]);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
