import { DomainError } from '../errors.ts';

/**
 * The disk or the database no longer keeps what it is given. Whether the last change is durable is unknown, and a second sync
 * could succeed over pages that the kernel has dropped, so nothing is tried again: the daemon ends and recovers at its next start.
 */
export class StoreFailed extends DomainError {
  constructor(path: string, cause: unknown) {
    super('STORE_FAILED', `the database ${path} failed: ${messageOf(cause)}`, {
      hint: 'look at the disk (dmesg), then start the daemon again: what was acknowledged is kept',
      metadata: { path },
      cause,
    });
    this.name = 'StoreFailed';
  }
}

/** No room for this change. Nothing of it was written; others may go on, and it may be tried again when there is room. */
export class StorageFull extends DomainError {
  constructor(path: string, cause: unknown) {
    super('STORAGE_FULL', `no space left for the database ${path}; nothing of this change was written`, {
      hint: 'free space on its file system; nothing has to be started again',
      metadata: { path },
      cause,
    });
    this.name = 'StorageFull';
  }
}

/** Another program holds the database's write lock. Nothing was written; it may be tried again. */
export class StoreBusy extends DomainError {
  constructor(path: string, cause: unknown) {
    super('STORAGE_BUSY', `another program is writing to the database ${path}`, {
      hint: 'close the other program, for example a sqlite3 shell with an open transaction',
      metadata: { path },
      cause,
    });
    this.name = 'StoreBusy';
  }
}

/** The database may not be opened by this version of the program. It was not changed. */
export class StoreRefused extends DomainError {
  constructor(
    reason: 'STORE_NEWER' | 'STORE_FOREIGN' | 'STORE_ALTERED' | 'STORE_UNSUPPORTED',
    path: string,
    message: string,
    hint: string,
  ) {
    super(reason, message, { hint, metadata: { path } });
    this.name = 'StoreRefused';
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
