import type { Task } from '@singletree/sdk';

export type Usage = NonNullable<Task['usage']>;

/** All that the model had before it. Absent if no kind of it is known. */
export function promptTokens({ uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens }: Usage): number | undefined {
  return sumKnown([uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens]);
}

/** Tokens of all kinds on both sides, as far as they are known. */
export function allTokens(usage: Usage): number | undefined {
  return sumKnown([promptTokens(usage), usage.outputTokens, usage.reasoningOutputTokens]);
}

/** What is known together; nothing known is not zero. */
export function sumKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

/** In front of a figure of which a part is unknown. */
export function atLeast(isLowerBound: boolean | undefined): string {
  return isLowerBound ? '≥ ' : '';
}
