import type { FailureReason, TaskCompletionEvent } from '@singletree/sdk';

/** Exit codes, as scripts rely on them. Those above 64 are the ones of sysexits; 130 is what a shell gives for Ctrl-C. */
export const exitCodes = {
  success: 0,
  failure: 1,
  usage: 2,
  partial: 3,
  timeout: 4,
  needsYou: 5,
  noDaemon: 69,
  refused: 77,
  configuration: 78,
  cancelled: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [exitCodes.success, 'success'],
  [exitCodes.failure, 'failure; several different codes; a problem that doctor found; a second daemon on a state folder that is in use'],
  [exitCodes.usage, 'usage or bad input: nothing was created'],
  [exitCodes.partial, 'partial: a change was kept, but not every gate passed, or a limit ended the work'],
  [exitCodes.timeout, 'timeout (4 is "not logged in" in gh; here that is 77)'],
  [exitCodes.needsYou, 'the task is blocked: it waits for a quota or for a person, and goes on waiting'],
  [exitCodes.noDaemon, 'no daemon reachable'],
  [exitCodes.refused, 'token refused, or the harness is not logged in; a task that is blocked for that goes on waiting'],
  [exitCodes.configuration, 'bad configuration, or a state folder that cannot be used'],
  [exitCodes.cancelled, 'cancelled'],
];

export function codeOfCompletion({ outcome, failure }: Pick<TaskCompletionEvent, 'outcome' | 'failure'>): ExitCode {
  const byReason = failure && codesOfReasons[failure.reason];
  return byReason ?? exitCodes[outcome];
}

/** Of a task that waits, and is watched no longer. */
export function codeOfBlocked(reason: FailureReason | undefined): ExitCode {
  return reason === 'unauthenticated' ? exitCodes.refused : exitCodes.needsYou;
}

const codesOfReasons: Partial<Record<FailureReason, ExitCode>> = {
  cancelled: exitCodes.cancelled,
  terminated: exitCodes.cancelled,
  unauthenticated: exitCodes.refused,
  invalid_configuration: exitCodes.configuration,
};

/** Of several tasks: the code that all which did not succeed share, else that of a failure. */
export function codeOfAll(codes: readonly ExitCode[]): ExitCode {
  const [first, ...others] = new Set(codes.filter((code) => code !== exitCodes.success));
  return first === undefined ? exitCodes.success : others.length === 0 ? first : exitCodes.failure;
}

/** The code of an error, by its reason where that says more than its Connect code. */
export function codeOfError({ code, reason }: { readonly code: string; readonly reason: string }): ExitCode {
  if (reason === 'HARNESS_UNAUTHENTICATED' || reason === 'THROTTLED') return exitCodes.refused;
  if (['INVALID_CONFIGURATION', 'CONTAINMENT_UNAVAILABLE', 'LISTEN_REFUSED'].includes(reason)) return exitCodes.configuration;
  if (['STATE_FOLDER_IN_USE', 'ILLEGAL_TRANSITION', 'TASK_NOT_FINAL', 'TELEMETRY_OFF'].includes(reason)) return exitCodes.failure;
  if (reason.startsWith('STATE_FOLDER_')) return exitCodes.configuration;
  return codesOfErrors[code] ?? exitCodes.failure;
}

const codesOfErrors: Readonly<Record<string, ExitCode>> = {
  invalid_argument: exitCodes.usage,
  not_found: exitCodes.usage,
  already_exists: exitCodes.usage,
  out_of_range: exitCodes.usage,
  failed_precondition: exitCodes.usage,
  unimplemented: exitCodes.usage,
  unavailable: exitCodes.noDaemon,
  unauthenticated: exitCodes.refused,
  permission_denied: exitCodes.refused,
};
