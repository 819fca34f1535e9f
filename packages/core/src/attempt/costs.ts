import { countOf, defined, usesTokens, type AttemptUsage, type ModelUsage } from '@singletree/harness';
import type { Prices } from '../pricing/prices.ts';
import type { CostSource, LedgerEntry } from '../task/ledger.ts';
import type { AttemptAccount, Instant } from '../task/task.ts';
import { sumIfAllKnown, sumKnown } from '../task/usage.ts';
import { figuresOf } from './account.ts';
import { restsOf, type Share } from './rests.ts';

export interface PricedLedger {
  readonly entries: readonly LedgerEntry[];
  /** Of all entries together. */
  readonly cost: Pick<AttemptAccount, 'costUsdMicros' | 'costSource' | 'costLowerBound' | 'priceVersion'>;
}

/**
 * What the calls of an attempt cost, and their sum. Where the harness has a figure of its own for a model, the model's calls have what it says of
 * them and an entry without an id has the rest; if it says nothing of them, and their prices come to just its figure, they have these. Else each
 * call has its own figure, or is priced.
 */
export function costOf(
  attempt: number,
  entries: readonly LedgerEntry[],
  usage: AttemptUsage,
  prices: Prices,
  provider: string | undefined,
): PricedLedger {
  const settled = ownFigures(usage.byModel);
  const settlesAll = usage.byModel.length > 0 && settled.length === usage.byModel.length;
  const isSettled = ({ model }: LedgerEntry): boolean =>
    settled.some((part) => part.model === model) || (settlesAll && usage.byModel.every((part) => part.model !== model));
  const claims = entries.filter(isSettled).map(({ model, costUsdMicros }) => ({ model, amount: costUsdMicros ?? 0 }));
  const beyond = restsOf(settled, claims);
  const newList = (): PriceList => new PriceList(prices, provider, usage.model, lastOf(entries));
  const list = newList();
  const left = beyond ?? settled;
  const shared = new Map(left.map((figure) => [figure.model, beyond ? sharesOf(entries, figure, newList()) : undefined]));
  const costed = entries.map((entry) => {
    if (!isSettled(entry)) return list.price(entry);
    return shared.get(entry.model)?.get(entry) ?? (beyond ? entry : withoutCost(entry));
  });
  const all = withRests(
    costed,
    left.filter(({ model }) => shared.get(model) === undefined),
    attempt,
  );

  const { usage: account } = figuresOf(usage);
  // A call without tokens is in a rest, or the account is a lower bound by itself.
  const isUnpriced = all.some((entry) => !isSettled(entry) && entry.costUsdMicros === undefined && usesTokens(entry));
  const costSource = sourceOf([
    ...(settled.some(({ amount }) => amount > 0) ? ['harness' as const] : []),
    ...all.flatMap((entry) => (isSettled(entry) ? [] : (entry.costSource ?? []))),
  ]);
  // What more such models did costs nothing either.
  const isLowerBound = isUnpriced || (account?.lowerBound !== false && costSource !== 'declared_free');
  const sum = countOf(sumKnown(all.map(({ costUsdMicros }) => costUsdMicros)) ?? 0);
  // At least nothing is no figure.
  if (account === undefined || sum === undefined || (sum === 0 && isLowerBound)) return { entries: all, cost: {} };
  return {
    entries: all,
    cost: defined({
      costUsdMicros: sum,
      costSource,
      costLowerBound: isLowerBound ? (true as const) : undefined,
      priceVersion: list.version,
    }),
  };
}

/** The entries of calls that have just been told, with what each costs. One that is not told whole has no price yet. */
export function pricedSoFar(entries: readonly LedgerEntry[], prices: Prices, provider: string | undefined): readonly LedgerEntry[] {
  const list = new PriceList(prices, provider, undefined, undefined);
  return entries.map((entry) => (entry.provisional ? entry : list.price(entry)));
}

/** Prices entry by entry. Their costs are differences of rounded running sums, so that they add up to the rounded sum. */
class PriceList {
  version: string | undefined;
  readonly #prices: Prices;
  readonly #provider: string | undefined;
  readonly #model: string | undefined;
  readonly #end: Instant | undefined;
  #usd = 0;
  #micros = 0;

