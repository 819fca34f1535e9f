import {
  countOf,
  defined,
  usesTokens,
  type AttemptUsage,
  type HarnessEvent,
  type Reconciliation,
  type TokenUsage,
} from '@singletree/harness';
import type { LedgerEntry } from '../task/ledger.ts';
import type { Instant } from '../task/task.ts';
import { tokenKinds, type TokenKinds } from '../task/usage.ts';
import { countsOf, figuresOf } from './account.ts';
import { restsOf } from './rests.ts';

type CallEvent = Extract<HarnessEvent, { kind: 'model.call' }>;

export interface LedgerSources {
  readonly attempt: number;
  readonly events: readonly HarnessEvent[];
  readonly reconciliation?: Reconciliation | undefined;
  /** The account that the entries add up to. */
  readonly usage: AttemptUsage;
  /** When the line that gave an event was written. */
  readonly timeOf: (event: HarnessEvent) => Instant | undefined;
}

/**
 * The model calls of an attempt: those of the session's files where they tell them one by one, else those of the events. What the account holds
 * beyond them is one entry for each model without an id. Where calls hold more of a kind than the account, nobody knows which of them is
 * wrong: then no call has that kind, and the rest all of it. So no kind is ever counted twice.
 *
 * Costs are the harness's own figures for single calls.
 */
export function ledgerOf({ attempt, events, reconciliation, usage, timeOf }: LedgerSources): readonly LedgerEntry[] {
  const told = callEvents(events);
  let calls = reconciliation?.calls
    ? recordedCalls(attempt, reconciliation, told, timeOf)
    : told.map((call) => toldCall(attempt, call.event, timeOf(call.event), call.isPreview && !reconciliation));
  const account = figuresOf(usage).usage;
  const rests = new Map<string | undefined, { -readonly [kind in keyof TokenKinds]: number }>();
  for (const kind of tokenKinds) {
    const totals = usage.byModel.map((part) => ({ model: part.model, amount: countOf(part.usage[kind]) ?? 0 }));
    const claims = calls.map((call) => ({ model: call.model, amount: call[kind] ?? 0 }));
    const isTold = account?.[kind] !== undefined;
    const beyond = isTold ? restsOf(totals, claims) : undefined;
    // How long the cache holds is a part of what is written to it, and may well be told for calls only.
    if (!beyond && (isTold || kind !== 'cacheWrite1hInputTokens')) calls = calls.map((call) => without(call, kind));
    for (const { model, amount } of beyond ?? (isTold ? totals : [])) {
      if (amount > 0) rests.set(model, { ...rests.get(model), [kind]: amount });
    }
  }
  const provenance = reconciliation?.provenance ?? 'reported';
  const beyondCalls = usage.byModel.map(({ model }): LedgerEntry => defined({ attempt, model, ...rests.get(model), provenance }));
  return [
    ...calls.map(withSoundLifetime).map((call) => (hasKinds(call) ? call : { ...call, provenance: 'missing' as const })),
    ...beyondCalls.map(withSoundLifetime).filter(hasKinds),
  ];
}

/** The entries for calls that have just been told. A later event of the same call replaces its entry. */
export function toldCalls(attempt: number, events: readonly HarnessEvent[], at: Instant): readonly LedgerEntry[] {
  return callEvents(events).map(({ event }) => toldCall(attempt, event, at, event.provisional === true));
}

interface Told {
  readonly event: CallEvent;
  /** Something of it is not told yet, and no total that came later holds it. */
  readonly isPreview: boolean;
}

/** Each call once, as it was told last, in the order in which calls were told first. */
function callEvents(events: readonly HarnessEvent[]): readonly Told[] {
  const calls = new Map<string, Told>();
  for (const event of events) {
    if (event.kind === 'model.call') calls.set(event.callId, { event, isPreview: event.provisional === true });
    if (event.kind === 'usage.total') for (const [id, call] of calls) calls.set(id, { ...call, isPreview: false });
  }
  return [...calls.values()];
}

function toldCall(attempt: number, event: CallEvent, at: Instant | undefined, isProvisional: boolean): LedgerEntry {
  const { callId, thread, model, usage, compaction } = event;
  return defined({
    attempt,
    callId,
    subagent: thread === 'main' ? undefined : thread.subagent,
    compaction,
    model,
    at,
    ...countsOf(usage),
    provenance: hasKinds(usage) ? ('reported' as const) : ('missing' as const),
    provisional: isProvisional ? (true as const) : undefined,
    ...ownCost(event),
  });
}

function recordedCalls(
  attempt: number,
  { calls = [], provenance }: Reconciliation,
  told: readonly Told[],
  timeOf: LedgerSources['timeOf'],
): readonly LedgerEntry[] {
  const events = new Map(told.map(({ event }) => [event.callId, event]));
  const once = new Map(calls.map((call) => [call.callId, call]));
  return [...once.values()].map((call) => {
    const { callId, thread, model, usage, compaction } = call;
    const event = events.get(callId);
    const at = call.at ?? (event && timeOf(event));
    const wasTold = event !== undefined && tokenKinds.every((kind) => event.usage[kind] === usage[kind]);
    return defined({
      attempt,
      callId,
      subagent: thread === 'main' ? undefined : thread.subagent,
      compaction,
      model: model ?? event?.model,
      at: at === undefined ? undefined : Math.round(at),
      ...countsOf(usage),
      provenance: hasKinds(usage) ? (wasTold ? ('reported' as const) : provenance) : ('missing' as const),
      ...ownCost(call),
    });
  });
}

function ownCost(call: { readonly usage: TokenUsage; readonly costUsdMicros?: number }): Pick<LedgerEntry, 'costUsdMicros' | 'costSource'> {
  const costUsdMicros = countOf(call.costUsdMicros);
  if (costUsdMicros === undefined || !usesTokens(call.usage)) return {};
  return { costUsdMicros, costSource: 'harness' };
}

/** Writes of which the long-lived part would be more than all: the two were told at different places. */
function withSoundLifetime(entry: LedgerEntry): LedgerEntry {
  const isSound = (entry.cacheWrite1hInputTokens ?? 0) <= (entry.cacheWriteInputTokens ?? 0);
  return isSound ? entry : without(entry, 'cacheWrite1hInputTokens');
}

function hasKinds(tokens: TokenKinds): boolean {
  return tokenKinds.some((kind) => tokens[kind] !== undefined);
}

function without(entry: LedgerEntry, kind: keyof TokenKinds): LedgerEntry {
  const { [kind]: _, ...rest } = entry;
  return rest;
}
