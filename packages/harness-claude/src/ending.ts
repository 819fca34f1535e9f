import { arrayOf, clip, countOf, defined, entryOf, stringOf, type EndEvidence, type EndReason, type JsonObject } from '@singletree/harness';

/** Longest message of an ending, in bytes. */
const messageBytes = 2048;

/** What a `result` line says of the end. `is_error` decides, not `subtype`: a failed API call is `subtype: "success"`.
 *  `apiError` is the code of the last API failure that was printed; the result itself only repeats its HTTP status. */
export function endEvidence(result: JsonObject, apiError: string | undefined, interrupted: boolean): EndEvidence {
  const subtype = stringOf(result['subtype']) ?? '';
  const terminal = stringOf(result['terminal_reason']) ?? '';
  if (result['is_error'] !== true && !subtype.startsWith('error')) return { result: 'completed' };
  const message = messageOf(result);
  if (terminal.startsWith('aborted_') || (terminal === '' && interrupted)) return defined({ result: 'interrupted', message });
  const reason = reasonOf(result, subtype, terminal, apiError);
  return defined({ result: 'failed', reason, message });
}

function reasonOf(result: JsonObject, subtype: string, terminal: string, apiError: string | undefined): EndReason | undefined {
  // Older versions call even that completed.
  const api = ['api_error', 'completed', ''].includes(terminal) ? apiError : undefined;
  return (
    entryOf(endings, terminal) ??
    entryOf(endings, subtype) ??
    entryOf(apiErrors, api) ??
    statusReason(countOf(result['api_error_status'])) ??
    (api === 'unknown' ? 'transient_api_error' : undefined)
  );
}

const endings: Readonly<Record<string, EndReason>> = {
  prompt_too_long: 'context_exhausted',
  max_turns: 'turn_limit',
  error_max_turns: 'turn_limit',
  budget_exhausted: 'cost_limit',
  error_max_budget_usd: 'cost_limit',
};

/** The CLI's own codes, from its output schema. */
const apiErrors: Readonly<Record<string, EndReason>> = {
  authentication_failed: 'unauthenticated',
  oauth_org_not_allowed: 'unauthenticated',
  cloud_credential_error: 'unauthenticated',
  billing_error: 'quota_exhausted',
  usage_limit_reached: 'quota_exhausted',
  rate_limit: 'rate_limited',
  overloaded: 'transient_api_error',
  server_error: 'transient_api_error',
  model_not_found: 'invalid_configuration',
};

function statusReason(status: number | undefined): EndReason | undefined {
  if (status === undefined) return undefined;
  if (status === 401 || status === 403) return 'unauthenticated';
  if (status === 429) return 'rate_limited';
  if (status === 404) return 'invalid_configuration';
  return status >= 500 ? 'transient_api_error' : undefined;
}

function messageOf(result: JsonObject): string | undefined {
  const errors = arrayOf(result['errors']).filter((error) => typeof error === 'string');
  const text = errors.length > 0 ? errors.join('; ') : stringOf(result['result']);
  return text === undefined || text === '' ? undefined : clip(text, messageBytes);
}

/** What the CLI says on standard error when it gives up before the first line of output. */
export function exitEvidence(exit: { readonly code: number | null; readonly stderrTail: string }): EndEvidence | undefined {
  const message = exit.stderrTail.trim();
  if (exit.code === null || exit.code === 0 || message === '') return undefined;
  const known = startupErrors.some((pattern) => pattern.test(message));
  return defined({
    result: 'failed',
    reason: known ? 'invalid_configuration' : undefined,
    message: clip(message, messageBytes),
  });
}

const startupErrors: readonly RegExp[] = [
  /cannot be used with root\/sudo privileges/,
  /^error: unknown option/m,
  /^error: option .* is invalid/m,
  /No conversation found with session ID/,
  /Session ID \S+ is already in use/,
];
