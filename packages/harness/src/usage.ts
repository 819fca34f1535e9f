import type { Capabilities, Reconciliation, Untold } from './contract.ts';
import type { EndEvidence, HarnessEvent, HarnessEventBody, ModelUsage, TokenUsage } from './events.ts';
import { defined } from './defined.ts';
import { addByModel, addCounts, addTokens, noTokens, promptTokens, usesTokens } from './tokens.ts';

/** What one attempt used and did, as its events tell it. A field that they do not tell is absent, never 0. */
export interface AttemptUsage {
  readonly sessionId?: string;
  /** The model that the CLI says it runs, not the one that was asked for. */
  readonly model?: string;
  readonly harnessVersion?: string;
  /** Sub-agents and compactions included, as far as they are known. */
  readonly total: TokenUsage;
  readonly byModel: readonly ModelUsage[];
  /** The part of `total` that sub-agents used, where it can be told apart. */
  readonly subagents?: TokenUsage;
  /** Model calls of the main thread. */
  readonly turns?: number;
  /** The harness's own figure for exactly this attempt; absent if any part of `total` has none. */
  readonly costUsdMicros?: number;
  /** Where `total` comes from: the CLI's own words while it ran, its files afterwards, or nowhere. */
  readonly provenance: 'reported' | 'recovered' | 'missing';
  /** Something was used, or may have been, that `total` does not hold. */
  readonly lowerBound: boolean;
  readonly compactions?: number;
  readonly context: {
    readonly windowTokens?: number;
    /** Prompt-side tokens of the last and of the largest model call of the main thread. */
    readonly finalTokens?: number;
    readonly peakTokens?: number;
  };
  /** The CLI's closing words, if they were the last word of its main thread. */
  readonly evidence?: FinalEvidence;
  /** The last text of the main thread, as long as an event can be. */
  readonly lastText?: string;
  /** Calls by tool name. */
  readonly tools: Readonly<Record<string, number>>;
  /** Files that the CLI says it changed: what its shell commands changed is not among them. */
  readonly filesChanged?: number;
  readonly apiRetries?: number;
  readonly permissionDenials?: number;
  readonly unknownEvents: number;
}

export interface FinalEvidence extends EndEvidence {
  /** It had said before that its work was done, and its main thread has done nothing since: what failed or was interrupted is not the work. */
  readonly afterCompleted?: true;
}

/** Folds the events of an attempt as they come. Holds one small entry a model call and tool, never the events. */
export interface UsageFold {
  add(event: HarnessEventBody): void;
  /** The account so far. Before the end it is a lower bound by nature. */
  summary(reconciliation?: Reconciliation): AttemptUsage;
}

/** The account of an attempt from all its events, in order, and from what its session's files corrected. */
export function foldUsage(events: Iterable<HarnessEvent>, capabilities: Capabilities, reconciliation?: Reconciliation): AttemptUsage {
  const fold = createUsageFold(capabilities);
  for (const event of events) fold.add(event);
  return fold.summary(reconciliation);
}

type ModelCall = Extract<HarnessEventBody, { kind: 'model.call' }>;

