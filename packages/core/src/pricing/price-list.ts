import type { ModelPrice } from '@pydantic/genai-prices';
import type { TokenKinds } from '../task/usage.ts';
import { declarationOf, ratesOf, type DeclaredPrices } from './declared.ts';
import { costAt, listed, listVersion } from './list.ts';
import type { CallToPrice, Price, Prices } from './prices.ts';

/** The user's own prices, and behind them the bundled list. */
export function createPrices(declared: DeclaredPrices): Prices {
  return {
    price({ usage, ...call }) {
      const found = findRates(call, declared);
      if ('unknown' in found) return found;
      const { version } = found;
      return found.rates === 'free' ? { usd: 0, source: 'declared_free', version } : priced(usage, found.rates, version);
    },
  };
}

/** What a model costs, where that is known. */
export interface FoundRates {
  readonly rates: 'free' | ModelPrice;
  /** The list and its version, or `configuration`. */
  readonly version: string;
  /** As it stands in the configuration; absent for what is from the list. */
  readonly declaredAs?: string;
  /** Of the list's entry: whose it is, what it is called there, and how many tokens its context holds. */
  readonly entry?: { readonly provider: string; readonly model: string; readonly contextWindow?: number };
}

/** The rates of a model at a time: the user's own first. */
export function findRates(
  { model, provider, at }: Omit<CallToPrice, 'usage'>,
  declared: DeclaredPrices,
): FoundRates | { readonly unknown: string } {
  if (model === undefined || model.trim() === '') return { unknown: 'it is not told which model was called' };
  const date = dateOf(at);
  const own = declarationOf(declared, model, provider);
  if (own) return { rates: own.price === 'free' ? 'free' : ratesOf(own.price), version: 'configuration', declaredAs: own.key };
  const found = listed(model, provider, date);
  if (found === 'undated') return { unknown: `the price of "${model}" has changed, and it is not told when it was called` };
  // The list has entries without a rate for what is included in a subscription, and for what nobody has looked up.
  if (!found || billedKinds.every(({ rate }) => found.rates[rate] === undefined)) {
    return { unknown: `no price is known for "${model}"${provider === undefined ? '' : ` of "${provider}"`}` };
  }
  const { id, context_window } = found.model;
  const entry = { provider: found.provider, model: id, ...(context_window === undefined ? {} : { contextWindow: context_window }) };
  return { rates: found.rates, version: listVersion, entry };
}

function dateOf(at: number | undefined): Date | undefined {
  const date = new Date(at ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The kinds that are billed, and how the list calls their rates. Reasoning is billed as output. */
export const billedKinds = [
  { kind: 'input', rate: 'input_mtok' },
  { kind: 'cache_read', rate: 'cache_read_mtok' },
  { kind: 'cache_write', rate: 'cache_write_mtok' },
  { kind: 'cache_write_1h', rate: 'cache_write_1h_mtok' },
  { kind: 'output', rate: 'output_mtok' },
] as const;

type BilledKind = (typeof billedKinds)[number]['kind'];

/** What is left out is none of it, except that who tells only the writes of 1 hour tells of all; whose lifetime nobody tells are taken for those of 5 minutes. */
function billedTokens(usage: TokenKinds): Readonly<Record<BilledKind, number>> {
  const longWrites = usage.cacheWrite1hInputTokens ?? 0;
  return {
    input: usage.uncachedInputTokens ?? 0,
    cache_read: usage.cacheReadInputTokens ?? 0,
    cache_write: (usage.cacheWriteInputTokens ?? longWrites) - longWrites,
    cache_write_1h: longWrites,
    output: (usage.outputTokens ?? 0) + (usage.reasoningOutputTokens ?? 0),
  };
}

/** A kind that was used and has no rate leaves the whole unknown: to bill it as another kind would be a guess. */
function priced(usage: TokenKinds, rates: ModelPrice, version: string): Price {
  const { uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens, outputTokens, reasoningOutputTokens } = usage;
  const told = [uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens, outputTokens, reasoningOutputTokens];
  if (told.every((count) => count === undefined)) return { unknown: 'it is not told what it used' };
  const tokens = billedTokens(usage);
  if (![...told, ...Object.values(tokens)].every(isCount)) return { unknown: 'what is told of its tokens cannot be true' };
  const unpriced = billedKinds.filter(({ kind, rate }) => tokens[kind] > 0 && rates[rate] === undefined).map(({ kind }) => kind);
  if (unpriced.length > 0) return { unknown: `its price has no rate for ${unpriced.join(' and ')}` };
  // The library counts all prompt-side kinds as input, and reasoning as output.
  const writes = tokens.cache_write + tokens.cache_write_1h;
  const usd = costAt(rates, {
    input_tokens: tokens.input + tokens.cache_read + writes,
    cache_read_tokens: tokens.cache_read,
    cache_write_tokens: writes,
    cache_write_1h_tokens: tokens.cache_write_1h,
    output_tokens: tokens.output,
    output_reasoning_tokens: reasoningOutputTokens ?? 0,
  });
  const isPart = uncachedInputTokens === undefined || outputTokens === undefined;
  return { usd, source: 'priced', version, ...(isPart ? { lowerBound: true as const } : {}) };
}

function isCount(count: number | undefined): boolean {
  return count === undefined || (Number.isSafeInteger(count) && count >= 0);
}
