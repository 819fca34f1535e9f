import { defined } from './defined.ts';
import type { CostSource } from './ledger.ts';
import { isFinal, startedAttempts, type Task } from './task.ts';
import { generatedTokens, inputTokens, sumIfAllKnown, sumKnown, sumUsage, type TaskUsage } from './usage.ts';

/** What a task has used up to now, over all its attempts. Costs are in millionths of a US dollar. */
export interface Spending {
  readonly usage?: TaskUsage;
  readonly actualInputTokens?: number;
  readonly actualOutputTokens?: number;
  readonly tokensPerTask?: number;
  readonly actualCostUsdMicros?: number;
  readonly costSource?: CostSource | 'mixed';
  /** The cost of some part is unknown, or not known yet. Stands beside a cost only, as `turnsLowerBound` beside turns. */
  readonly costLowerBound?: boolean;
  readonly priceVersion?: string;
  readonly turnsPerTask?: number;
  readonly turnsLowerBound?: boolean;
}

/**
 * The sums of the attempts' accounts. Of an attempt that runs there is no account yet: what is shown of it while it runs is in the sums of turns,
 * tokens and cost, which are lower bounds until it has one.
 */
export function spendingOf(task: Task): Spending {
  const started = startedAttempts(task);
  const accounts = started.map(({ account }) => account);
  const newest = started.at(-1);
  const live = isFinal(task.state) || newest?.account ? undefined : newest?.live;
  const usage = sumUsage(accounts.map((account) => account?.usage));
  const [input, output] = usage ? [inputTokens(usage), generatedTokens(usage)] : [];
  const cost = sumKnown([...accounts.map((account) => account?.costUsdMicros), live?.costUsdMicros]);
  const turns = sumKnown([...accounts.map((account) => account?.turns), live?.turns]);
  const [source, ...others] = new Set(accounts.flatMap((account) => account?.costSource ?? []));
  return defined({
    usage,
    actualInputTokens: input,
    actualOutputTokens: output,
    tokensPerTask: sumKnown([sumIfAllKnown([input, output]), live?.tokens]),
    actualCostUsdMicros: cost,
    costSource: cost === undefined ? undefined : others.length > 0 ? ('mixed' as const) : source,
    costLowerBound:
      cost === undefined ? undefined : accounts.some((account) => account?.costUsdMicros === undefined || account.costLowerBound === true),
    priceVersion: accounts.findLast((account) => account?.priceVersion !== undefined)?.priceVersion,
    turnsPerTask: turns,
    turnsLowerBound: turns === undefined ? undefined : accounts.some((account) => account?.turns === undefined),
  });
}
