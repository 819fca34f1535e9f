import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema } from '@singletree/protocol';
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

/** No daemon answers at the address, or there is no address. */
export class NoDaemonError extends SingletreeError {
  override readonly name = 'NoDaemonError';

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'unavailable', reason: 'NO_DAEMON', hint: 'singletree up --detach', cause });
  }
}

/** The connection broke before the answer came: nobody can tell from here whether the call was carried out. */
export class ConnectionLostError extends SingletreeError {
  override readonly name = 'ConnectionLostError';

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'unavailable', reason: 'CONNECTION_LOST', cause });
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

/** Whatever a call threw, as one of the errors above. An error that does not come from the call is given back as it is. */
export function errorFrom(error: unknown, address: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  const refusal = refusalToConnect(error);
  if (refusal !== undefined) return new NoDaemonError(`no daemon answers at ${address} (${refusal})`, error);
  const [info] = error.findDetails(ErrorInfoSchema);
  // What did not come from the daemon is a connection that broke; but one that answers with something else is no daemon of ours.
  if (!error.isWireError && error.code !== Code.Unimplemented)
    return new ConnectionLostError(`lost the daemon at ${address}: ${error.rawMessage}`, error);
  const { hint, ...metadata } = info?.metadata ?? {};
  return new SingletreeError(error.rawMessage, { code: nameOf(error.code), reason: info?.reason, hint, metadata, cause: error });
}

/** Codes that say "not now": the daemon stops, or gave the call up. */
const passingCodes: readonly string[] = ['unavailable', 'aborted', 'canceled', 'deadline_exceeded'];

/** Whether the same call may succeed a moment later. That there is no daemon at all is another matter. */
export function isPassing(error: unknown): boolean {
  return error instanceof SingletreeError && !(error instanceof NoDaemonError) && passingCodes.includes(error.code);
}

/** The system's error code if the connection could not even be made. */
function refusalToConnect(error: Error): string | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('syscall' in cause && cause.syscall === 'connect' && 'code' in cause && typeof cause.code === 'string') return cause.code;
  }
  return undefined;
}

/** `FailedPrecondition` → `failed_precondition`. */
function nameOf(code: Code): string {
  return (Code[code] ?? 'Unknown').replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
