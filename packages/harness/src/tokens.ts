import type { ModelUsage, TokenUsage } from './events.ts';

const kinds = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'cacheWrite1hInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
] as const satisfies readonly (keyof TokenUsage)[];

/** What is used when a CLI says that nothing was. */
export const noTokens: TokenUsage = {
  uncachedInputTokens: 0,
  cacheReadInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
};

/** The sum by kind. A kind that no part tells stays absent. */
export function addTokens(...parts: readonly TokenUsage[]): TokenUsage {
  return combine(parts, addCounts);
}

/** The sum of two counts; as much as can be counted where it would be more. */
export function addCounts(left: number, right: number): number {
  return Math.min(left + right, Number.MAX_SAFE_INTEGER);
}

/** What was used beyond `before`; a kind that fell (the CLI began to count anew) is taken as it is. */
export function subtractTokens(after: TokenUsage, before: TokenUsage): TokenUsage {
  return combine([after, before], (left, right) => (right <= left ? left - right : left), after);
}

/** All prompt-side tokens: what the model had before it when it was called. Absent if no kind of them is told. */
export function promptTokens(usage: TokenUsage): number | undefined {
  const told = [usage.uncachedInputTokens, usage.cacheReadInputTokens, usage.cacheWriteInputTokens].filter(
    (tokens) => tokens !== undefined,
  );
  return told.length === 0 ? undefined : told.reduce(addCounts, 0);
}

export function usesTokens(usage: TokenUsage): boolean {
  return kinds.some((kind) => (usage[kind] ?? 0) > 0);
}

/** One entry a model, in order of appearance. A price stays only if every part that used tokens has one. */
export function addByModel(parts: readonly ModelUsage[]): readonly ModelUsage[] {
  const sums = new Map<string | undefined, ModelUsage>();
  for (const part of parts) {
    if (!usesTokens(part.usage) && !part.costUsdMicros) continue;
    const before = sums.get(part.model);
    sums.set(part.model, before ? add(before, part) : part);
  }
  return [...sums.values()];
}

function add(left: ModelUsage, right: ModelUsage): ModelUsage {
  const { costUsdMicros: leftCost, ...rest } = left;
  const cost =
    leftCost === undefined || right.costUsdMicros === undefined ? {} : { costUsdMicros: addCounts(leftCost, right.costUsdMicros) };
  return { ...rest, usage: addTokens(left.usage, right.usage), ...cost };
}

function combine(parts: readonly TokenUsage[], join: (sum: number, tokens: number) => number, shape?: TokenUsage): TokenUsage {
  const total: { -readonly [kind in keyof TokenUsage]: TokenUsage[kind] } = {};
  for (const kind of kinds) {
    if (shape && shape[kind] === undefined) continue;
    for (const part of parts) {
      const tokens = part[kind];
      if (tokens === undefined) continue;
      const sum = total[kind];
      total[kind] = sum === undefined ? tokens : join(sum, tokens);
    }
  }
  return total;
}
