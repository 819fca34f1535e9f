/** Where a figure comes from. `missing` never stands beside a number. */
export type Provenance = 'reported' | 'priced' | 'recovered' | 'estimated' | 'missing';

/** Tokens by disjoint kind; a kind that nobody told is absent. */
export interface TokenKinds {
  readonly uncachedInputTokens?: number;
  readonly cacheReadInputTokens?: number;
  /** All cache writes, whatever their lifetime. */
  readonly cacheWriteInputTokens?: number;
  /** The part of the cache writes with a lifetime of one hour, where it is told. */
  readonly cacheWrite1hInputTokens?: number;
  /** Output without reasoning. */
  readonly outputTokens?: number;
  readonly reasoningOutputTokens?: number;
}

/** `lowerBound` marks a sum with an unknown part. */
export interface TaskUsage extends TokenKinds {
  readonly provenance: Provenance;
  readonly lowerBound: boolean;
}

/** Every kind. All but `cacheWrite1hInputTokens`, which is a part of another one, add up to all tokens. */
export const tokenKinds = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'cacheWrite1hInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
] as const satisfies readonly (keyof TokenKinds)[];

/** From the most to the least trustworthy: a sum is worth as much as its weakest part. */
const trust: readonly Provenance[] = ['reported', 'priced', 'recovered', 'estimated', 'missing'];

/** All prompt-side tokens; absent if no prompt-side kind is known. */
export function inputTokens(usage: TokenKinds): number | undefined {
  return sumKnown([usage.uncachedInputTokens, usage.cacheReadInputTokens, usage.cacheWriteInputTokens]);
}

/** Output and reasoning; absent if neither is known. */
export function generatedTokens(usage: TokenKinds): number | undefined {
  return sumKnown([usage.outputTokens, usage.reasoningOutputTokens]);
}

/** The sum over attempts. An attempt without usage makes it a lower bound; none with usage at all makes it absent. */
export function sumUsage(parts: readonly (TaskUsage | undefined)[]): TaskUsage | undefined {
  const known = parts.filter((part) => part !== undefined);
  const first = known[0];
  if (!first) return undefined;
  const sum: { -readonly [K in keyof TaskUsage]: TaskUsage[K] } = {
    provenance: known.reduce(
      (worst, part) => (trust.indexOf(part.provenance) > trust.indexOf(worst) ? part.provenance : worst),
      first.provenance,
    ),
    lowerBound: known.length < parts.length || known.some((part) => part.lowerBound),
  };
  for (const kind of tokenKinds) {
    const total = sumKnown(known.map((part) => part[kind]));
    if (total !== undefined) sum[kind] = total;
  }
  return sum;
}

/** For a sum that has no mark of its own for being a lower bound. Absent also if there is nothing to add. */
export function sumIfAllKnown(parts: readonly (number | undefined)[]): number | undefined {
  return parts.includes(undefined) ? undefined : sumKnown(parts);
}

/** The sum of what is known, so a lower bound where a part is not. */
export function sumKnown(parts: readonly (number | undefined)[]): number | undefined {
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, part) => sum + part, 0);
}
