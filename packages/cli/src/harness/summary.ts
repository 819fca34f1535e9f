import { countsOf, figuresOf } from '@singletree/core/kit';
import { defined, type AttemptUsage, type EndEvidence, type ModelUsage, type TokenUsage } from '@singletree/harness';

/** What `harness decode --summary --json` prints. A field that the recording does not tell is absent, never 0. */
export interface Summary {
  readonly harness: string;
  readonly cli_version?: string;
  readonly session_id?: string;
  readonly model?: string;
  /** Model calls of the main thread. */
  readonly turns?: number;
  /** Sub-agents and compactions included, as far as they are known. `lower_bound`: something was used, or may have been, that it does not hold. */
  readonly usage: UsageSummary & { readonly lower_bound?: true };
  readonly usage_by_model?: Readonly<Record<string, UsageSummary>>;
  /** The part of `usage` that sub-agents used. */
  readonly subagent_usage?: UsageSummary;
  readonly cost_usd_micros?: number;
  readonly cost_source?: string;
  readonly context: {
    readonly compactions?: number;
    readonly window_tokens?: number;
    readonly final_tokens?: number;
    readonly peak_tokens?: number;
  };
  /** Calls by tool. */
  readonly tools?: Readonly<Record<string, number>>;
  /** How many files the harness says that it changed. */
  readonly files_changed?: number;
  readonly api_retries?: number;
  readonly permission_denials?: number;
  /** Lines that the decoder does not know. */
  readonly unknown_events: number;
  readonly ended: {
    readonly kind: EndEvidence['result'] | 'missing';
    readonly reason?: string;
    readonly message?: string;
  };
}

type Provenance = NonNullable<ReturnType<typeof figuresOf>['usage']>['provenance'] | 'missing';

/** Disjoint kinds: none of them is counted in another one. */
export interface UsageSummary {
  readonly uncached_input_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly cache_write_input_tokens?: number;
  readonly output_tokens?: number;
  readonly reasoning_output_tokens?: number;
  /** Where the figures come from. */
  readonly provenance: Provenance;
}

/** `heard`: the CLI has said anything that is understood, so that what it never did is known to be 0. */
export function summaryOf(harness: string, told: AttemptUsage, heard: boolean): Summary {
  const { usage, turns, costUsdMicros, costSource } = figuresOf(told);
  const { evidence, context } = told;
  const provenance = usage?.provenance ?? 'missing';
  const summaryOfTokens = (tokens: TokenUsage): UsageSummary => tokensSummary(tokens, provenance);
  return defined({
    harness,
    cli_version: told.harnessVersion,
    session_id: told.sessionId,
    model: told.model,
    turns,
    usage: defined({ ...summaryOfTokens(usage ?? {}), lower_bound: usage?.lowerBound ? (true as const) : undefined }),
    usage_by_model: usage && byModel(told.byModel, summaryOfTokens),
    subagent_usage: told.subagents && summaryOfTokens(told.subagents),
    cost_usd_micros: costUsdMicros,
    cost_source: costSource,
    context: defined({
      compactions: heard ? told.compactions : undefined,
      window_tokens: context.windowTokens,
      final_tokens: context.finalTokens,
      peak_tokens: context.peakTokens,
    }),
    tools: heard ? told.tools : undefined,
    files_changed: heard ? told.filesChanged : undefined,
    api_retries: heard ? told.apiRetries : undefined,
    permission_denials: heard ? told.permissionDenials : undefined,
    unknown_events: told.unknownEvents,
    ended: endingOf(evidence),
  });
}

function endingOf(evidence: EndEvidence | undefined): Summary['ended'] {
  if (!evidence) return { kind: 'missing' };
  return defined({ kind: evidence.result, reason: evidence.reason, message: evidence.message });
}

function tokensSummary(tokens: TokenUsage, provenance: Provenance): UsageSummary {
  const counts = countsOf(tokens);
  return defined({
    uncached_input_tokens: counts.uncachedInputTokens,
    cache_read_input_tokens: counts.cacheReadInputTokens,
    cache_write_input_tokens: counts.cacheWriteInputTokens,
    output_tokens: counts.outputTokens,
    reasoning_output_tokens: counts.reasoningOutputTokens,
    provenance,
  });
}

/** Undefined where the harness counts tokens without a word about the model. */
function byModel(
  parts: readonly ModelUsage[],
  summaryOfTokens: (tokens: TokenUsage) => UsageSummary,
): Readonly<Record<string, UsageSummary>> | undefined {
  if (parts.some(({ model }) => model === undefined)) return undefined;
  return Object.fromEntries(parts.map(({ model = '', usage }) => [model, summaryOfTokens(usage)]));
}
