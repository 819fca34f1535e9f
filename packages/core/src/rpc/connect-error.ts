import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema, type ErrorReason } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import { limits } from './limits.ts';

type Reason = Exclude<keyof typeof ErrorReason, 'UNSPECIFIED'>;

/** The one table from reasons to codes. Nothing else invents a code. */
const codes: Readonly<Record<Reason, Code>> = {
  INVALID_REQUEST: Code.InvalidArgument,
  EMPTY_PROMPT: Code.InvalidArgument,
  INVALID_PROMPT: Code.InvalidArgument,
  INVALID_PAGE_TOKEN: Code.InvalidArgument,
  INVALID_LIMIT: Code.InvalidArgument,
  DUPLICATE_GATE: Code.InvalidArgument,
  INVALID_SCOPE: Code.InvalidArgument,
  INVALID_RETRY_RULE: Code.InvalidArgument,
  INVALID_CONTEXT_FILE: Code.InvalidArgument,
  UNKNOWN_HARNESS: Code.InvalidArgument,
  UNKNOWN_GATE: Code.InvalidArgument,
  AMBIGUOUS_TASK_ID: Code.InvalidArgument,
  PERMISSION_MODE_UNSUPPORTED: Code.InvalidArgument,
  TASK_NOT_FOUND: Code.NotFound,
  WORKSPACE_NOT_FOUND: Code.NotFound,
  LOG_NOT_FOUND: Code.NotFound,
  UNKNOWN_DESTINATION: Code.NotFound,
  ILLEGAL_TRANSITION: Code.FailedPrecondition,
  TASK_NOT_FINAL: Code.FailedPrecondition,
  TELEMETRY_OFF: Code.FailedPrecondition,
  NOT_A_GIT_REPOSITORY: Code.FailedPrecondition,
  NO_COMMIT: Code.FailedPrecondition,
  WORKSPACE_NOT_ACCESSIBLE: Code.FailedPrecondition,
  WORKSPACE_IN_USE: Code.FailedPrecondition,
  WORKSPACE_CHANGED: Code.FailedPrecondition,
  GIT_MISSING: Code.FailedPrecondition,
  GIT_TOO_OLD: Code.FailedPrecondition,
  HARNESS_MISSING: Code.FailedPrecondition,
  HARNESS_UNSUPPORTED_VERSION: Code.FailedPrecondition,
  HARNESS_UNAUTHENTICATED: Code.FailedPrecondition,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  SEQUENCE_COMPACTED: Code.OutOfRange,
  SEQUENCE_IN_FUTURE: Code.OutOfRange,
  SHUTTING_DOWN: Code.Unavailable,
  STORAGE_FULL: Code.ResourceExhausted,
  OUTBOX_FULL: Code.ResourceExhausted,
  QUEUE_FULL: Code.ResourceExhausted,
  STORAGE_BUSY: Code.Unavailable,
  MACHINE_EXHAUSTED: Code.ResourceExhausted,
  NOT_SUPPORTED: Code.Unimplemented,
  TOKEN_MISSING: Code.Unauthenticated,
  TOKEN_INVALID: Code.Unauthenticated,
  SCOPE_MISSING: Code.PermissionDenied,
  HOST_REFUSED: Code.PermissionDenied,
  ORIGIN_REFUSED: Code.PermissionDenied,
  THROTTLED: Code.ResourceExhausted,
  REQUEST_TOO_LARGE: Code.ResourceExhausted,
  SLOW_READER: Code.ResourceExhausted,
  TOO_MANY_CALLS: Code.ResourceExhausted,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CALL_CANCELED: Code.Canceled,
  SERVICE_NOT_FOUND: Code.NotFound,
  INTERNAL: Code.Internal,
};

/** Reasons for what comes without one: from the wire itself, which knows codes only. */
const reasonsOfTheWire: Partial<Record<Code, Reason>> = {
  [Code.Unavailable]: 'SHUTTING_DOWN',
  [Code.Canceled]: 'CALL_CANCELED',
  [Code.Aborted]: 'CALL_CANCELED',
  [Code.DeadlineExceeded]: 'DEADLINE_EXCEEDED',
  [Code.ResourceExhausted]: 'REQUEST_TOO_LARGE',
  [Code.Unimplemented]: 'NOT_SUPPORTED',
  [Code.Internal]: 'INTERNAL',
};

