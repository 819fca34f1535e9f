import { randomFrom } from '../seed.ts';

/**
 * What one model call used, in tokens, by disjoint kind: no token is counted under two of them. Each protocol's encoder turns
 * this into its own way of counting, so that one script serves them all.
 */
export interface Usage {
  /** Prompt tokens neither read from nor written to a cache. */
  readonly input_tokens: number;
  readonly cache_read_input_tokens?: number;
  /** All cache writes, whatever their lifetime. */
  readonly cache_creation_input_tokens?: number;
  /** The part of the cache writes that lives one hour; the rest lives five minutes. */
  readonly cache_creation_1h_input_tokens?: number;
  /** Output without reasoning. */
  readonly output_tokens: number;
  readonly reasoning_output_tokens?: number;
}

/** Every kind spelled out: what a script leaves away is served as 0. */
export type FullUsage = Readonly<Required<Usage>>;

/** What a step without `usage` says. Small but never 0, so that a client that loses it is found out. */
const defaultUsage: Usage = { input_tokens: 1, output_tokens: 1 };

export function spelledOut(usage: Usage = defaultUsage): FullUsage {
  return Object.freeze({
    input_tokens: usage.input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
    cache_creation_input_tokens: usage.cache_creation_input_tokens ?? 0,
    cache_creation_1h_input_tokens: usage.cache_creation_1h_input_tokens ?? 0,
    output_tokens: usage.output_tokens,
    reasoning_output_tokens: usage.reasoning_output_tokens ?? 0,
  });
}

/** As it is logged: the four kinds that every conversation has, and the rarer two where they were not 0. */
export function logged(usage: FullUsage): Usage {
  const { cache_creation_1h_input_tokens, reasoning_output_tokens, ...always } = usage;
  return Object.freeze({
    ...always,
    ...(cache_creation_1h_input_tokens > 0 ? { cache_creation_1h_input_tokens } : {}),
    ...(reasoning_output_tokens > 0 ? { reasoning_output_tokens } : {}),
  });
}

/** Throws if a figure is not a count of tokens. `where` names the step. */
export function checkUsage(usage: Usage, where: string): void {
  for (const [kind, tokens] of Object.entries(usage)) {
    if (!(kind in spelledOut()))
      throw new TypeError(`${where}: usage has no kind "${kind}"; known: ${Object.keys(spelledOut()).join(', ')}`);
    if (!Number.isSafeInteger(tokens) || tokens < 0)
      throw new TypeError(`${where}: usage.${kind} is ${tokens}; it must be a whole number from 0 on`);
  }
  const full = spelledOut(usage);
  if (full.cache_creation_1h_input_tokens > full.cache_creation_input_tokens) {
    throw new TypeError(`${where}: usage.cache_creation_1h_input_tokens is a part of cache_creation_input_tokens and cannot be greater`);
  }
}

/**
 * Plausible usage for `calls` model calls of one conversation, drawn from the seed: the same seed gives the same figures, and
 * every kind that is given is above 0. Each call reads from the cache what the calls before it wrote. Reasoning only if asked for.
 */
export function seededUsage(seed: number, calls: number, options: { readonly reasoning?: boolean } = {}): readonly Usage[] {
  const random = randomFrom(seed);
  const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  let cached = between(9_000, 14_000);
  return Array.from({ length: calls }, () => {
    const written = between(150, 1_900);
    const usage: Usage = {
      input_tokens: between(3, 900),
      cache_read_input_tokens: cached,
      cache_creation_input_tokens: written,
      output_tokens: between(20, 600),
      ...(options.reasoning ? { reasoning_output_tokens: between(10, 400) } : {}),
    };
    cached += written;
    return usage;
  });
}
