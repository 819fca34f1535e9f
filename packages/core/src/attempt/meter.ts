import {
  addCounts,
  addTokens,
  defined,
  usesTokens,
  type AttemptUsage,
  type HarnessEvent,
  type Reconciliation,
  type SessionFile,
  type TokenUsage,
  type UsageFold,
} from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import type { Attempt, Limits, LiveProgress } from '../task/task.ts';
import { sessionIdOf } from './account.ts';
import { contextOf } from './context.ts';
import { costOf } from './costs.ts';
import { ledgerOf } from './ledger.ts';
import type { Rooms } from './rooms.ts';
import { allTokens } from './watchdogs/daemon-limits.ts';
import { GoingOn } from './watchdogs/going-on.ts';
import { nothingConsumed, type Consumption, type Consumed } from './watchdogs/consumption.ts';

/**
 * What an attempt that runs has used so far: by its events, or by its session's files where those know more. A call of which nothing is told counts
 * nothing, but for compactions that the harness counts only later: what they are said to have read and left stands in for them.
 */
export class Meter implements Consumption {
  readonly begunAt: Consumed[] = [];
  readonly #attempt: Attempt;
  readonly #plugin: Plugin;
  readonly #fold: UsageFold;
  readonly #rooms: Pick<Rooms, 'prices' | 'now'>;
  readonly #limits: Limits;
  readonly #going = new GoingOn();
  readonly #events: HarnessEvent[] = [];
  /** Those of which a ledger is made. */
  readonly #figures: HarnessEvent[] = [];
  readonly #calls = new Set<string>();
  /** Of which more is to be told. */
  readonly #previews = new Set<string>();
  #newestOfMain: string | undefined;
  #isIncomplete = false;
  /** For compactions since the last total that no event tells. */
  #standIn: TokenUsage = {};
  #reconciliation: Reconciliation | undefined;
  #spent: Consumed | undefined = nothingConsumed.spent;

  /**
   * @param fold takes each event after this has done so
   * @param limits of the task: what it is not held to is not asked for
   */
  constructor(attempt: Attempt, plugin: Plugin, fold: UsageFold, rooms: Pick<Rooms, 'prices' | 'now'>, limits: Limits) {
    this.#attempt = attempt;
    this.#plugin = plugin;
    this.#fold = fold;
    this.#rooms = rooms;
    this.#limits = limits;
  }

  add(event: HarnessEvent): void {
    this.#going.add(event);
    this.#events.push(event);
    switch (event.kind) {
      case 'model.call': {
        const { callId, thread, provisional } = event;
        if (!this.#calls.has(callId)) this.begunAt.push(this.spent);
        this.#calls.add(callId);
        if (thread === 'main') this.#newestOfMain = callId;
        if (provisional) this.#previews.add(callId);
        else this.#previews.delete(callId);
        this.#figures.push(event);
        break;
      }
      case 'usage.total':
        this.#previews.clear();
        this.#isIncomplete = false;
        this.#standIn = {};
        this.#figures.push(event);
        break;
      case 'usage.incomplete':
        this.#isIncomplete = true;
        return;
      case 'compaction':
        if (this.#isIncomplete) this.#standIn = addTokens(this.#standIn, compacted(event));
        break;
      default:
        return;
    }
    this.#spent = undefined;
  }

  /** Takes what the session's files hold now. */
  read(files: readonly SessionFile[]): void {
    const { harness } = this.#plugin;
    const { sessionId } = this;
    if (sessionId === undefined || !harness.reconcile) return;
    this.#reconciliation = harness.reconcile({ sessionId, files, baseline: this.#attempt.baseline, events: this.#events });
    this.#spent = undefined;
  }

  get sessionId(): string | undefined {
    return sessionIdOf(this.#fold.summary(), this.#attempt);
  }

  /** Something is being used that no event tells before it is too late, and that the files may tell. What the main thread does now it tells itself. */
  get isUntold(): boolean {
    if (this.#isIncomplete || this.#going.hasSubagents) return true;
    if (this.#limits.maxContextUtilization !== undefined && this.#calls.size > 0 && this.spent.contextUtilization === undefined)
      return true;
    return [...this.#previews].some((callId) => callId !== this.#newestOfMain);
  }

  /** Calls that have begun. */
  get calls(): number {
    return this.#calls.size;
  }

  get goesOn(): boolean {
    return this.#going.isSure;
  }

  /** What a watcher is shown of it. */
  get live(): Pick<LiveProgress, 'tokens' | 'costUsdMicros'> {
    const { tokens, costUsdMicros } = this.spent;
    return { ...(tokens > 0 ? { tokens } : {}), ...(costUsdMicros > 0 ? { costUsdMicros } : {}) };
  }

  get spent(): Consumed {
    return (this.#spent ??= this.#count());
  }

  #count(): Consumed {
    const told = this.#fold.summary();
    const accounts = [this.#priced(told, undefined)];
    if (this.#reconciliation) accounts.push(this.#priced(this.#fold.summary(this.#reconciliation), this.#reconciliation));
    const { finalTokens, windowTokens } = contextOf(told, this.#plugin, this.#attempt);
    const window = windowTokens ?? this.#reconciliation?.context?.windowTokens;
    return defined({
      tokens: addCounts(Math.max(...accounts.map(({ tokens }) => tokens)), allTokens(this.#standIn)),
      costUsdMicros: Math.max(...accounts.map(({ costUsdMicros }) => costUsdMicros)) + this.#standInCost(told.model),
      unpriced: accounts.find(({ unpriced }) => unpriced !== undefined)?.unpriced,
      contextUtilization: finalTokens !== undefined && window ? finalTokens / window : undefined,
    });
  }

  #standInCost(model: string | undefined): number {
    if (this.#limits.maxCostUsdMicros === undefined || !usesTokens(this.#standIn)) return 0;
    const price = this.#rooms.prices.price({ model, provider: this.#plugin.harness.provider, usage: this.#standIn, at: this.#rooms.now() });
    return 'usd' in price ? Math.round(price.usd * 1_000_000) : 0;
  }

  #priced(usage: AttemptUsage, reconciliation: Reconciliation | undefined): Consumed {
    const tokens = allTokens(usage.total);
    if (this.#limits.maxCostUsdMicros === undefined) return { tokens, costUsdMicros: 0 };
    const { number } = this.#attempt;
    const { provider } = this.#plugin.harness;
    const { prices, now } = this.#rooms;
    const entries = ledgerOf({ attempt: number, events: this.#figures, reconciliation, usage, timeOf: now });
    const ledger = costOf(number, entries, usage, prices, provider);
    // What the harness itself has a price for needs no other.
    const own = new Set(usage.byModel.flatMap(({ model, costUsdMicros }) => (costUsdMicros ? [model] : [])));
    const missing = ledger.entries.find((entry) => entry.costUsdMicros === undefined && usesTokens(entry) && !own.has(entry.model));
    const price = missing && prices.price({ model: missing.model ?? usage.model, provider, usage: missing, at: missing.at });
    return defined({
      tokens,
      costUsdMicros: ledger.cost.costUsdMicros ?? 0,
      unpriced: price && 'unknown' in price ? price.unknown : undefined,
    });
  }
}

/** What the call has read that summed up, and what it wrote, as far as it is told. */
function compacted({ tokensBefore, tokensAfter }: Extract<HarnessEvent, { kind: 'compaction' }>): TokenUsage {
  return defined({ uncachedInputTokens: tokensBefore, outputTokens: tokensAfter });
}
