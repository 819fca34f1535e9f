import { clip, countOf, defined, objectOf, stringOf, type EndEvidence, type EndReason, type JsonObject } from '@singletree/harness';

/** An `error` line. What its `data` holds beyond the message (address, headers, body) stays in the log. */
export function failure(error: JsonObject): EndEvidence {
  const data = objectOf(error['data']);
  const name = stringOf(error['name']) ?? 'error';
  const message = clip(stringOf(data['message']) ?? name, 2048);
  return defined({ result: 'failed', reason: reasonOf(name, countOf(data['statusCode']), data['isRetryable'] === true), message });
}

function reasonOf(name: string, status: number | undefined, retryable: boolean): EndReason | undefined {
  if (name === 'ContextOverflowError') return 'context_exhausted';
  if (name === 'ProviderAuthError' || status === 401 || status === 403) return 'unauthenticated';
  if (status === 429) return 'rate_limited';
  if (status === 402) return 'quota_exhausted';
  if (status !== undefined && status >= 500) return 'transient_api_error';
  return retryable ? 'transient_api_error' : undefined;
}

/** What the CLI says on standard error when it gives up without a line of output. */
export function exitEvidence(exit: { readonly code: number | null; readonly stderrTail: string }): EndEvidence | undefined {
  const message = exit.stderrTail.trim();
  if (exit.code === null || exit.code === 0 || message === '') return undefined;
  const reason = /Session not found/.test(message) ? 'invalid_configuration' : undefined;
  return defined({ result: 'failed', reason, message: clip(message, 2048) });
}
