import type { Instant } from '../task/task.ts';
import type { TokenKinds } from '../task/usage.ts';

/** Prices of model calls. Pure: the same list gives the same price. */
export interface Prices {
  /** What one call costs. Tiers depend on the size of a single call, so a sum of several is no call. */
  price(call: CallToPrice): Price;
}

export interface CallToPrice {
  /** As the harness names it: `claude-sonnet-4-5-20250929`, or `openai/gpt-5.6` where it names the provider too. */
  readonly model: string | undefined;
  /** Who serves the model, where the plugin knows. */
  readonly provider?: string | undefined;
  readonly usage: TokenKinds;
  /** When it was made: prices change. */
  readonly at?: Instant | undefined;
}

/** What a call costs: never less than nothing, and not rounded. */
export interface KnownPrice {
  readonly usd: number;
  readonly source: 'priced' | 'declared_free';
  /** Of what it was priced with: the list and its version, or `configuration`. */
  readonly version: string;
  /** How many tokens went in, or how many came out, is not told: it cost this at least. */
  readonly lowerBound?: true;
}

/** `unknown`: why there is no price, as a clause for people. */
export type Price = KnownPrice | { readonly unknown: string };

/** Knows no price at all. */
export const noPrices: Prices = { price: () => ({ unknown: 'no prices are known' }) };