export function createUsageFold(capabilities: Capabilities): UsageFold {
  const calls = new Map<string, ModelCall>();
  /** Ids of the calls that a total has counted by now. */
  const counted = new Set<string>();
  const tools = new Map<string, number>();
  const files = new Set<string>();
  const seen: { -readonly [field in 'sessionId' | 'model' | 'harnessVersion' | 'lastText' | 'evidence']?: AttemptUsage[field] } = {};
  let totals: readonly ModelUsage[] | undefined;
  let windowTokens: number | undefined;
  let incomplete = false;
  let compactions = 0;
  let apiRetries = 0;
  let permissionDenials = 0;
  let unknownEvents = 0;

  function add(event: HarnessEventBody): void {
    if (reopens(event)) delete seen.evidence;
    switch (event.kind) {
      case 'session.started':
        seen.sessionId = event.sessionId;
        if (event.model !== undefined) seen.model = event.model;
        if (event.harnessVersion !== undefined) seen.harnessVersion = event.harnessVersion;
        return;
      case 'model.call':
        calls.set(event.callId, event);
        return;
      case 'usage.total':
        totals = addByModel([...(totals ?? []), ...event.byModel]);
        windowTokens = event.contextWindowTokens ?? windowTokens;
        for (const id of calls.keys()) counted.add(id);
        incomplete = false;
        return;
      case 'usage.incomplete':
        incomplete = true;
        return;
      case 'text':
        if (event.thread === 'main') seen.lastText = event.text;
        return;
      case 'tool.started':
        tools.set(event.tool, (tools.get(event.tool) ?? 0) + 1);
        return;
      case 'file.changed':
        files.add(event.path);
        return;
      case 'compaction':
        compactions += 1;
        return;
      case 'model.retried':
        apiRetries += 1;
        return;
      case 'permission.denied':
        permissionDenials += 1;
        return;
      case 'raw':
        unknownEvents += 1;
        return;
      case 'ended':
        seen.evidence = closing(event.evidence, seen.evidence);
        return;
      default:
        return;
    }
  }

  function summary(reconciliation?: Reconciliation): AttemptUsage {
    const open = [...calls.values()].filter((call) => !counted.has(call.callId));
    const parts = reconciliation?.usage ?? [...(totals ?? []), ...open.map(asUsage)];
    const byModel = addByModel(parts);
    const total = parts.length === 0 ? noTokens : addTokens(...parts.map((part) => part.usage));
    // A call of which no token is told says that something was used, and not what.
    const known = reconciliation !== undefined || totals !== undefined || open.some(({ usage }) => Object.keys(usage).length > 0);
    const mainCalls = [...calls.values()].filter(isTurn);
    const prompts = mainCalls.flatMap(({ usage }) => promptTokens(usage) ?? []);
    const tellsTurns = capabilities.usage !== 'none' && capabilities.usage.scope === 'model_call';
    const isTold = known && Object.keys(total).length > 0;
    const provenance: AttemptUsage['provenance'] = isTold ? (reconciliation?.provenance ?? 'reported') : 'missing';
    const partial = !known || incomplete || seen.evidence === undefined || open.some((call) => call.provisional === true);
    return defined({
      ...seen,
      model: reconciliation?.model ?? seen.model,
      harnessVersion: reconciliation?.harnessVersion ?? seen.harnessVersion,
      total: known ? total : {},
      byModel,
      subagents: reconciliation?.subagentUsage ?? subagentUsage([...calls.values()]),
      turns: reconciliation?.turns ?? (tellsTurns ? unlessUntold('turns', mainCalls.length) : undefined),
      // Calls of which no token is told may have cost anything.
      costUsdMicros: isTold ? costOf(byModel) : undefined,
      provenance,
      lowerBound: reconciliation?.lowerBound ?? partial,
      compactions: reconciliation?.compactions ?? (capabilities.compaction ? unlessUntold('compactions', compactions) : undefined),
      context: defined({ windowTokens, finalTokens: prompts.at(-1), peakTokens: largest(prompts), ...reconciliation?.context }),
      tools: Object.fromEntries(tools),
      filesChanged: unlessUntold('files_changed', files.size),
      apiRetries: unlessUntold('api_retries', apiRetries),
      permissionDenials: unlessUntold('permission_denials', permissionDenials),
      unknownEvents,
    });
  }

  function unlessUntold(what: Untold, count: number): number | undefined {
    return count === 0 && capabilities.untold?.includes(what) ? undefined : count;
  }

  return { add, summary };
}

function closing(evidence: EndEvidence, before: FinalEvidence | undefined): FinalEvidence {
  const wasDone = before?.result === 'completed' || before?.afterCompleted === true;
  return wasDone && evidence.result !== 'completed' ? { ...evidence, afterCompleted: true } : evidence;
}

/** Work of the main thread, which takes back closing words that came before it. */
export function reopens(event: HarnessEventBody): boolean {
  switch (event.kind) {
    case 'session.started':
      return true;
    case 'model.call':
    case 'text':
    case 'tool.started':
      return event.thread === 'main';
    case 'compaction':
      return true;
    default:
      return false;
  }
}

function isTurn({ thread, compaction }: ModelCall): boolean {
  return thread === 'main' && !compaction;
}

function largest(counts: readonly number[]): number | undefined {
  return counts.length === 0 ? undefined : counts.reduce((most, count) => Math.max(most, count));
}

function asUsage(call: ModelCall): ModelUsage {
  return defined({ model: call.model, usage: call.usage, costUsdMicros: call.costUsdMicros });
}

/** Only from calls that are final: a preview would look like a figure. */
function subagentUsage(calls: readonly ModelCall[]): TokenUsage | undefined {
  const own = calls.filter((call) => call.thread !== 'main');
  if (own.length === 0 || own.some((call) => call.provisional)) return undefined;
  return addTokens(...own.map((call) => call.usage));
}

function costOf(byModel: readonly ModelUsage[]): number | undefined {
  let sum = 0;
  for (const { usage, costUsdMicros } of byModel) {
    if (costUsdMicros === undefined && usesTokens(usage)) return undefined;
    sum = addCounts(sum, costUsdMicros ?? 0);
  }
  return sum;
}
