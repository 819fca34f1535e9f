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
import { untoldTitle } from './own-log.ts';
import { readSessions, type Message } from './session-rows.ts';
import { Rounding, stepTokens } from './tokens.ts';

type PricedCall = RecordedCall & { readonly costUsdMicros?: number };

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
  const calls = [...callsIn(since, sessionId), ...missing];
  const subagents = calls.filter(({ thread }) => thread !== 'main');
  const prompts = calls.flatMap(({ thread, usage }) => (thread === 'main' ? (promptTokens(usage) ?? []) : []));
  const isReported = told.evidence !== undefined && calls.every(({ callId }) => printed.has(callId));
  const isUntold = calls.some(({ usage }) => Object.keys(usage).length === 0);
  const model = mainMessages.findLast(({ isSummary }) => !isSummary)?.model;
  return defined({
    usage: usageOf(calls),
    subagentUsage: subagents.length === 0 ? undefined : addTokens(...subagents.map(({ usage }) => usage)),
    turns: mainMessages.filter((message) => hasBegun(message) && !message.isSummary).length + missing.length,
    provenance: isReported ? 'reported' : 'recovered',
    lowerBound: isUntold || since.some(isCutOff) || events.some(isUntoldTitle),
    calls: calls.map(({ costUsdMicros: _, ...call }) => call),
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

function callsIn(messages: readonly Message[], mainSession: string): readonly PricedCall[] {
  const rounding = new Rounding();
  return messages.flatMap(({ id, sessionId, model, completedAt, isSummary, steps }): PricedCall[] => {
    if (steps.length === 0) return [];
    const usages = steps.map(({ tokens }) => stepTokens(tokens));
    const costs = steps.flatMap(({ cost }) => rounding.apply(cost) ?? []);
    const call = {
      callId: id,
      thread: sessionId === mainSession ? ('main' as const) : { subagent: sessionId },
      model,
      usage: usages.some((usage) => Object.keys(usage).length === 0) ? {} : addTokens(...usages),
      at: completedAt,
      compaction: isSummary ? (true as const) : undefined,
      costUsdMicros: costs.length === steps.length ? costs.reduce((sum, micros) => sum + micros, 0) : undefined,
    };
    return [defined(call)];
  });
}

/** Calls whose answers were printed to their end. */
function printedCalls(events: readonly HarnessEvent[]): ReadonlyMap<string, PricedCall> {
  const calls = new Map<string, PricedCall>();
  for (const event of events) {
    if (event.kind !== 'model.call') continue;
    const { callId, thread, model, usage, costUsdMicros, provisional } = event;
    if (!provisional) calls.set(callId, defined({ callId, thread, model, usage, costUsdMicros }));
  }
  return calls;
}

/** What was printed and the database does not know: it had no room, or somebody has deleted it. */
function missingIn(messages: readonly Message[], printed: ReadonlyMap<string, PricedCall>): readonly PricedCall[] {
  const known = new Set(messages.flatMap(({ id, steps }) => (steps.length > 0 ? [id] : [])));
  return [...printed.values()].filter(({ callId }) => !known.has(callId));
}

/** A call without tokens says that nothing is known of it, not that it used nothing. */
function usageOf(calls: readonly PricedCall[]): readonly ModelUsage[] {
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

/** Its call was under way when the process died, or broke off before it was asked again: what it used is told nowhere. */
function isCutOff({ begun, steps, completedAt, hasFailed }: Message): boolean {
  return begun > steps.length || (steps.length === 0 && completedAt === undefined && !hasFailed);
}

function isUntoldTitle(event: HarnessEvent): boolean {
  return event.kind === 'usage.incomplete' && event.reason === untoldTitle;
}
