import { clip, defined, type EndEvidence, type EndReason } from '@singletree/harness';

/** The CLI tells failures in words only. They come from its error types and hold the HTTP status where there was one. */
export function failure(message: string): EndEvidence {
  return defined({ result: 'failed', reason: reasonOf(message), message: clip(message, 2048) });
}

export function statusOf(message: string): number | undefined {
  const status = /\bstatus (\d{3})\b/.exec(message)?.[1];
  return status === undefined ? undefined : Number(status);
}

const words: readonly (readonly [RegExp, EndReason])[] = [
  [/ran out of room in the model's context window/i, 'context_exhausted'],
  [/usage limit|quota|billing/i, 'quota_exhausted'],
  [/rate limit/i, 'rate_limited'],
  [/experiencing high demand|stream disconnected|connection (failed|refused|reset)|timed? ?out/i, 'transient_api_error'],
];

function reasonOf(message: string): EndReason | undefined {
  const told = words.find(([pattern]) => pattern.test(message))?.[1];
  if (told !== undefined) return told;
  const status = statusOf(message);
  if (status === undefined) return undefined;
  if (status === 401 || status === 403) return 'unauthenticated';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'transient_api_error' : undefined;
}

const startupErrors: readonly RegExp[] = [/^Error loading config\.toml/m, /^error: unexpected argument/m, /no rollout found/];

/** What the CLI says on standard error when it gives up before its first line of output. */
export function exitEvidence(exit: { readonly code: number | null; readonly stderrTail: string }): EndEvidence | undefined {
  const message = exit.stderrTail.replace(/^Reading (additional input|prompt) from stdin\.\.\.\n?/m, '').trim();
  if (exit.code === null || exit.code === 0 || message === '') return undefined;
  if (startupErrors.some((pattern) => pattern.test(message)))
    return { result: 'failed', reason: 'invalid_configuration', message: clip(message, 2048) };
  return failure(message);
}
