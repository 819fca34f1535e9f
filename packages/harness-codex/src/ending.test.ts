import { expect, test } from 'vitest';
import { brokeOff, exitEvidence, failure } from './ending.ts';

/** The words of 0.150.0 and 0.169.0. */
test.each([
  ['unexpected status 401 Unauthorized: Invalid API key, url: http://h/v1/responses', 'unauthenticated'],
  ['unexpected status 403 Forbidden: no, url: http://h/v1/responses', 'unauthenticated'],
  ['unexpected status 404 Not Found: The model `foo` does not exist, url: http://h/v1/responses', 'invalid_configuration'],
  ['exceeded retry limit, last status: 429 Too Many Requests', 'rate_limited'],
  ['rate limit exceeded: Rate limit reached for gpt-5.5. Please try again in 1.5s.', 'rate_limited'],
  ['stream disconnected before completion: Rate limit reached for gpt-5.5. Please try again in 1.5s.', 'rate_limited'],
  ['Quota exceeded. Check your plan and billing details.', 'quota_exhausted'],
  ['You’ve hit your usage limit. Upgrade to Pro or try again at 11:38 PM.', 'quota_exhausted'],
  ['We’re currently experiencing high demand, which may cause temporary errors.', 'transient_api_error'],
  ['unexpected status 503 Service Unavailable: no, url: http://h/v1/responses', 'transient_api_error'],
  ['Selected model is at capacity. Please try a different model.', 'transient_api_error'],
  ['stream disconnected before completion: idle timeout waiting for SSE', 'transient_api_error'],
  ["Codex ran out of room in the model's context window. Start a new thread or clear earlier history.", 'context_exhausted'],
  ['Unsupported model foo', undefined],
])('%s: %s', (message, reason) => {
  expect(failure(message)).toEqual({ result: 'failed', message, ...(reason === undefined ? {} : { reason }) });
});

test("where a server's own words take the place of its status, the last request tells it", () => {
  expect(failure('The model `foo` does not exist', 404).reason).toBe('invalid_configuration');
  expect(failure('Quota exceeded', 429).reason).toBe('quota_exhausted');
  expect(failure('Unsupported model foo', 400)).not.toHaveProperty('reason');
});

test.each([
  ['stream disconnected before completion: stream closed before response.completed', true],
  ['Reconnecting... 1/5 (stream disconnected before completion: Transport error: network error)', true],
  ['stream disconnected before completion: error sending request for url (http://h)', false],
  ['stream disconnected before completion: Rate limit reached for gpt-5.5.', false],
  ['unexpected status 500', false],
])('%s: an answer had begun: %s', (message, begun) => expect(brokeOff(message)).toBe(begun));

const json = '{"type":"turn.started"}\n';
test.each<[string, number | null, string, object | undefined]>([
  [
    'no rollout',
    1,
    'Reading prompt from stdin...\nError: thread/resume failed: no rollout found for thread id x (code -32600)\n',
    { reason: 'invalid_configuration', message: 'Error: thread/resume failed: no rollout found for thread id x (code -32600)' },
  ],
  ['a bad flag', 2, "error: unexpected argument '--nope' found\n\nUsage: codex exec", { reason: 'invalid_configuration' }],
  ['a bad file', 1, 'Error loading config.toml: unknown variant `foo`\n', { reason: 'invalid_configuration' }],
  [
    'a panic after events',
    101,
    `${json}2026-11-21T18:33:06.1Z  INFO codex_otel.trace_safe: event.name="x"\nthread 'main' panicked at x.rs:1:\nboom\n`,
    { message: "thread 'main' panicked at x.rs:1:\nboom" },
  ],
  ['events alone', 1, json, undefined],
  ['nothing', 1, '', undefined],
  ['a signal', null, 'error: no\n', undefined],
  ['exit code 0', 0, 'error: no\n', undefined],
])('the exit tells of %s', (_, code, stderrTail, evidence) => {
  if (evidence === undefined) expect(exitEvidence({ code, stderrTail })).toBeUndefined();
  else expect(exitEvidence({ code, stderrTail })).toMatchObject({ result: 'failed', ...evidence });
});
