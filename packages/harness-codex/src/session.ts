import {
  addByModel,
  addTokens,
  defined,
  foldUsage,
  promptTokens,
  type HarnessEvent,
  type ReconcileInput,
  type Reconciliation,
  type RecordedCall,
  type SessionFile,
  type Thread,
} from '@singletree/harness';
import { ownFrom } from './baseline.ts';
import { capabilities } from './capabilities.ts';
import { brokenOff } from './incomplete.ts';
import { readRollout, type Rollout, type RolloutCall } from './rollout.ts';

/** The thread's rollout, in a folder for the day on which it began, and those of the sub-agents that it and they name. Resumes append. */
export function sessionFiles(sessionId: string, found: readonly SessionFile[] = []): readonly string[] {
  const subagents = found.flatMap(({ bytes }) => readRollout(bytes)?.subagents ?? []);
  const places = ['$CODEX_HOME', '.codex'].map((home) => `${home}/sessions/*/*/*`);
  return [...new Set([sessionId, ...subagents])].flatMap((id) => places.map((place) => `${place}/rollout-*-${id}.jsonl`));
}

/** Undefined where the main thread has no rollout. */
export function reconcile(input: ReconcileInput): Reconciliation | undefined {
  const rollouts = threadsOf(input);
  const main = rollouts.find(({ threadId }) => threadId === input.sessionId);
  if (!main) return undefined;
  const told = foldUsage(input.events, capabilities);
  const threads = rollouts.map((rollout) => own(rollout, input));
  const calls = threads.flatMap((thread) => thread.calls);
  const subagentCalls = calls.filter(({ thread }) => thread !== 'main');
  const turns = calls.filter(({ thread, compaction }) => thread === 'main' && !compaction);
  const prompts = turns.flatMap(({ usage }) => promptTokens(usage) ?? []);
  const from = ownFrom(input.baseline, main.threadId);
  const missesSubagents = hasDelegated(input.events) && subagentCalls.length === 0;
  return defined({
    usage: addByModel(calls.map(({ model, usage }) => defined({ model, usage }))),
    subagentUsage: subagentCalls.length === 0 ? undefined : addTokens(...subagentCalls.map(({ usage }) => usage)),
    turns: turns.length,
    provenance: told.provenance === 'reported' && !told.lowerBound ? 'reported' : 'recovered',
    lowerBound: missesSubagents || hasBrokenOff(input.events) || threads.some(({ isComplete }) => !isComplete),
    calls,
    model: main.model,
    harnessVersion: told.harnessVersion ?? (input.baseline ? undefined : main.version),
    compactions: main.compactions.filter((endsAt) => endsAt > from).length,
    context: defined({
      windowTokens: main.windowTokens,
      finalTokens: prompts.at(-1),
      peakTokens: prompts.length === 0 ? undefined : Math.max(...prompts),
    }),
    resetsAtMs: main.resetsAtMs,
  });
}

/** The main thread and all that work for it, each once. */
function threadsOf({ sessionId, files }: ReconcileInput): readonly Rollout[] {
  const rollouts = new Map<string, Rollout>();
  for (const { bytes } of files) {
    const rollout = readRollout(bytes);
    if (rollout) rollouts.set(rollout.threadId, rollout);
  }
  return [...rollouts.values()].filter(({ rootId }) => rootId === sessionId);
}

interface OwnCalls {
  readonly calls: readonly RecordedCall[];
  readonly isComplete: boolean;
}

/** The attempt's calls in one thread. Where the CLI was killed before it wrote one down, its log may still tell it. */
function own(rollout: Rollout, { sessionId, baseline, events }: ReconcileInput): OwnCalls {
  const thread: Thread = rollout.threadId === sessionId ? 'main' : { subagent: rollout.threadId };
  const from = ownFrom(baseline, rollout.threadId);
  const written = rollout.calls.filter(({ endsAt }) => endsAt > from).map((call) => recorded(call, rollout.threadId, thread));
  // Calls are written in the order in which they are logged, so that the first ones are the same.
  const onlyLogged = loggedCalls(events, thread).slice(written.length);
  const isTold = !rollout.isAnswerUntold || onlyLogged.length > 0;
  return { calls: [...written, ...onlyLogged], isComplete: isTold && !rollout.isCallDue };
}

function recorded({ endsAt, model, usage, at, isCompaction }: RolloutCall, threadId: string, thread: Thread): RecordedCall {
  return defined({ callId: `${threadId}@${endsAt}`, thread, model, usage, at, compaction: isCompaction ? true : undefined });
}

function loggedCalls(events: readonly HarnessEvent[], thread: Thread): readonly RecordedCall[] {
  return events.flatMap((event): RecordedCall[] => {
    if (event.kind !== 'model.call' || !isSame(event.thread, thread)) return [];
    const { callId, model, usage } = event;
    return [defined({ callId, thread, model, usage })];
  });
}

/** Somebody has been given work who may have a thread of his own. */
function hasDelegated(events: readonly HarnessEvent[]): boolean {
  return events.some((event) => event.kind === 'tool.started' && event.tool.startsWith('collab.'));
}

function hasBrokenOff(events: readonly HarnessEvent[]): boolean {
  return events.some((event) => event.kind === 'usage.incomplete' && event.reason === brokenOff.reason);
}

function isSame(one: Thread, other: Thread): boolean {
  return one === 'main' || other === 'main' ? one === other : one.subagent === other.subagent;
}