/** An error as clients see it: a code and exactly one ErrorInfo. What we did not expect says nothing of our insides. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) {
    const hasInfo = error.findDetails(ErrorInfoSchema).length > 0;
    const reason = reasonsOfTheWire[error.code] ?? 'INVALID_REQUEST';
    if (hasInfo) return error;
    return reason === 'REQUEST_TOO_LARGE' ? tooLarge() : withInfo(codes[reason], reason, error.rawMessage, {});
  }
  const reason = reasonOf(error);
  if (error instanceof DomainError && reason) {
    const hint: Record<string, string> = error.hint === undefined ? {} : { hint: error.hint };
    return withInfo(codes[reason], reason, error.message, { ...error.metadata, ...hint });
  }
  const lack = lackOf(error);
  if (lack) return withInfo(codes[lack.reason], lack.reason, `${lack.message} (${lack.code}); try again later`, { code: lack.code });
  return withInfo(Code.Internal, 'INTERNAL', 'a fault of the daemon; its log says more', {});
}

/**
 * The same for what was thrown while a request was read: that is never our fault, though the wire calls bytes that mean nothing an internal
 * error.
 */
export function toRequestError(error: unknown): ConnectError {
  const isOfTheWire = error instanceof ConnectError && error.findDetails(ErrorInfoSchema).length === 0;
  const isTold = isOfTheWire && error.code !== Code.Internal && error.code !== Code.Unknown;
  return isOfTheWire && !isTold ? withInfo(Code.InvalidArgument, 'INVALID_REQUEST', error.rawMessage, {}) : toConnectError(error);
}

/** Whether an error is one that the daemon did not expect and should log. */
export function isFault(error: unknown): boolean {
  const reason = reasonOf(error);
  return !(error instanceof ConnectError) && (reason === undefined || reason === 'INTERNAL');
}

/** The daemon ends when its store has failed, and the next one knows what was kept: that is where to ask again, with the same request id. */
function reasonOf(error: unknown): Reason | undefined {
  if (!(error instanceof DomainError)) return undefined;
  const reason = error.reason === 'STORE_FAILED' ? 'SHUTTING_DOWN' : error.reason;
  return isReason(reason) ? reason : undefined;
}

/** What the system says when it has too little of something, which may be another matter in a moment. */
const lacks: Readonly<Record<string, { readonly reason: Reason; readonly message: string }>> = {
  EMFILE: { reason: 'MACHINE_EXHAUSTED', message: 'the daemon may open no more files' },
  ENFILE: { reason: 'MACHINE_EXHAUSTED', message: 'the machine has no more files to open' },
  EAGAIN: { reason: 'MACHINE_EXHAUSTED', message: 'the daemon may start no more processes' },
  ENOMEM: { reason: 'MACHINE_EXHAUSTED', message: 'the machine has no memory left' },
  ENOSPC: { reason: 'STORAGE_FULL', message: 'a disk is full' },
  EDQUOT: { reason: 'STORAGE_FULL', message: 'a quota of disk space is used up' },
};

function lackOf(error: unknown): { readonly reason: Reason; readonly message: string; readonly code: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  const lack = lacks[code];
  return lack ? { ...lack, code } : lackOf(error.cause);
}

function tooLarge(): ConnectError {
  const message = `the request is larger than ${limits.requestBytes / 1_048_576} MiB`;
  return withInfo(Code.ResourceExhausted, 'REQUEST_TOO_LARGE', message, { hint: 'put long context into files of the workspace' });
}

function withInfo(code: Code, reason: Reason, message: string, metadata: Readonly<Record<string, string>>): ConnectError {
  const told = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, tellable(value)]));
  const info = create(ErrorInfoSchema, { reason, domain: 'singletree', metadata: told });
  return new ConnectError(tellable(message), code, undefined, [{ desc: ErrorInfoSchema, value: info }]);
}

/** gRPC sends errors in trailers, of which many clients take 8 KiB in all, and halves of surrogate pairs, as JSON may hold them, in no way. */
const mostBytes = 1_024;

function tellable(text: string): string {
  const whole = text.toWellFormed();
  if (Buffer.byteLength(whole) <= mostBytes) return whole;
  // A character that was cut in two becomes U+FFFD.
  return `${Buffer.from(whole).toString('utf8', 0, mostBytes - 8)}…`;
}

function isReason(reason: string): reason is Reason {
  return reason in codes;
}
