/** The outputs of a harness process that a decoder may read. Both are files; no order between them is promised. */
export type OutputSource = 'stdout' | 'stderr';

/** Tokens by disjoint kind: no token is counted under two of them. A kind that the CLI does not report is absent, never 0. */
export interface TokenUsage {
  /** Prompt tokens that were neither read from nor written to a cache. */
  readonly uncachedInputTokens?: number;
  readonly cacheReadInputTokens?: number;
  /** All cache writes, whatever their lifetime. */
  readonly cacheWriteInputTokens?: number;
  /** The part of the cache writes with a lifetime of one hour, where the CLI tells: providers price it differently. */
  readonly cacheWrite1hInputTokens?: number;
  /** Output without reasoning. */
  readonly outputTokens?: number;
  readonly reasoningOutputTokens?: number;
}

/** Who in the session speaks: the main conversation, or a sub-agent named by the CLI's own id. */
export type Thread = 'main' | { readonly subagent: string };

/** The harness's own last word about its work. Evidence for the daemon, never a verdict. */
export interface EndEvidence {
  readonly result: 'completed' | 'failed' | 'interrupted';
  /** A reason of the closed set of failure reasons, where the CLI's output names one beyond doubt. */
  readonly reason?: EndReason;
  /** The CLI's own words, at most 2 KiB. */
  readonly message?: string;
}

/** What a CLI can tell about why it ended. The daemon's own findings (timeouts, gates, a lost process) are not among them. */
export type EndReason =
  | 'unauthenticated'
  | 'rate_limited'
  | 'quota_exhausted'
  | 'transient_api_error'
  | 'context_exhausted'
  | 'turn_limit'
  | 'cost_limit'
  | 'permission_denied'
  | 'invalid_configuration';

/** What a decoder finds in the output, in the words that all harnesses share. */
export type HarnessEventBody =
  | { readonly kind: 'session.started'; readonly sessionId: string; readonly model?: string; readonly harnessVersion?: string }
  | {
      readonly kind: 'model.call';
      /** The CLI's own id of the call. A later event with the same id replaces this one. */
      readonly callId: string;
      readonly thread: Thread;
      readonly model?: string;
      /** What this one call used. */
      readonly usage: TokenUsage;
      /** True where a kind is still missing from `usage` and only a later call event, a total or the session's files tell it. */
      readonly provisional?: boolean;
      /** True where it is known that its answer calls tools, whose results only another call can read: that one follows unless somebody stops it. */
      readonly goesOn?: boolean;
      /** As in `ModelUsage`. */
      readonly costUsdMicros?: number;
      /** It writes the summary that a compaction leaves: no turn of the conversation, and its prompt is not the conversation's context. */
      readonly compaction?: true;
    }
  | {
      /** A total that the CLI itself states for the span since the previous total (or the start of the process, less the baseline).
       *  Where a plugin emits totals, they are the truth and the calls before them are only their preview. */
      readonly kind: 'usage.total';
      /** Empty: nothing was used. */
      readonly byModel: readonly ModelUsage[];
      readonly contextWindowTokens?: number;
    }
  /** Tokens were used that no event counts (a compaction, a sub-agent with a session of its own): sums are lower bounds until a later
   *  `usage.total`. */
  | { readonly kind: 'usage.incomplete'; readonly reason: string }
  | { readonly kind: 'text'; readonly thread: Thread; readonly text: string; readonly truncated?: Truncation }
  | {
      readonly kind: 'tool.started';
      readonly thread: Thread;
      readonly toolId: string;
      readonly tool: string;
      readonly summary?: string;
      /** `digest` of all that the call was given. Absent where the CLI does not tell all of it: such a call is like no other. */
      readonly inputDigest?: string;
    }
  | {
      readonly kind: 'tool.finished';
      readonly thread: Thread;
      readonly toolId: string;
      readonly tool?: string;
      readonly failed: boolean;
      readonly summary?: string;
      /** `digest` of the whole result; absent where the CLI does not tell it. */
      readonly outputDigest?: string;
    }
  | { readonly kind: 'file.changed'; readonly path: string; readonly change: 'added' | 'modified' | 'deleted' }
  | { readonly kind: 'compaction'; readonly trigger?: 'auto' | 'manual'; readonly tokensBefore?: number; readonly tokensAfter?: number }
  | { readonly kind: 'model.retried'; readonly reason: string; readonly status?: number; readonly delayMs?: number }
  | { readonly kind: 'rate.limited'; readonly resetsAtMs?: number; readonly message?: string }
  | { readonly kind: 'permission.denied'; readonly tool: string; readonly message?: string }
  | { readonly kind: 'subagent.started'; readonly subagent: string; readonly name?: string }
  | { readonly kind: 'subagent.ended'; readonly subagent: string }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'raw'; readonly line: string; readonly truncated?: Truncation }
  /**
   * The CLI's closing words. Main-thread work after it (some CLIs wake up again) takes them back until the next one.
   *
   * `pending`: how much goes on that may bring the main thread back, where the CLI tells: a silence after it is then no hang.
   */
  | { readonly kind: 'ended'; readonly evidence: EndEvidence; readonly pending?: number };

export interface ModelUsage {
  /** Absent where the CLI counts tokens without a word about the model. */
  readonly model?: string;
  readonly usage: TokenUsage;
  /** The harness's own price for exactly this usage, in millionths of a US dollar, rounded once per attempt: a decoder gives the
   *  difference of rounded running sums. Absent if the CLI states none, or states 0 for tokens that were used. */
  readonly costUsdMicros?: number;
}

/** Where the whole text stands in the log, when an event carries only its beginning. Bytes. */
export interface Truncation {
  readonly offset: number;
  readonly length: number;
}

/** An event and where it comes from: the offset at which the line that gave it ends, in bytes from the start of its source. */
export type HarnessEvent = HarnessEventBody & { readonly source: OutputSource; readonly endsAt: number };

/** Longest event, serialised as JSON, in bytes. Longer text is cut and points into the log. */
export const maxEventBytes: number = 16 * 1024;
