import { defined, type HarnessEvent, type ReconcileInput, type RecordedCall, type Thread, type TokenUsage } from '@singletree/harness';
import type { IsOwn } from './own-part.ts';
import type { Rollout, RolloutCall, RolloutCompaction } from './rollout.ts';

interface Calls {
  /** In the order in which they were made. One whose tokens nobody tells uses none of any kind. */
  readonly calls: readonly RecordedCall[];
  /** Nothing was under way where what is told of them ends. */
  readonly isWhole: boolean;
}

/** The attempt's calls as its rollouts and its log tell them. Their ids are those of the log: the thread and the number of the call in it. */
export function callsOf({ sessionId, events }: ReconcileInput, rollouts: readonly Rollout[], isOwn: IsOwn): Calls {
  const logged = Map.groupBy(loggedCalls(events), ({ thread }) => (thread === 'main' ? sessionId : thread.subagent));
  const threads = rollouts.map((rollout) => own(rollout, logged.get(rollout.threadId) ?? [], isOwn, sessionId));
  const isRead = new Set(rollouts.map(({ threadId }) => threadId));
  const others = [...logged].flatMap(([threadId, calls]) => (isRead.has(threadId) ? [] : calls));
  return {
    calls: [...byTime(threads.map(({ calls }) => calls)), ...others],
    isWhole: threads.every(({ isWhole }) => isWhole),
  };
}

function own(rollout: Rollout, logged: readonly RecordedCall[], isOwn: IsOwn, sessionId: string): Calls {
  const { threadId, isAnswerUntold, isCallDue } = rollout;
  const thread: Thread = threadId === sessionId ? 'main' : { subagent: threadId };
  const written = rollout.calls.filter((call) => isOwn(rollout, call));
  const merged = merge(written, logged, isAnswerUntold);
  const before = written[0] ? rollout.calls.indexOf(written[0]) : rollout.calls.length;
  const compactions = rollout.compactions.filter((compaction) => !compaction.isCounted && isOwn(rollout, compaction));
  const compacting = placesOf(compactions, merged);
  const calls = merged.map((call, at): RecordedCall => {
    const callId = `${threadId}:${before + at + 1}`;
    if (!('endsAt' in call)) return defined({ ...call, callId, compaction: compacting.has(at) ? true : undefined });
    return defined({ callId, thread, model: call.model, usage: call.usage, at: call.at, compaction: call.isCompaction ? true : undefined });
  });
  const isAnswerTold = !isAnswerUntold || merged.some((call) => !('endsAt' in call));
  // What was under way in a sub-agent that has done nothing since is not the attempt's.
  return { calls, isWhole: (isAnswerTold && !isCallDue) || !isOwn(rollout, rollout) };
}

/** Those of one thread never change places, whatever the clock did meanwhile. */
function byTime(threads: readonly (readonly RecordedCall[])[]): readonly RecordedCall[] {
  const timed = threads.flatMap((calls) => {
    let last = 0;
    return calls.map((call) => {
      last = Math.max(last, call.at ?? last);
      return { call, at: last };
    });
  });
  return timed.toSorted((one, other) => one.at - other.at).map(({ call }) => call);
}

/**
 * What is written down among what was logged, both in the order in which it was done. The log has more: the last call of a process that was killed
 * before it wrote it down, and in old versions what the provider itself used to compact a context. A log that does not have what is written does
 * not tell the calls; the last one may still be there only.
 */
function merge(
  written: readonly RolloutCall[],
  logged: readonly RecordedCall[],
  isAnswerUntold: boolean,
): readonly (RolloutCall | RecordedCall)[] {
  let next = 0;
  const merged = logged.flatMap((call): readonly (RolloutCall | RecordedCall)[] => {
    const from = next;
    // Neither is one that is written down without its tokens.
    const found = written.findIndex((candidate, at) => at >= from && (isTold(candidate) || !isTold(call)));
    const candidate = written[found];
    if (!candidate || !isSame(candidate.usage, call.usage)) return [call];
    next = found + 1;
    return written.slice(from, next);
  });
  const rest = written.slice(next);
  if (!rest.some(isTold)) return [...merged, ...rest];
  return [...written, ...(isAnswerUntold ? logged.slice(written.length) : [])];
}

/** The places of calls that were only logged, and that wrote the summary of one of these compactions: it is between the calls around them. */
function placesOf(compactions: readonly RolloutCompaction[], calls: readonly (RolloutCall | RecordedCall)[]): ReadonlySet<number> {
  const open = [...compactions];
  const places = new Set<number>();
  calls.forEach((call, at) => {
    if ('endsAt' in call) return;
    const from = calls.slice(0, at).findLast((before) => 'endsAt' in before)?.endsAt ?? 0;
    const to = calls.slice(at).find((after) => 'endsAt' in after)?.endsAt ?? Infinity;
    const found = open.findIndex(({ endsAt }) => endsAt > from && endsAt < to);
    if (found < 0) return;
    open.splice(found, 1);
    places.add(at);
  });
  return places;
}

/** Each once, as it was told last. */
function loggedCalls(events: readonly HarnessEvent[]): readonly RecordedCall[] {
  const calls = new Map<string, RecordedCall>();
  for (const event of events) {
    if (event.kind !== 'model.call') continue;
    const { callId, thread, model, usage } = event;
    calls.set(callId, defined({ callId, thread, model, usage }));
  }
  return [...calls.values()];
}

export function isTold({ usage }: Pick<RecordedCall, 'usage'>): boolean {
  return Object.keys(usage).length > 0;
}

/** A kind that one of the two does not tell is 0 in the other. */
function isSame(one: TokenUsage, other: TokenUsage): boolean {
  const kinds = ['uncachedInputTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens', 'outputTokens', 'reasoningOutputTokens'] as const;
  return kinds.every((kind) => (one[kind] ?? 0) === (other[kind] ?? 0));
}
