import { countOf, defined, type AttemptUsage, type TokenUsage } from '@singletree/harness';
import type { Attempt, AttemptAccount, UsageOfModel } from '../task/task.ts';
import { sumIfAllKnown } from '../task/usage.ts';
import type { PricedLedger } from './costs.ts';
import { isSessionId } from './session-files.ts';

/** What an attempt used and said, in the life cycle's words. */
export function accountOf(usage: AttemptUsage, ledger: PricedLedger, provider: string | undefined, attempt: Attempt): AttemptAccount {
  const { compactions, context, model, harnessVersion, lastText, unknownEvents, subagents } = usage;
  const sessionId = sessionIdOf(usage, attempt);
  const { usage: told, turns } = figuresOf(usage);
  return {
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(model === undefined ? {} : { model }),
    ...(provider === undefined ? {} : { provider }),
    ...(harnessVersion === undefined ? {} : { harnessVersion }),
    ...(told === undefined ? {} : { usage: told, usageByModel: modelsOf(usage, ledger) }),
    ...(told === undefined || subagents === undefined ? {} : { subagentUsage: countsOf(subagents) }),
    ...(turns === undefined ? {} : { turns }),
    ...ledger.cost,
    ...(compactions === undefined ? {} : { compactions }),
    ...(unknownEvents === 0 ? {} : { unknownEvents }),
    context,
    ...(lastText === undefined ? {} : { summary: lastText }),
  };
}

/** What each model was used for. The cost of one is the sum of its entries, if each of them has one. */
function modelsOf({ byModel }: AttemptUsage, { entries }: PricedLedger): readonly UsageOfModel[] {
  return byModel.map(({ model, usage, costUsdMicros }) => {
    const costs = entries.filter((entry) => entry.model === model).map((entry) => entry.costUsdMicros);
    return defined({ model, usage: countsOf(usage), costUsdMicros: countOf(costUsdMicros || sumIfAllKnown(costs)) });
  });
}

/** The figures of an attempt that can be told. One that is no count, or that says only "at least nothing", is unknown. */
export function figuresOf(usage: AttemptUsage): Pick<AttemptAccount, 'usage' | 'turns' | 'costUsdMicros' | 'costSource'> {
  const { total, provenance, turns } = usage;
  // A sum that is no count any more, though each of its parts was one, is unknown.
  const costUsdMicros = countOf(usage.costUsdMicros);
  const kinds = countsOf(total);
  const lowerBound = usage.lowerBound || Object.values(total).some((tokens) => countOf(tokens) === undefined);
  // At least nothing is no figure: a call may have been under way that nobody counted.
  const isTold = (count: number | undefined): count is number => count !== undefined && !(lowerBound && count === 0);
  const hasUsage = provenance !== 'missing' && (!lowerBound || Object.values(kinds).some(isTold));
  return {
    ...(hasUsage ? { usage: { ...kinds, provenance, lowerBound } } : {}),
    ...(isTold(turns) ? { turns } : {}),
    ...(isTold(costUsdMicros) ? { costUsdMicros, costSource: 'harness' as const } : {}),
  };
}

/** The kinds of tokens of which the sum is a count. */
export function countsOf(tokens: TokenUsage): TokenUsage {
  return defined({
    uncachedInputTokens: countOf(tokens.uncachedInputTokens),
    cacheReadInputTokens: countOf(tokens.cacheReadInputTokens),
    cacheWriteInputTokens: countOf(tokens.cacheWriteInputTokens),
    cacheWrite1hInputTokens: countOf(tokens.cacheWrite1hInputTokens),
    outputTokens: countOf(tokens.outputTokens),
    reasoningOutputTokens: countOf(tokens.reasoningOutputTokens),
  });
}

/** The id that the CLI told, or the one that it was given if what it told is no id. */
export function sessionIdOf(usage: AttemptUsage, attempt: Attempt): string | undefined {
  return [usage.sessionId, attempt.session?.id].find(isSessionId);
}
