import { countOf, defined, subtractTokens, type JsonObject, type TokenUsage } from '@singletree/harness';

interface Counts {
  readonly input: unknown;
  readonly cacheRead: unknown;
  readonly cacheWrite: unknown;
  readonly output: unknown;
  readonly reasoning: unknown;
}

/** Codex counts what was read from and written to the cache as input, and reasoning as output. A side of which a figure cannot be read is not
 *  told at all: what is left of it would look like a figure. */
export function disjoint({ input, cacheRead, cacheWrite, output, reasoning }: Counts): TokenUsage {
  const prompt = isReadable(input, cacheRead, cacheWrite);
  const answer = isReadable(output, reasoning);
  return defined({
    uncachedInputTokens: prompt ? without(input, cacheRead, cacheWrite) : undefined,
    cacheReadInputTokens: prompt ? countOf(cacheRead) : undefined,
    cacheWriteInputTokens: prompt ? countOf(cacheWrite) : undefined,
    outputTokens: answer ? without(output, reasoning) : undefined,
    reasoningOutputTokens: answer ? countOf(reasoning) : undefined,
  });
}

function isReadable(whole: unknown, ...parts: readonly unknown[]): boolean {
  return countOf(whole) !== undefined && parts.every((part) => part === undefined || part === null || countOf(part) !== undefined);
}

function without(whole: unknown, ...parts: readonly unknown[]): number {
  return Math.max(
    0,
    parts.reduce<number>((left, part) => left - (countOf(part) ?? 0), countOf(whole) ?? 0),
  );
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
