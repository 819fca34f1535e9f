import { expect, test } from 'vitest';
import { exitEvidence, failure } from './ending.ts';

test.each<[string, object, string | undefined]>([
  ['401', { name: 'APIError', data: { message: 'no', statusCode: 401 } }, 'unauthenticated'],
  ['402', { name: 'APIError', data: { message: 'no', statusCode: 402 } }, 'quota_exhausted'],
  ['429', { name: 'APIError', data: { message: 'no', statusCode: 429, isRetryable: true } }, 'rate_limited'],
  ['503', { name: 'APIError', data: { message: 'no', statusCode: 503 } }, 'transient_api_error'],
  ['a lost connection', { name: 'APIError', data: { message: 'no', isRetryable: true } }, 'transient_api_error'],
  [
    'a model that is not there',
    { name: 'UnknownError', data: { message: 'Model not found: mk/m9. Did you mean: m1?' } },
    'invalid_configuration',
  ],
  ['anything else', { name: 'UnknownError', data: { message: 'what?' } }, undefined],
])('%s', (_, error, reason) => expect(failure(error as never).reason).toBe(reason));

test('the exit tells what the CLI said between its own lines, or else what it logged last', () => {
  const tail = '{"type":"text"}\ntimestamp=2026-11-21T19:00:00Z level=ERROR run=x message="stream error" error="it broke"\n';
  expect(exitEvidence({ code: 1, stderrTail: `${tail}\u001b[91mError: \u001b[0mSession not found\n` })).toEqual({
    result: 'failed',
    reason: 'invalid_configuration',
    message: 'Error: Session not found',
  });
  expect(exitEvidence({ code: 1, stderrTail: tail })).toEqual({ result: 'failed', message: 'it broke' });
  expect(exitEvidence({ code: 1, stderrTail: '' })).toBeUndefined();
  expect(exitEvidence({ code: 0, stderrTail: tail })).toBeUndefined();
  expect(exitEvidence({ code: null, stderrTail: tail })).toBeUndefined();
});