  /** @param end when the last call was done of which that is known: what is told in sum only was over by then. */
  constructor(prices: Prices, provider: string | undefined, model: string | undefined, end: Instant | undefined) {
    this.#prices = prices;
    this.#provider = provider;
    this.#model = model;
    this.#end = end;
  }

  price(entry: LedgerEntry): LedgerEntry {
    if (entry.costUsdMicros !== undefined && entry.costUsdMicros > 0) return entry;
    const unpriced = withoutCost(entry);
    if (!usesTokens(entry)) return unpriced;
    // What the harness says of no model, the attempt's own model has done.
    const model = entry.model ?? (entry.subagent === undefined ? this.#model : undefined);
    const price = this.#prices.price({ model, provider: this.#provider, usage: entry, at: entry.at ?? this.#end });
    if ('unknown' in price) return unpriced;
    this.version = price.version;
    this.#usd += price.usd;
    const micros = Math.round(this.#usd * 1_000_000);
    const costUsdMicros = micros - this.#micros;
    this.#micros = micros;
    return { ...unpriced, costUsdMicros, costSource: price.source };
  }
}

/** The harness's own figures by model. One of 0 for tokens that were used says that it knows no price. */
function ownFigures(byModel: readonly ModelUsage[]): readonly Share[] {
  return byModel.flatMap(({ model, usage, costUsdMicros }) => {
    const amount = countOf(costUsdMicros);
    return amount === undefined || (amount === 0 && usesTokens(usage)) ? [] : [{ model, amount }];
  });
}

/**
 * The model's entries by their prices, if these come to the harness's figure for the model: it went by the same list. A millionth may lie between
 * two ways of rounding. Undefined where they do not, or where the harness says what single calls cost.
 */
function sharesOf(entries: readonly LedgerEntry[], figure: Share, list: PriceList): ReadonlyMap<LedgerEntry, LedgerEntry> | undefined {
  const own = entries.filter(({ model }) => model === figure.model);
  if (own.some(({ costUsdMicros }) => costUsdMicros !== undefined)) return undefined;
  const used = own.filter(usesTokens).map((entry) => ({ entry, priced: list.price(entry) }));
  const last = used.at(-1);
  const sum = sumIfAllKnown(used.map(({ priced }) => priced.costUsdMicros));
  if (!last || sum === undefined || Math.abs(sum - figure.amount) > 1) return undefined;
  const costUsdMicros = (last.priced.costUsdMicros ?? 0) + figure.amount - sum;
  if (costUsdMicros < 0) return undefined;
  return new Map([...used.map(({ entry, priced }) => [entry, priced] as const), [last.entry, { ...last.priced, costUsdMicros }]]);
}

function withRests(entries: readonly LedgerEntry[], beyond: readonly Share[], attempt: number): readonly LedgerEntry[] {
  const left = new Map(beyond.flatMap(({ model, amount }) => (amount > 0 ? [[model, amount]] : [])));
  const costSource = 'harness' as const;
  const held = entries.map((entry): LedgerEntry => {
    const costUsdMicros = entry.callId === undefined ? left.get(entry.model) : undefined;
    if (costUsdMicros === undefined) return entry;
    left.delete(entry.model);
    return { ...entry, costUsdMicros, costSource };
  });
  const alone = [...left].map(([model, costUsdMicros]): LedgerEntry =>
    defined({ attempt, model, provenance: 'reported' as const, costUsdMicros, costSource }),
  );
  return [...held, ...alone];
}

function sourceOf(sources: readonly CostSource[]): CostSource | 'mixed' | undefined {
  const [source, ...others] = new Set(sources);
  return others.length > 0 ? 'mixed' : source;
}

function withoutCost(entry: LedgerEntry): LedgerEntry {
  const { costUsdMicros: _, costSource: __, ...rest } = entry;
  return rest;
}

function lastOf(entries: readonly LedgerEntry[]): Instant | undefined {
  return entries.reduce<Instant | undefined>(
    (last, { at }) => (at === undefined || (last !== undefined && last > at) ? last : at),
    undefined,
  );
}
