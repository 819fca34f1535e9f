import {
  addByModel,
  addTokens,
  defined,
  foldUsage,
  promptTokens,
  type HarnessEvent,
  type ModelUsage,
  type ReconcileInput,
  type Reconciliation,
  type RecordedCall,
} from '@singletree/harness';
import { messagesSince } from './baseline.ts';
import { capabilities } from './capabilities.ts';
import { catalogueFiles, windowIn } from './context-window.ts';
import { untold } from './own-log.ts';
import { readSessions, type Message } from './session-rows.ts';
import { isAll, Rounding, stepTokens } from './tokens.ts';

/** What the user and the CLI know of models, once it is known that there is a session. */
export function sessionFiles(_sessionId: string, found: ReconcileInput['files']): readonly string[] {
  return found.length === 0 ? [] : catalogueFiles;
}

/** The database tells what the output does: each finished answer, with its model; and beyond that sub-agents and what was cut off. */
export function reconcile({ sessionId, files, baseline, events }: ReconcileInput): Reconciliation | undefined {
  const { sessions, messages } = readSessions(files);
  const own = sessions.find(({ id }) => id === sessionId);
  if (!own) return undefined;
  const since = messagesSince(baseline, messages);
  const mainMessages = since.filter((message) => message.sessionId === sessionId);
  const told = foldUsage(events, capabilities);
  const printed = printedCalls(events);
  const missing = missingIn(since, printed);
  const printedIds = new Set(missing.map(({ callId }) => callId));
  const calls = [...callsIn(since, sessionId).filter(({ callId }) => !printedIds.has(callId)), ...missing];
  const subagents = calls.filter(({ thread }) => thread !== 'main');
  const prompts = calls.flatMap(({ thread, compaction, usage }) => (thread === 'main' && !compaction ? (promptTokens(usage) ?? []) : []));
  const isReported = told.evidence !== undefined && calls.every(({ callId }) => printed.has(callId));
  const model = mainMessages.findLast(({ isSummary }) => !isSummary)?.model;
  return defined({
    usage: usageOf(calls),
    subagentUsage: subagents.length === 0 ? undefined : addTokens(...subagents.map(({ usage }) => usage)),
    turns:
      mainMessages.filter((message) => hasBegun(message) && !message.isSummary).length +
      missing.filter(({ thread, compaction }) => thread === 'main' && !compaction).length,
    provenance: isReported ? 'reported' : 'recovered',
    lowerBound: calls.some(({ usage }) => Object.keys(usage).length === 0) || since.some(isPartlyTold) || events.some(isUntold),
    calls,
    model,
    // A session keeps the version that made it, whichever goes on in it.
    harnessVersion: baseline === undefined ? own.version : undefined,
    compactions: mainMessages.filter(isCompaction).length,
    context: defined({
      windowTokens: model === undefined ? undefined : windowIn(model, files),
      finalTokens: prompts.at(-1),
      peakTokens: prompts.length === 0 ? undefined : Math.max(...prompts),
    }),
  });
}

/** The calls behind the answers, those of which nothing is told included: under way when the process died, or broken off and asked again. */
function callsIn(messages: readonly Message[], mainSession: string): readonly RecordedCall[] {
  const rounding = new Rounding();
  return messages.flatMap((message): RecordedCall[] => {
    const { id, sessionId, model, completedAt, isSummary, steps } = message;
    const thread = sessionId === mainSession ? ('main' as const) : { subagent: sessionId };
    const compaction = isSummary ? (true as const) : undefined;
    const usages = steps.map(({ tokens }) => stepTokens(tokens));
    const costs = steps.flatMap(({ cost }) => rounding.apply(cost) ?? []);
    const told = {
      callId: id,
      thread,
      model,
      usage: usages.some((usage) => Object.keys(usage).length === 0) ? {} : addTokens(...usages),
      at: completedAt,
      compaction,
      costUsdMicros: costs.length === steps.length ? costs.reduce((sum, micros) => sum + micros, 0) : undefined,
    };
    const untold = Array.from({ length: cutOff(message) }, (_, place) => {
      const isFirst = steps.length === 0 && place === 0;
      return defined({ callId: isFirst ? id : `${id}/${place + 1}`, thread, model, usage: {}, compaction });
    });
    return [...untold, ...(steps.length === 0 ? [] : [defined(told)])];
  });
}

/** Calls whose answers were printed to their end. */
function printedCalls(events: readonly HarnessEvent[]): ReadonlyMap<string, RecordedCall> {
  const calls = new Map<string, RecordedCall>();
  for (const event of events) {
    if (event.kind !== 'model.call') continue;
    const { callId, thread, model, usage, costUsdMicros, compaction, provisional } = event;
    if (!provisional) calls.set(callId, defined({ callId, thread, model, usage, costUsdMicros, compaction }));
  }
  return calls;
}

/** What was printed and the database does not know: it had no room, or somebody has deleted it. */
function missingIn(messages: readonly Message[], printed: ReadonlyMap<string, RecordedCall>): readonly RecordedCall[] {
  const known = new Set(messages.flatMap(({ id, steps }) => (steps.length > 0 ? [id] : [])));
  return [...printed.values()].filter(({ callId }) => !known.has(callId));
}

/** A call without tokens says that nothing is known of it, not that it used nothing. */
function usageOf(calls: readonly RecordedCall[]): readonly ModelUsage[] {
  const parts = calls.map(({ model, usage, costUsdMicros }) => defined({ model, usage, costUsdMicros }));
  const told = addByModel(parts);
  return told.length === 0 && parts.length > 0 ? parts.slice(0, 1) : told;
}

function hasBegun({ begun, steps }: Message): boolean {
  return begun > 0 || steps.length > 0;
}

function isCompaction({ isSummary, hasFailed, steps }: Message): boolean {
  return isSummary && !hasFailed && steps.length > 0;
}

/** How many calls used what is told nowhere: each time that the answer began and did not end, and a request that still waited for its answer. */
function cutOff({ begun, steps, completedAt, hasFailed }: Message): number {
  if (begun === 0 && steps.length === 0) return completedAt === undefined && !hasFailed ? 1 : 0;
  return Math.max(0, begun - steps.length);
}

function isPartlyTold({ steps }: Message): boolean {
  return steps.some(({ tokens }) => !isAll(tokens));
}

function isUntold(event: HarnessEvent): boolean {
  return event.kind === 'usage.incomplete' && untold.has(event.reason);
}
