import {
  amountOf,
  countOf,
  defined,
  objectOf,
  stringOf,
  type HarnessEventBody,
  type JsonObject,
  type Thread,
  type TokenUsage,
} from '@singletree/harness';

/** The `usage` of one message of the Messages API. `input_tokens` leaves the cache out, `output_tokens` holds the thinking. */
export function messageTokens(usage: JsonObject): TokenUsage {
  const lifetimes = objectOf(usage['cache_creation']);
  return tokens({
    input: usage['input_tokens'],
    cacheRead: usage['cache_read_input_tokens'],
    cacheWrite: usage['cache_creation_input_tokens'],
    cacheWrite5m: lifetimes['ephemeral_5m_input_tokens'],
    cacheWrite1h: lifetimes['ephemeral_1h_input_tokens'],
    output: usage['output_tokens'],
    thinking: objectOf(usage['output_tokens_details'])['thinking_tokens'],
  });
}

/** A call of which the answer has ended, with all that it used. */
export function callEvent(
  callId: string,
  thread: Thread,
  message: JsonObject,
  usage: TokenUsage,
  stopReason: string | undefined,
): Extract<HarnessEventBody, { kind: 'model.call' }> {
  const goesOn = stopReason === 'tool_use' || stopReason === 'pause_turn' ? true : undefined;
  return defined({ kind: 'model.call', callId, thread, model: stringOf(message['model']), usage, goesOn });
}

/** Of a message that has only begun: the figure for its output is a placeholder. */
export function promptOnly({ outputTokens: _placeholder, reasoningOutputTokens: _unknown, ...prompt }: TokenUsage): TokenUsage {
  return prompt;
}

/**
 * The usage of a message that has ended: what its beginning said, and what its end says instead. Some servers fill in the kinds of the prompt with
 * null or 0 at the end, as there is nothing to add.
 */
export function endedUsage(begun: JsonObject, ended: JsonObject): JsonObject {
  const told = Object.entries(ended).filter(([kind, value]) => value !== null && (kind.startsWith('output_') || value !== 0));
  return { ...begun, ...Object.fromEntries(told) };
}

const kinds = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
] as const satisfies readonly (keyof TokenUsage)[];

/** What `part` holds more than `whole`, kind by kind. */
export function excess(part: TokenUsage, whole: TokenUsage): TokenUsage {
  return Object.fromEntries(
    kinds.flatMap((kind) => {
      const more = (part[kind] ?? 0) - (whole[kind] ?? 0);
      return more > 0 ? [[kind, more]] : [];
    }),
  );
}

/** The usage of calls in the kinds of a total: that of older versions counts thinking as output, and knows no lifetimes. */
export function inKindsOf(total: TokenUsage, calls: TokenUsage): TokenUsage {
  const { reasoningOutputTokens, cacheWrite1hInputTokens, ...rest } = calls;
  const lifetimes = total.cacheWrite1hInputTokens === undefined ? {} : defined({ cacheWrite1hInputTokens });
  if (reasoningOutputTokens === undefined) return { ...rest, ...lifetimes };
  if (total.reasoningOutputTokens !== undefined) return { ...rest, ...lifetimes, reasoningOutputTokens };
  return { ...rest, ...lifetimes, outputTokens: (rest.outputTokens ?? 0) + reasoningOutputTokens };
}

/** One entry of `modelUsage`, on standard output and in the session file's `cost-state` alike. */
export function modelTokens(entry: JsonObject): TokenUsage {
  return tokens({
    input: entry['inputTokens'],
    cacheRead: entry['cacheReadInputTokens'],
    cacheWrite: entry['cacheCreationInputTokens'],
    cacheWrite5m: entry['cacheCreationEphemeral5mInputTokens'],
    cacheWrite1h: entry['cacheCreationEphemeral1hInputTokens'],
    output: entry['outputTokens'],
    thinking: entry['thinkingTokens'],
  });
}

/** The price of such an entry in US dollars. Absent where the CLI guesses it (a model that it does not know) or states 0. */
export function modelCostUsd(entry: JsonObject): number | undefined {
  if (entry['costBasis'] === 'unknown') return undefined;
  return amountOf(entry['costUSD']) || undefined;
}

interface Counts {
  readonly input: unknown;
  readonly cacheRead: unknown;
  readonly cacheWrite: unknown;
  readonly cacheWrite5m: unknown;
  readonly cacheWrite1h: unknown;
  readonly output: unknown;
  readonly thinking: unknown;
}

function tokens(counts: Counts): TokenUsage {
  const [cacheWrite, cacheWrite5m, cacheWrite1h] = [counts.cacheWrite, counts.cacheWrite5m, counts.cacheWrite1h].map(countOf);
  const [output, thinking] = [countOf(counts.output), countOf(counts.thinking)];
  // Servers that know no lifetimes leave both at 0: the split is only one if it adds up.
  const tellsLifetimes = cacheWrite !== undefined && cacheWrite > 0 && cacheWrite === (cacheWrite5m ?? 0) + (cacheWrite1h ?? 0);
  return defined({
    uncachedInputTokens: countOf(counts.input),
    cacheReadInputTokens: countOf(counts.cacheRead),
    cacheWriteInputTokens: cacheWrite,
    cacheWrite1hInputTokens: tellsLifetimes ? cacheWrite1h : undefined,
    outputTokens: output === undefined ? undefined : Math.max(0, output - (thinking ?? 0)),
    reasoningOutputTokens: thinking,
  });
}
