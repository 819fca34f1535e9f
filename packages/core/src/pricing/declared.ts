import type { ModelPrice } from '@pydantic/genai-prices';
import { readings, spellings } from './names.ts';

/** US dollars per million tokens. */
export interface DeclaredRates {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly cache_read?: number | undefined;
  readonly cache_write?: number | undefined;
  readonly cache_write_1h?: number | undefined;
}

/** A tier holds for calls with more prompt tokens than `above`; a rate that it leaves out is as for smaller calls. */
export interface DeclaredPrice extends DeclaredRates {
  readonly tiers?: readonly (DeclaredRates & { readonly above: number })[] | undefined;
}

/** The user's own prices, by a model's name, PROVIDER/NAME, or the beginning of one with a `*` at its end. */
export type DeclaredPrices = Readonly<Record<string, 'free' | DeclaredPrice>>;

export interface Declaration {
  /** As it stands in the configuration. */
  readonly key: string;
  readonly price: 'free' | DeclaredPrice;
}

/** What the user says of a model: the name in full before a shorter one, one with its provider before one without, the longest beginning last. */
export function declarationOf(declared: DeclaredPrices, model: string, provider: string | undefined): Declaration | undefined {
  const names = namesOf(model, provider);
  const entries = Object.entries(declared).map(([key, price]) => ({ key, price, name: key.toLowerCase() }));
  for (const name of names) {
    const exact = entries.find((entry) => entry.name === name);
    if (exact) return exact;
  }
  return entries
    .filter(({ name }) => name.endsWith('*') && names.some((each) => each.startsWith(name.slice(0, -1))))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

function namesOf(model: string, provider: string | undefined): readonly string[] {
  const full = readings(model, provider).flatMap((reading) =>
    spellings(reading.name).map((name) => (reading.provider === undefined ? name : `${reading.provider.toLowerCase()}/${name}`)),
  );
  const bare = readings(model, provider).flatMap(({ name }) => spellings(name));
  return [...full, ...bare];
}

/** Declared rates in the form of the list's. */
export function ratesOf(price: DeclaredPrice): ModelPrice {
  const rate = (kind: keyof DeclaredRates): ModelPrice[string] => {
    const base = price[kind];
    const tiers = (price.tiers ?? []).flatMap((tier) => (tier[kind] === undefined ? [] : [{ start: tier.above, price: tier[kind] }]));
    return base === undefined || tiers.length === 0 ? base : { base, tiers };
  };
  return {
    input_mtok: rate('input'),
    cache_read_mtok: rate('cache_read'),
    cache_write_mtok: rate('cache_write'),
    cache_write_1h_mtok: rate('cache_write_1h'),
    output_mtok: rate('output'),
  };
}
