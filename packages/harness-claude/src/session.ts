import {
  addByModel,
  addTokens,
  defined,
  foldUsage,
  promptTokens,
  usesTokens,
  type AttemptUsage,
  type HarnessEvent,
  type ModelUsage,
  type ReconcileInput,
  type Reconciliation,
  type RecordedCall,
  type TokenUsage,
} from '@singletree/harness';
import { baselineTotals } from './baseline.ts';
import { capabilities } from './capabilities.ts';
import { isBrokenOff } from './incomplete.ts';
import { Rounding, sinceTotals } from './ledger.ts';
import { recordedSession, type RecordedSession } from './recorded-session.ts';
import { excess, inKindsOf } from './tokens.ts';

/** The conversation, and one file for each sub-agent that it started. The folder is named after the workspace. */
export function sessionFiles(sessionId: string): readonly string[] {
  return ['$CLAUDE_CONFIG_DIR', '.claude'].flatMap((folder) => [
    `${folder}/projects/*/${sessionId}.jsonl`,
    `${folder}/projects/*/${sessionId}/subagents/agent-*.jsonl`,
  ]);
}

/** Undefined where the session has no file. */
export function reconcile(input: ReconcileInput): Reconciliation | undefined {
  const session = recordedSession(input);
  if (!session) return undefined;
  const told = foldUsage(input.events, capabilities);
  const account = isSettled(input.events, told) ? reported(told, session) : recovered(input, session);
  const whole = addTokens(...account.usage.map(({ usage }) => usage));
  const calls = [...session.calls, ...compactionCall(input, account, session)].map((call) => ({
    ...call,
    usage: inKindsOf(whole, call.usage),
  }));
  const ofSubagents = calls.filter(({ thread }) => thread !== 'main');
  return defined({
    ...account,
    // Calls that hold more than the totals: one of the two is wrong, and the totals are what the CLI itself has counted.
    calls: beyond(account.usage, calls) ? calls : undefined,
    subagentUsage: ofSubagents.length === 0 ? undefined : addTokens(...ofSubagents.map(({ usage }) => usage)),
    turns: session.calls.length - ofSubagents.length,
    compactions: Math.max(told.compactions ?? 0, session.compactions.length),
    context: contextOf(session),
  });
}

/** Calls stand in the order in which they were made, those that only the output tells last. */
function contextOf({ calls }: RecordedSession): Reconciliation['context'] {
  const prompts = calls.flatMap(({ thread, usage }) => (thread === 'main' ? (promptTokens(usage) ?? []) : []));
  const peakTokens = prompts.length === 0 ? undefined : prompts.reduce((most, tokens) => Math.max(most, tokens));
  return defined({ finalTokens: prompts.at(-1), peakTokens });
}

type Account = Pick<Reconciliation, 'usage' | 'provenance' | 'lowerBound'>;

/** The last word of the main thread came with a total, and nobody has called a model since. */
function isSettled(events: readonly HarnessEvent[], { evidence }: AttemptUsage): boolean {
  const last = events.findLastIndex(({ kind }) => kind === 'usage.total');
  return evidence !== undefined && last >= 0 && !events.slice(last + 1).some(({ kind }) => kind === 'model.call');
}

/** The totals of the output are the truth. Those of an interrupted run may lack the call that was under way. */
function reported(told: AttemptUsage, { hasOpenRequest }: RecordedSession): Account {
  const lowerBound = told.lowerBound || (told.evidence?.result === 'interrupted' && hasOpenRequest);
  return { usage: told.byModel, provenance: 'reported', lowerBound };
}

/** The totals that the CLI saved when it was asked to end; after a kill the calls, and what an earlier total held beyond them. */
function recovered({ baseline, events }: ReconcileInput, session: RecordedSession): Account {
  if (session.savedTotals) {
    const rounding = new Rounding();
    const parts = sinceTotals(session.savedTotals, baselineTotals(baseline));
    const usage = parts.map((part) => rounding.apply(session.savedCostsAreGuesses ? { ...part, costUsd: undefined } : part));
    return { usage, provenance: 'recovered', lowerBound: session.hasOpenRequest || events.some(isBrokenOff) };
  }
  const beyond = beyondCalls(events, session.calls);
  const usage = addByModel([...session.calls.map(({ model, usage }) => defined({ model, usage })), ...beyond.rest]);
  return { usage, provenance: 'recovered', lowerBound: session.isCallDue || beyond.isOpen };
}

/**
 * What the printed totals hold beyond the calls that they count: compactions, and answers that broke off. A call that the output never showed
 * may be in them or have come after them; it is taken to be in them, so that nothing is counted twice.
 */
function beyondCalls(events: readonly HarnessEvent[], calls: readonly RecordedCall[]): { rest: readonly ModelUsage[]; isOpen: boolean } {
  const last = events.findLastIndex(({ kind }) => kind === 'usage.total');
  const later = new Set(events.slice(last + 1).flatMap((event) => (event.kind === 'model.call' ? event.callId : [])));
  const before = new Set(events.slice(0, last + 1).flatMap((event) => (event.kind === 'model.call' ? event.callId : [])));
  const isOpen = events.slice(last + 1).some(({ kind }) => kind === 'usage.incomplete');
  const totals = addByModel(events.flatMap((event) => (event.kind === 'usage.total' ? event.byModel : [])));
  const counted = calls.filter(({ callId }) => before.has(callId) || !later.has(callId));
  const rest = beyond(totals, counted) ?? [];
  return { rest, isOpen: isOpen || (rest.length > 0 && counted.some(({ callId }) => !before.has(callId))) };
}

/**
 * The call that wrote the summary of a compaction is in no line and no file: it is what the totals hold beyond all others. That is known where there
 * was one compaction, and nothing else that only totals count.
 */
function compactionCall({ events }: ReconcileInput, account: Account, { calls, compactions }: RecordedSession): RecordedCall[] {
  const untold = events.filter(({ kind }) => kind === 'usage.incomplete').length;
  const [boundary] = compactions;
  if (account.lowerBound || untold !== 1 || compactions.length !== 1 || !boundary) return [];
  const [rest, ...others] = beyond(account.usage, calls) ?? [];
  if (!rest || others.length > 0) return [];
  const { model, usage } = rest;
  return [defined({ callId: boundary.id, thread: 'main', model, usage, at: boundary.at, compaction: true })];
}

/** Undefined if calls hold more of a kind than the totals do. By model where both name models alike: a gateway may answer under another name. */
function beyond(totals: readonly ModelUsage[], calls: readonly RecordedCall[]): readonly ModelUsage[] | undefined {
  const whole = addTokens(...totals.map(({ usage }) => usage));
  const known = addByModel(calls.map(({ model, usage }) => defined({ model, usage: inKindsOf(whole, usage) })));
  const ofModel = (parts: readonly ModelUsage[], model: string | undefined): TokenUsage =>
    parts.find((part) => part.model === model)?.usage ?? {};
  const areAlike = known.every(({ model, usage }) => !usesTokens(excess(usage, ofModel(totals, model))));
  const sum = addTokens(...known.map(({ usage }) => usage));
  if (!areAlike && usesTokens(excess(sum, whole))) return undefined;
  const rests: readonly ModelUsage[] = areAlike
    ? totals.map(({ model, usage }) => defined({ model, usage: excess(usage, ofModel(known, model)) }))
    : [{ usage: excess(whole, sum) }];
  return rests.filter(({ usage }) => usesTokens(usage));
}
