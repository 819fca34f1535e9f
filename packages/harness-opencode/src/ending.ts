import { clip, countOf, defined, objectOf, stringOf, type EndEvidence, type EndReason, type JsonObject } from '@singletree/harness';
import { readLogLine } from './log.ts';

/** Longest message of an ending, in bytes. */
const messageBytes = 2048;

/** What a step's reason says of the run. Undefined: it goes on. */
export function stepEnd(reason: unknown, rejected: boolean): EndEvidence | undefined {
  switch (reason) {
    case 'stop':
    case 'other': // a word of the provider's that the CLI does not know; it ends there
      return { result: 'completed' };
    case 'length':
      return { result: 'failed', message: "the model's answer was cut off at its longest output" };
    case 'content-filter':
      return { result: 'failed', message: "the provider's content filter blocked the answer" };
    case 'error':
      return { result: 'failed', message: 'the provider ended the answer with an error' };
    default:
      if (!rejected) return undefined;
      return { result: 'failed', reason: 'permission_denied', message: 'a permission was asked for and nobody could answer' };
  }
}

/** An `error` line. What its `data` holds beyond the message (address, headers, body) stays in the log. */
export function failure(error: JsonObject): EndEvidence {
  const data = objectOf(error['data']);
  const name = stringOf(error['name']) ?? 'error';
  const message = clip(stringOf(data['message']) ?? name, messageBytes);
  const reason = reasonOf(name, message, countOf(data['statusCode']), data['isRetryable'] === true);
  return defined({ result: 'failed', reason, message });
}

function reasonOf(name: string, message: string, status: number | undefined, retryable: boolean): EndReason | undefined {
  if (name === 'ContextOverflowError') return 'context_exhausted';
  if (name === 'ProviderAuthError' || status === 401 || status === 403) return 'unauthenticated';
  if (status === 429) return 'rate_limited';
  if (status === 402) return 'quota_exhausted';
  if (status !== undefined && status >= 500) return 'transient_api_error';
  if (startupErrors.some((pattern) => pattern.test(message))) return 'invalid_configuration';
  return retryable ? 'transient_api_error' : undefined;
}

const startupErrors: readonly RegExp[] = [/^Model not found: /m, /Session not found/, /^Configuration is invalid/m, /^Agent not found: /m];
const terminalCodes = /\u001b\[[0-9;]*[A-Za-z]/g;

/** What the CLI says in words, between what it prints and logs, when it gives up without a line of output; or else what it logged last. */
export function exitEvidence(exit: { readonly code: number | null; readonly stderrTail: string }): EndEvidence | undefined {
  if (exit.code === null || exit.code === 0) return undefined;
  const lines = exit.stderrTail.replaceAll(terminalCodes, '').split('\n');
  const words = lines.filter((line) => line.trim() !== '' && !line.startsWith('{') && !line.startsWith('timestamp=')).join('\n');
  const logged = lines.flatMap((text) => {
    const line = readLogLine(text);
    return line?.level === 'ERROR' ? [line.field('error') ?? line.field('cause') ?? line.message] : [];
  });
  const message = words.trim() === '' ? logged.at(-1) : words.trim();
  if (message === undefined) return undefined;
  const known = startupErrors.some((pattern) => pattern.test(message));
  return defined({ result: 'failed', reason: known ? 'invalid_configuration' : undefined, message: clip(message, messageBytes) });
}
