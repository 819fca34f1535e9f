import { amountOf, countOf, defined, objectOf, type JsonObject, type TokenUsage } from '@singletree/harness';

/** The tokens of a step. Every kind is apart from the others already. A provider that sends no usage shows as zeros without a total. */
export function stepTokens(tokens: JsonObject): TokenUsage {
  const cache = objectOf(tokens['cache']);
  const usage = defined({
    uncachedInputTokens: countOf(tokens['input']),
    cacheReadInputTokens: countOf(cache['read']),
    cacheWriteInputTokens: countOf(cache['write']),
    outputTokens: countOf(tokens['output']),
    reasoningOutputTokens: countOf(tokens['reasoning']),
  });
  const isTold = countOf(tokens['total']) !== undefined || Object.values(usage).some((count) => count > 0);
  return isTold ? usage : {};
}

/** Whether that is all that the step used: what cannot be read is no part of it. */
export function isAll(tokens: JsonObject): boolean {
  const cache = objectOf(tokens['cache']);
  const told = [tokens['input'], cache['read'], cache['write'], tokens['output'], tokens['reasoning']].filter(
    (count) => count !== undefined,
  );
  const counts = told.map((count) => countOf(count));
  const sum = counts.reduce<number>((total, count) => total + (count ?? 0), 0);
  return !counts.includes(undefined) && (countOf(tokens['total']) ?? 0) <= sum;
}

/** Turns amounts of dollars into micros, rounded once over all of them. */
export class Rounding {
  #usd = 0;
  #micros = 0;

  /** The price table is the configuration's: 0 means that it holds no price, or that somebody says it is free. */
  apply(cost: unknown): number | undefined {
    const usd = amountOf(cost);
    if (usd === undefined || usd === 0) return undefined;
    const micros = Math.round((this.#usd + usd) * 1_000_000);
    if (!Number.isSafeInteger(micros)) return undefined;
    const difference = micros - this.#micros;
    this.#usd += usd;
    this.#micros = micros;
    return difference;
  }
}
