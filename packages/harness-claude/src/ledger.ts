import {
  countOf,
  defined,
  entryOf,
  isJsonObject,
  objectOf,
  subtractTokens,
  usesTokens,
  type HarnessEventBody,
  type JsonObject,
  type ModelUsage,
  type TokenUsage,
} from '@singletree/harness';
import { modelCostUsd, modelTokens } from './tokens.ts';

/** What the CLI's `modelUsage` said before, by model: its figures run on over resumes that ended cleanly. */
export type ModelTotals = Readonly<Record<string, JsonObject>>;

/** An object of objects, whatever else it holds left out. */
export function modelTotals(value: unknown): ModelTotals {
  return Object.fromEntries(Object.entries(objectOf(value)).flatMap(([model, entry]) => (isJsonObject(entry) ? [[model, entry]] : [])));
}

/** What `now` says beyond `before`. A figure that fell was begun anew and is taken as it is. */
export function sinceTotals(now: ModelTotals, before: ModelTotals): Priced[] {
  return Object.entries(now).map(([model, entry]) => {
    const earlier = entryOf(before, model);
    const [costUsd, earlierUsd] = [modelCostUsd(entry), earlier && modelCostUsd(earlier)];
    const rest = costUsd === undefined || earlierUsd === undefined || earlierUsd > costUsd ? costUsd : costUsd - earlierUsd;
    const usage = earlier ? subtractTokens(modelTokens(entry), modelTokens(earlier)) : modelTokens(entry);
    return { model, usage, costUsd: rest || undefined };
  });
}

interface Priced {
  readonly model: string;
  readonly usage: TokenUsage;
  readonly costUsd: number | undefined;
}

/** Prices of several entries of which the sum is the exact sum rounded once. */
export class Rounding {
  #usd = 0;
  #micros = 0;

  apply({ model, usage, costUsd }: Priced): ModelUsage {
    if (costUsd === undefined) return { model, usage };
    this.#usd += costUsd;
    const micros = Math.round(this.#usd * 1_000_000);
    const costUsdMicros = micros - this.#micros;
    this.#micros = micros;
    return { model, usage, costUsdMicros };
  }
}

/** Turns the running totals of the `result` lines of one process into what was used since the one before. */
export class Ledger {
  #before: ModelTotals;
  readonly #rounding = new Rounding();

  constructor(before: ModelTotals) {
    this.#before = before;
  }

  /** Undefined for a result that counts nothing by model. */
  total(result: JsonObject, mainModels: readonly (string | undefined)[]): Extract<HarnessEventBody, { kind: 'usage.total' }> | undefined {
    const running = result['modelUsage'];
    const since = result['model_usage_since_last_result'];
    if (!isJsonObject(running) && !isJsonObject(since)) return undefined;
    const now = modelTotals(running);
    const parts = isJsonObject(since) ? sinceTotals(modelTotals(since), {}) : sinceTotals(now, this.#before);
    this.#before = now;
    const byModel = parts.filter((part) => usesTokens(part.usage)).map((part) => this.#rounding.apply(part));
    return defined({ kind: 'usage.total', byModel, contextWindowTokens: windowOf(now, mainModels) });
  }
}

/** The context window of the first of these models that the CLI knows; for a model unknown to it the figure is a guess. */
function windowOf(totals: ModelTotals, models: readonly (string | undefined)[]): number | undefined {
  for (const model of models) {
    const entry = entryOf(totals, model);
    const window = countOf(entry?.['contextWindow']);
    if (entry?.['costBasis'] !== 'unknown' && window) return window;
  }
  return undefined;
}
