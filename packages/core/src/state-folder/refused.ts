import { DomainError } from '../errors.ts';
import type { Address } from './address.ts';

export type StateFolderReason =
  | 'STATE_FOLDER_SYMLINK'
  | 'STATE_FOLDER_NOT_A_FOLDER'
  | 'STATE_FOLDER_FOREIGN'
  | 'STATE_FOLDER_OPEN_TO_OTHERS'
  | 'STATE_FOLDER_NOT_WRITABLE'
  | 'STATE_FOLDER_OBSTRUCTED'
  | 'STATE_FOLDER_UNSUPPORTED'
  | 'STATE_FOLDER_PATH_TOO_LONG'
  | 'STATE_FOLDER_TOKEN_REFUSED'
  | 'STATE_FOLDER_IN_USE';

/** A folder that state cannot be trusted to. */
export class StateFolderRefused extends DomainError {
  constructor(
    reason: StateFolderReason,
    path: string,
    message: string,
    hint: string,
    details: { cause?: unknown; metadata?: Record<string, string> } = {},
  ) {
    super(reason, message, { hint, metadata: { path, ...details.metadata }, cause: details.cause });
    this.name = 'StateFolderRefused';
  }
}

/** Another daemon has the folder. */
export class StateFolderInUse extends StateFolderRefused {
  /** What is known of that daemon; nothing while it is still starting. */
  readonly holder: Address | undefined;

  constructor(path: string, fileSystem: string, holder: Address | undefined) {
    super(
      'STATE_FOLDER_IN_USE',
      path,
      `the state folder ${path} is in use by ${holder ? `the daemon with pid ${holder.pid} at ${holder.address}` : 'another daemon, which has no address yet'}`,
      holder
        ? 'use that daemon, end it with: singletree down, or name another folder with --state'
        : `try again in a moment; if no daemon runs, its file system (${fileSystem}) has no locks: name another folder with --state`,
      holder ? { metadata: { pid: String(holder.pid), address: holder.address } } : {},
    );
    this.name = 'StateFolderInUse';
    this.holder = holder;
  }
}

/** For commands in hints. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
