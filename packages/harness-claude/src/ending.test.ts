import { describe, expect, test } from 'vitest';
import { endEvidence, exitEvidence } from './ending.ts';

/** `terminal_reason`, `subtype`, `api_error_status` and the code of the failed call, as claude 2.1.329 printed them. */
const failures = [
  ['401 from the API', 'api_error', 'success', 401, 'authentication_failed', 'unauthenticated'],
  ['no key at all', 'api_error', 'success', null, 'authentication_failed', 'unauthenticated'],
  ['403', 'api_error', 'success', 403, 'authentication_failed', 'unauthenticated'],
  ['429', 'api_error', 'success', 429, 'rate_limit', 'rate_limited'],
  ['no credit left', 'api_error', 'success', 400, 'billing_error', 'quota_exhausted'],
  ['unknown model', 'api_error', 'success', 404, 'model_not_found', 'invalid_configuration'],
  ['529', 'api_error', 'success', 529, 'server_error', 'transient_api_error'],
  ['connection refused', 'api_error', 'success', null, 'unknown', 'transient_api_error'],
  ['a request that the API does not take', 'api_error', 'success', 400, 'invalid_request', undefined],
  ['too long a prompt', 'prompt_too_long', 'success', 400, 'invalid_request', 'context_exhausted'],
  ['turns used up', 'max_turns', 'error_max_turns', null, undefined, 'turn_limit'],
  ['budget used up', 'budget_exhausted', 'error_max_budget_usd', null, undefined, 'cost_limit'],
  ['a connection that was lost, as claude 2.1.197 printed it', 'completed', 'success', null, 'server_error', 'transient_api_error'],
  ['an older CLI that only tells the status', '', 'success', 500, undefined, 'transient_api_error'],
  ['a retried failure that was over long before', 'turn_setup_failed', 'error_during_execution', null, 'rate_limit', undefined],
] as const;

describe('a result that is an error', () => {
  test.each(failures)('%s', (_, terminal_reason, subtype, api_error_status, code, reason) => {
    const result = { is_error: true, subtype, terminal_reason, api_error_status, result: 'in its words' };
    expect(endEvidence(result, code, false)).toEqual({ result: 'failed', message: 'in its words', ...(reason ? { reason } : {}) });
  });

  test('was interrupted if the CLI says so, or an older one printed it', () => {
    const errors = ['[ede_diagnostic] x', 'y'];
    expect(
      endEvidence({ is_error: true, subtype: 'error_during_execution', terminal_reason: 'aborted_tools', errors }, undefined, false),
    ).toEqual({
      result: 'interrupted',
      message: '[ede_diagnostic] x; y',
    });
    expect(endEvidence({ is_error: true, subtype: 'error_during_execution' }, undefined, true)).toEqual({ result: 'interrupted' });
  });
});

test('without an error it is completed, whatever else is said', () => {
  expect(endEvidence({ is_error: false, subtype: 'success', terminal_reason: 'completed', result: 'done' }, 'rate_limit', false)).toEqual({
    result: 'completed',
  });
});

describe('an exit without a word on standard output', () => {
  test.each([
    ['--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons\n', 'invalid_configuration'],
    ["error: unknown option '--nonsense'\n", 'invalid_configuration'],
    ['Error: Session ID 55555555-2222-4333-8444-795273207704 is already in use.\n', 'invalid_configuration'],
    ['Segmentation fault\n', undefined],
  ])('%s', (stderrTail, reason) => {
    expect(exitEvidence({ code: 1, stderrTail })).toEqual({ result: 'failed', message: stderrTail.trim(), ...(reason ? { reason } : {}) });
  });

  test('says nothing if the CLI was killed, ended well or wrote nothing', () => {
    expect(exitEvidence({ code: null, stderrTail: 'x' })).toBeUndefined();
    expect(exitEvidence({ code: 0, stderrTail: 'x' })).toBeUndefined();
    expect(exitEvidence({ code: 1, stderrTail: ' \n' })).toBeUndefined();
  });
});
