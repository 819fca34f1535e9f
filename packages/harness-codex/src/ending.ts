import { clip, defined, type EndEvidence, type EndReason } from '@singletree/harness';

/** The CLI tells failures in words only. They come from its error types and hold the HTTP status where there was one, not always where a
 *  server's own words take its place; then the status of the last request, as the log tells it, says more. */
export function failure(message: string, refusal?: number): EndEvidence {
  return defined({ result: 'failed', reason: reasonOf(message, refusal), message: clip(message, 2048) });
}

export function statusOf(message: string): number | undefined {
  const status = /\bstatus:? (\d{3})\b/.exec(message)?.[1];
  return status === undefined ? undefined : Number(status);
}

/** Whether an answer had begun that did not come to its end. */
export function brokeOff(message: string): boolean {
  return /stream disconnected before completion(?!: error sending request)/.test(message) && !rateLimit.test(message);
}

const rateLimit = /rate limit/i;

const words: readonly (readonly [RegExp, EndReason])[] = [
  [/ran out of room in the model's context window|context[ _]length[ _]exceeded|maximum context length/i, 'context_exhausted'],
  [/usage limit|quota|billing|out of credits/i, 'quota_exhausted'],
  [rateLimit, 'rate_limited'],
  [
    /experiencing high demand|at capacity|overloaded|stream disconnected|connection (failed|refused|reset)|timed? ?out/i,
    'transient_api_error',
  ],
];

function reasonOf(message: string, refusal: number | undefined): EndReason | undefined {
  const told = words.find(([pattern]) => pattern.test(message))?.[1];
  if (told !== undefined) return told;
  const status = statusOf(message) ?? refusal;
  if (status === undefined) return undefined;
  if (status === 401 || status === 403) return 'unauthenticated';
  if (status === 404) return 'invalid_configuration';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'transient_api_error' : undefined;
}

const startupErrors: readonly RegExp[] = [
  /^Error loading config\.toml/m,
  /^error: (unexpected argument|invalid value|the argument|a value is required)/m,
  /no rollout found/,
];

/** What the CLI says in plain words when it gives up: behind the last line of its events and of its log. */
export function exitEvidence(exit: { readonly code: number | null; readonly stderrTail: string }): EndEvidence | undefined {
  const lines = exit.stderrTail.split('\n');
  const from = lines.findLastIndex((line) => /^(\{"|\d{4}-\d\d-\d\dT|Reading (additional input|prompt) from stdin)/.test(line)) + 1;
  const message = lines.slice(from).join('\n').trim();
  if (exit.code === null || exit.code === 0 || message === '') return undefined;
  if (startupErrors.some((pattern) => pattern.test(message)))
    return { result: 'failed', reason: 'invalid_configuration', message: clip(message, 2048) };
  return failure(message);
}
