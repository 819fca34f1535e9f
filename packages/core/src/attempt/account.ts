import { countOf, defined, type AttemptUsage } from '@singletree/harness';
import type { Attempt, AttemptAccount } from '../task/task.ts';
import { isSessionId } from './session-files.ts';

/** What an attempt used and said, in the life cycle's words. A figure that is no count, or that says only "at least nothing", is unknown. */
export function accountOf(usage: AttemptUsage, provider: string | undefined, attempt: Attempt): AttemptAccount {
  const { total, provenance, turns, compactions, context, model, harnessVersion, lastText } = usage;
  const sessionId = sessionIdOf(usage, attempt);
  // A sum that is no count any more, though each of its parts was one, is unknown.
  const costUsdMicros = countOf(usage.costUsdMicros);
  const kinds = defined({
    uncachedInputTokens: countOf(total.uncachedInputTokens),
    cacheReadInputTokens: countOf(total.cacheReadInputTokens),
    cacheWriteInputTokens: countOf(total.cacheWriteInputTokens),
    outputTokens: countOf(total.outputTokens),
    reasoningOutputTokens: countOf(total.reasoningOutputTokens),
  });
  const lowerBound = usage.lowerBound || Object.values(total).some((tokens) => countOf(tokens) === undefined);
  // At least nothing is no figure: a call may have been under way that nobody counted.
  const isTold = (count: number | undefined): count is number => count !== undefined && !(lowerBound && count === 0);
  const hasUsage = provenance !== 'missing' && (!lowerBound || Object.values(kinds).some(isTold));
  return {
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(model === undefined ? {} : { model }),
    ...(provider === undefined ? {} : { provider }),
    ...(harnessVersion === undefined ? {} : { harnessVersion }),
    ...(hasUsage ? { usage: { ...kinds, provenance, lowerBound } } : {}),
    ...(isTold(turns) ? { turns } : {}),
    ...(isTold(costUsdMicros) ? { costUsdMicros, costSource: 'harness' as const } : {}),
    ...(compactions === undefined ? {} : { compactions }),
    context,
    ...(lastText === undefined ? {} : { summary: lastText }),
  };
}

/** The id that the CLI told, or the one that it was given if what it told is no id. */
export function sessionIdOf(usage: AttemptUsage, attempt: Attempt): string | undefined {
  return [usage.sessionId, attempt.session?.id].find(isSessionId);
}
