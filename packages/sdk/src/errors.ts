import type { Task } from './types.ts';

/** A call that was refused or failed. */
export class SingletreeError extends Error {
  override readonly name: string = 'SingletreeError';
  /** The Connect code, such as `failed_precondition`. */
  readonly code: string;
  /** One of the error reasons of the protocol, such as `ILLEGAL_TRANSITION`; the code in upper case where the daemon gave none. */
  readonly reason: string;
  /** What to do about it, where the daemon can tell. */
  readonly hint?: string;
  /** What the message names, by key. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    message: string,
    fields: { code: string; reason?: string | undefined; hint?: string | undefined; metadata?: Record<string, string>; cause?: unknown },
  ) {
    super(message, { cause: fields.cause });
    this.code = fields.code;
    this.reason = fields.reason ?? fields.code.toUpperCase();
    if (fields.hint !== undefined) this.hint = fields.hint;
    this.metadata = fields.metadata ?? {};
  }

  /** As `--json` prints it below `error`. */
  toJSON(): { code: string; reason: string; message: string; hint?: string; metadata: Readonly<Record<string, string>> } {
    const { code, reason, message, hint, metadata } = this;
    return { code, reason, message, ...(hint === undefined ? {} : { hint }), metadata };
  }
}

interface Details {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** No daemon answers at the address, or there is no address. */
export class NoDaemonError extends SingletreeError {
  override readonly name = 'NoDaemonError';

  constructor(message: string, { hint = 'singletree up --detach', cause }: Details = {}) {
    super(message, { code: 'unavailable', reason: 'NO_DAEMON', hint, cause });
  }
}

/** The connection broke before the answer came: nobody can tell from here whether the call was carried out. */
export class ConnectionLostError extends SingletreeError {
  override readonly name = 'ConnectionLostError';

  constructor(message: string, details: Details = {}) {
    super(message, { code: 'unavailable', reason: 'CONNECTION_LOST', ...details });
  }
}

/** Why a TLS connection to a daemon is not made. */
export type TlsReason =
  | 'CERTIFICATE_UNTRUSTED'
  | 'CERTIFICATE_WRONG_NAME'
  | 'CERTIFICATE_EXPIRED'
  | 'CLIENT_CERTIFICATE_REFUSED'
  | 'NOT_TLS'
  | 'NOT_HTTP'
  | 'TLS_FAILED';

/** Somebody answers at the address, but cannot show that it is the daemon, or does not take this client for one. Nothing was sent to it. */
export class TlsError extends SingletreeError {
  override readonly name = 'TlsError';
  declare readonly reason: TlsReason;

  constructor(message: string, { reason, ...details }: Details & { readonly reason: TlsReason }) {
    super(message, { code: 'unavailable', reason, ...details });
  }
}

export type TokenReason = 'TOKEN_MISSING' | 'TOKEN_INVALID' | 'SCOPE_MISSING';

/** The daemon wants a token, does not know the one that it was shown, or lets it do less than this. */
export class TokenError extends SingletreeError {
  override readonly name = 'TokenError';
  declare readonly reason: TokenReason;

  constructor(
    message: string,
    { reason, metadata = {}, ...details }: Details & { readonly reason: TokenReason; readonly metadata?: Record<string, string> },
  ) {
    super(message, { code: reason === 'SCOPE_MISSING' ? 'permission_denied' : 'unauthenticated', reason, metadata, ...details });
  }
}

/** The call's own `timeoutMs` has passed. Nobody can tell from here whether the call was carried out. */
export class DeadlineError extends SingletreeError {
  override readonly name = 'DeadlineError';

  constructor(cause?: unknown) {
    super('the call did not end in the time that it was given', { code: 'deadline_exceeded', reason: 'DEADLINE_EXCEEDED', cause });
  }
}

/** A watched task cannot go on before something outside changes, and the caller wanted to know. The task itself goes on waiting. */
export class TaskBlockedError extends SingletreeError {
  override readonly name = 'TaskBlockedError';
  /** The task, blocked. */
  readonly task: Task;

  constructor(task: Task) {
    const { reason = 'unknown', message = '', until, failsAt } = task.blocked ?? {};
    super(`task ${task.id} is blocked: ${message || reason}`, {
      code: 'failed_precondition',
      reason: 'TASK_BLOCKED',
      hint: `singletree unblock ${task.id}`,
      metadata: {
        task_id: task.id,
        blocked_reason: reason,
        ...(until ? { until: until.toISOString() } : {}),
        ...(failsAt ? { fails_at: failsAt.toISOString() } : {}),
      },
    });
    this.task = task;
  }
}

/** Codes that say "not now": the daemon stops, or gave the call up. */
const passingCodes: readonly string[] = ['unavailable', 'aborted', 'canceled', 'deadline_exceeded'];

/** Whether the same call may succeed a moment later. That there is no daemon at all is another matter. */
export function isPassing(error: unknown): boolean {
  if (error instanceof NoDaemonError || error instanceof TlsError || error instanceof DeadlineError) return false;
  return error instanceof SingletreeError && passingCodes.includes(error.code);
}
