import type { FailureReason, Outcome } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { codeOfAll, codeOfBlocked, codeOfCompletion, codeOfError, exitCodeHelp, exitCodes, type ExitCode } from './exit-codes.ts';

// Written out by hand: scripts rely on it.
test.each<[Outcome, FailureReason | undefined, number]>([
  ['success', undefined, 0],
  ['failure', 'harness_failed', 1],
  ['failure', 'harness_missing', 1],
  ['failure', 'killed', 1],
  ['failure', 'quota_exhausted', 1],
  ['partial', undefined, 3],
  ['partial', 'gate_failed', 3],
  ['timeout', 'timeout', 4],
  ['timeout', 'stalled', 4],
  ['timeout', 'no_first_output', 4],
  ['timeout', 'attempt_timeout', 4],
  ['failure', 'unauthenticated', 77],
  ['failure', 'invalid_configuration', 78],
  ['failure', 'cancelled', 130],
  ['failure', 'terminated', 130],
])('outcome %s for %s is %d', (outcome, reason, code) => {
  expect(codeOfCompletion({ outcome, ...(reason === undefined ? {} : { failure: { reason, message: '' } }) })).toBe(code);
});

test.each<[FailureReason, number]>([
  ['unauthenticated', 77],
  ['quota_exhausted', 5],
  ['rate_limited', 5],
])('a task that is blocked for %s: %d', (reason, code) => expect(codeOfBlocked(reason)).toBe(code));

test.each([
  ['invalid_argument', 'EMPTY_PROMPT', 2],
  ['invalid_argument', 'UNKNOWN_HARNESS', 2],
  ['not_found', 'WORKSPACE_NOT_FOUND', 2],
  ['failed_precondition', 'NOT_A_GIT_REPOSITORY', 2],
  ['failed_precondition', 'GIT_MISSING', 2],
  ['already_exists', 'REQUEST_ID_REUSED', 2],
  ['failed_precondition', 'ILLEGAL_TRANSITION', 1],
  ['failed_precondition', 'STATE_FOLDER_IN_USE', 1],
  ['internal', 'INTERNAL', 1],
  ['unavailable', 'NO_DAEMON', 69],
  ['unavailable', 'SHUTTING_DOWN', 69],
  ['unauthenticated', 'UNAUTHENTICATED', 77],
  ['failed_precondition', 'HARNESS_UNAUTHENTICATED', 77],
  ['failed_precondition', 'INVALID_CONFIGURATION', 78],
  ['failed_precondition', 'CONTAINMENT_UNAVAILABLE', 78],
  ['failed_precondition', 'LISTEN_REFUSED', 78],
  ['failed_precondition', 'STATE_FOLDER_SYMLINK', 78],
])('error %s %s is %d', (code, reason, exitCode) => expect(codeOfError({ code, reason })).toBe(exitCode));

test.each<[ExitCode[], number]>([
  [[0, 0], 0],
  [[0, 3, 0], 3],
  [[4, 4], 4],
  [[3, 4], 1],
  [[130, 0], 130],
])('tasks that end with %j give %d', (codes, code) => expect(codeOfAll(codes)).toBe(code));

test('every code is explained', () => {
  expect(exitCodeHelp.map(([code]) => code)).toEqual(Object.values(exitCodes).sort((a, b) => a - b));
});
