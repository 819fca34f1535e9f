import { countOf, defined, subtractTokens, type JsonObject, type TokenUsage } from '@singletree/harness';

interface Counts {
  readonly input: unknown;
  readonly cacheRead: unknown;
  readonly cacheWrite: unknown;
  readonly output: unknown;
  readonly reasoning: unknown;
}

/** Codex counts what was read from and written to the cache as input, and reasoning as output. */
export function disjoint(counts: Counts): TokenUsage {
  const [input, cacheRead, cacheWrite] = [counts.input, counts.cacheRead, counts.cacheWrite].map(countOf);
  const [output, reasoning] = [counts.output, counts.reasoning].map(countOf);
  return defined({
    uncachedInputTokens: input === undefined ? undefined : Math.max(0, input - (cacheRead ?? 0) - (cacheWrite ?? 0)),
    cacheReadInputTokens: cacheRead,
    cacheWriteInputTokens: cacheWrite,
    outputTokens: output === undefined ? undefined : Math.max(0, output - (reasoning ?? 0)),
    reasoningOutputTokens: reasoning,
  });
}

/** A `usage` of standard output or of a rollout. */
export function tokensOf(usage: JsonObject): TokenUsage {
  return disjoint({
    input: usage['input_tokens'],
    cacheRead: usage['cached_input_tokens'],
    cacheWrite: usage['cache_write_input_tokens'],
    output: usage['output_tokens'],
    reasoning: usage['reasoning_output_tokens'],
  });
}

/** What a thread's total says beyond an earlier one. */
export function tokensSince(total: JsonObject, before: JsonObject): TokenUsage {
  return subtractTokens(tokensOf(total), tokensOf(before));
}
