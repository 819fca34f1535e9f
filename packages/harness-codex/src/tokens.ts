import { countOf, defined, subtractTokens, type JsonObject, type TokenUsage } from '@singletree/harness';

/** The `usage` of Codex: the input holds what was read from and written to the cache, the output holds the reasoning. */
function tokensOf(usage: JsonObject): TokenUsage {
  const [input, cacheRead, cacheWrite] = ['input_tokens', 'cached_input_tokens', 'cache_write_input_tokens'].map((name) =>
    countOf(usage[name]),
  );
  const [output, reasoning] = ['output_tokens', 'reasoning_output_tokens'].map((name) => countOf(usage[name]));
  return defined({
    uncachedInputTokens: input === undefined ? undefined : Math.max(0, input - (cacheRead ?? 0) - (cacheWrite ?? 0)),
    cacheReadInputTokens: cacheRead,
    cacheWriteInputTokens: cacheWrite,
    outputTokens: output === undefined ? undefined : Math.max(0, output - (reasoning ?? 0)),
    reasoningOutputTokens: reasoning,
  });
}

/** What a thread's total says beyond an earlier one. */
export function tokensSince(total: JsonObject, before: JsonObject): TokenUsage {
  return subtractTokens(tokensOf(total), tokensOf(before));
}
