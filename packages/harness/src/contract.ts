import type { z } from 'zod';
import type { EndEvidence, HarnessEvent, ModelUsage, OutputSource, Thread, TokenUsage } from './events.ts';

/** The version of this contract. A plugin states it literally; the daemon loads no plugin that states another. */
export const specificationVersion = 'harness/v1';

export type PermissionMode = 'all' | 'edits' | 'read';

/** What a plugin's CLI can really do. The conformance suite fails a plugin that claims too much or too little. */
export interface Capabilities {
  /** A later process can go on in the same session, also after the first one was killed. */
  readonly resume: boolean;
  /** The daemon chooses the session id before the start, so that a session is known even if the CLI never says a word. */
  readonly choosesSessionId: boolean;
  /** How finely usage is told, and whether figures are per span or running totals of the whole session. */
  readonly usage: 'none' | { readonly scope: 'model_call' | 'turn' | 'session'; readonly counts: 'delta' | 'cumulative' };
  readonly contextWindow: boolean;
  readonly compaction: boolean;
  readonly cost: boolean;
  readonly permissionModes: readonly PermissionMode[];
  /** What the output may keep back although it happened, and only the session's files may tell: a count of 0 is unknown then. Absent: nothing of these. */
  readonly untold?: readonly Untold[];
  /** Its own traces, where `command` can switch them on. Absent: it has none, or they hold what an agent is told or reads. */
  readonly telemetry?: OwnTelemetry;
}

/** What becomes of the traces that the CLI sends by itself. */
export interface OwnTelemetry {
  /** `joins`: its spans go on in the trace that TRACEPARENT names. `links`: they are in traces of their own, and their resource's attributes say of which
   *  attempt they are. */
  readonly traces: 'joins' | 'links';
  /** How it can send them, in whatever encoding. */
  readonly transports: readonly TelemetryTarget['transport'][];
  /** The variable in which it takes the headers of its requests: `name=value,…`, in which commas and percent signs of a value are percent-encoded.
   *  They may be secrets: the daemon hands them over as it does with a key. */
  readonly headersVariable: string;
  /** Its spans carry `gen_ai.usage.*`: whoever sums those up would count twice if the attempt's span had them too. */
  readonly usage?: true;
}

/** What is counted by its events, and of which some CLIs say nothing, or not always. */
export type Untold = 'turns' | 'compactions' | 'api_retries' | 'permission_denials' | 'files_changed';

/** Something that a plugin cannot do, or a figure that it cannot know, with CLIs of these versions. */
export interface KnownLimit {
  /** As `versionRange` reads it: `all`, `2.1.197`, `up to 2.1.197`, `from 2.1.198`, `2.1.197 – 2.1.329`. */
  readonly versions: string;
  /** One sentence for people. */
  readonly text: string;
}

/** Short calls to the world that the daemon lends to a plugin: bounded in time and output, run with the child's environment. */
export interface ProbeHost {
  /** Runs the configured executable and finds its version; `missing` if it cannot be started. */
  version(args: readonly string[], pattern: RegExp): Promise<{ readonly found: string } | { readonly missing: string }>;
  /** Whether a file exists, for credentials of a CLI's own login: named as in `sessionFiles`, without patterns. Never reads it. */
  homeFileExists(path: string): Promise<boolean>;
  /** Whether the configuration or the environment that the child will get holds this variable. Never its value. */
  hasEnvironment(name: string): boolean;
}

export type Probe =
  | { readonly status: 'ready'; readonly version: string; readonly warning?: string }
  | { readonly status: 'missing'; readonly message: string; readonly hint: string }
  | { readonly status: 'unsupported_version'; readonly version: string; readonly message: string; readonly hint: string }
  | { readonly status: 'unauthenticated'; readonly version: string; readonly message: string; readonly hint: string };

/** W3C trace context: https://www.w3.org/TR/trace-context/ */
export interface TraceContext {
  /** Names the span of the attempt, which is sent when the task has ended. */
  readonly traceparent: string;
  /** The caller's, as it came. */
  readonly tracestate?: string;
}

/** Where the CLI's own traces go. Headers are no part of it: see `OwnTelemetry`. */
export interface TelemetryTarget {
  readonly transport: 'http' | 'grpc';
  /** The address for traces, used as it is; by HTTP it ends in `/v1/traces` unless the user has chosen another. Without credentials. */
  readonly endpoint: string;
  /** Limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Absolute paths of PEM files: whose certificates are believed, and the client's own. */
  readonly certificate?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** Attributes of the resource, by which its traces are found: `singletree.task.id` and `singletree.attempt.number` among them. */
  readonly resource: Readonly<Record<string, string>>;
}

/** How the daemon asks the CLI to work: everything that a plugin needs to build a command line, and nothing of the daemon's. */
export interface AttemptContext {
  /** The rendered prompt. It reaches the CLI by standard input, a regular file; never by argv. */
  readonly prompt: string;
  /** The real path of the folder in which the CLI runs. */
  readonly workspace: string;
  /** The session to go on in, or the id to use for a new one where the plugin lets the daemon choose. */
  readonly session: { readonly kind: 'new'; readonly id: string } | { readonly kind: 'resume'; readonly id: string };
  readonly model?: string;
  readonly permissions: PermissionMode;
  /** True if the daemon runs as root: some CLIs refuse what they allow others. */
  readonly root: boolean;
  /** True if the user has said that this workspace may configure the CLI (hooks, MCP servers, settings). Else what it brings is ignored. */
  readonly trusted?: boolean;
  /** True if the task has a limit on tokens, cost or context: the CLI should tell what each call uses as early as it can, however much it writes for it. */
  readonly metered?: boolean;
  /** The trace that the attempt is in. The daemon sets TRACEPARENT and TRACESTATE itself; this is for a CLI that takes them otherwise. */
  readonly trace?: TraceContext;
  /** Set if the CLI shall send its own traces, and nothing beside them: no metrics, no logs, no prompts. Only given where `capabilities` declare it. */
  readonly telemetry?: TelemetryTarget;
}

/** What every harness configuration shares. A plugin reads these and its own options. */
export interface HarnessSettings<Options> {
  /** The CLI's executable as configured, resolved to an absolute path where it was found. */
  readonly executable: string;
  readonly model?: string;
  readonly baseUrl?: string;
  /** Set if the configuration gives a key. The value itself is handed over by the daemon, under the name that the plugin states. */
  readonly hasApiKey: boolean;
  readonly args: readonly string[];
  readonly options: Options;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the allowlisted environment. Never a secret. */
  readonly env: Readonly<Record<string, string>>;
  /** The variable in which this CLI expects the configured key, handed over by file descriptor. */
  readonly apiKeyVariable?: string;
  readonly stdin: string;
  /** Standard error goes into the log of standard output: for a CLI whose words on both only make sense in the order in which they were said. */
  readonly oneOutput?: true;
}

/** What a resumed session had used before this attempt, as the plugin needs it to difference running totals. Stored opaque with the attempt. */
export interface Baseline {
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A session file as the daemon read it for the plugin. */
export interface SessionFile {
  /** Named as in `sessionFiles`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What a plugin wants to know from a SQLite database in which its CLI keeps sessions. */
export interface SessionQuery {
  /** The database file, named as in `sessionFiles`, without patterns. */
  readonly path: string;
  /** One statement that only reads. The first column of each row, as text, is one line of the file that the plugin gets. */
  readonly sql: string;
  /** The values of its `?`, in order. */
  readonly parameters: readonly string[];
}

/** One model call as the session's files tell it. */
export interface RecordedCall {
  /** Unique in the session. */
  readonly callId: string;
  readonly thread: Thread;
  readonly model?: string;
  readonly usage: TokenUsage;
  /** As in `ModelUsage`, for this call. */
  readonly costUsdMicros?: number;
  /** When it was done, in milliseconds since 1970. */
  readonly at?: number;
  /** It wrote the summary that a compaction leaves: no turn of the conversation. */
  readonly compaction?: true;
}

/** The corrected account of one attempt, from the CLI's own session files. An optional field takes the place of what the events tell. */
export interface Reconciliation {
  /** All that the attempt used, in place of what its events say. Empty: nothing. */
  readonly usage: readonly ModelUsage[];
  /** The part of `usage` that sub-agents used, where it can be told apart. */
  readonly subagentUsage?: TokenUsage;
  /** Model calls of the main thread. */
  readonly turns?: number;
  /** `recovered`: the figures come from files, not from the CLI's closing words. */
  readonly provenance: 'reported' | 'recovered';
  /** The files cannot tell all either (a call was under way when the process died). */
  readonly lowerBound: boolean;
  /** Every call that `usage` sums up, where the files tell them one by one. */
  readonly calls?: readonly RecordedCall[];
  /** The model that the session really ran. */
  readonly model?: string;
  readonly harnessVersion?: string;
  readonly compactions?: number;
  /** As in `AttemptUsage`. */
  readonly context?: { readonly windowTokens?: number; readonly finalTokens?: number; readonly peakTokens?: number };
  /** When the provider's limit ends that the session ran into last, in milliseconds since 1970. */
  readonly resetsAtMs?: number;
}

/**
 * A deterministic function of its baseline and of the bytes [0, n) of one source, however they are chunked. It takes and
 * gives plain data, touches nothing, and never throws on bad input: a line it cannot read is a `raw` event.
 */
export interface Decoder {
  /** Takes the next bytes, at most 256 KiB, and gives the events whose lines end in them. */
  push(bytes: Uint8Array): readonly HarnessEvent[];
  /** The source has ended: what an unfinished last line gives, and nothing else. Its `endsAt` is the length of the source; a stored
   *  offset always stands at the end of a line, so that anything else would be lost in a restart. */
  end(): readonly HarnessEvent[];
}

export interface ReconcileInput {
  readonly sessionId: string;
  readonly files: readonly SessionFile[];
  readonly baseline: Baseline | undefined;
  /** Every event of the attempt, in order per source. */
  readonly events: readonly HarnessEvent[];
}

/** A coding-agent CLI: what it is, what it can, how to start it, and how to read it. The daemon does the rest. */
export interface Harness<Options = unknown> {
  readonly specificationVersion: typeof specificationVersion;
  readonly harnessId: string;
  /** The CLI's name as its makers write it. */
  readonly displayName: string;
  /** What `executable` is when the configuration names none. */
  readonly defaultExecutable: string;
  /** The provider of the models when the CLI does not tell. Low-cardinality, as in the GenAI conventions. */
  readonly provider?: string;
  /** Which CLI versions this plugin was checked against, as a range for people: `2.1.197 – 2.1.329`. */
  readonly supportedVersions: string;
  /** What does not work, or is not known, by version of the CLI. Shown to people, never acted on. */
  readonly knownLimits?: readonly KnownLimit[];
  /** Rises whenever the same bytes give other events; it is stored with each attempt. */
  readonly decoderVersion: number;
  readonly capabilities: Capabilities;
  readonly options: z.ZodType<Options>;
  probe(host: ProbeHost, settings: HarnessSettings<Options>): Promise<Probe>;
  /** Throws `RefusedAttempt` for what the CLI cannot do: a permission mode it lacks, a resume, a flag in `args` that is ours. */
  command(attempt: AttemptContext, settings: HarnessSettings<Options>): Command;
  decoder(source: OutputSource, baseline: Baseline | undefined): Decoder;
  /** Variables of the user's that the CLI gets beside the daemon's allowlist: where its own files lie. Never keys. */
  readonly environment?: readonly string[];
  /** With what a repository configures this CLI, from its top or from the folder in which the CLI runs: it is ignored unless the workspace is
   *  trusted, and whoever runs a task there is told so. */
  readonly projectConfiguration?: readonly string[];
  /**
   * Programs that this executable does nothing but start, best first, by absolute path: the first that is there is run in its place, so
   * that signals and exit codes are the CLI's own. Pure; asked once, with the real path.
   */
  nativeExecutables?(executable: string): readonly string[];
  /**
   * The session's files that `baseline` and `reconcile` want to read: relative to the child's HOME, or to the folder that a variable
   * names (`$NAME/…`; nothing where it is not set). `*` matches within one name. Asked again with what was found, until it names
   * nothing new: files may name further ones.
   */
  sessionFiles?(sessionId: string, found: readonly SessionFile[]): readonly string[];
  /** The same for what stands in databases: the rows of each come as one more session file, first of all, under the database's path. A
   *  database that is not there gives none. */
  sessionQueries?(sessionId: string): readonly SessionQuery[];
  /** Asked before a resume, with the session's files as they are and the real path of the folder in which the CLI is to run. `undefined`: there is
   *  no such session (any more), or none that can be gone on in from there: begin a fresh one. */
  baseline?(sessionId: string, files: readonly SessionFile[], workspace?: string): Baseline | undefined;
  /** Asked after the process and its whole tree have ended. Pure. `undefined`: the files tell nothing that the events do not. */
  reconcile?(input: ReconcileInput): Reconciliation | undefined;
  /** How many tokens the context of this model holds, for CLIs that do not tell although they were told: pure, from the configuration. */
  contextWindow?(model: string, settings: HarnessSettings<Options>): number | undefined;
  /** What the end means where the CLI said nothing: its exit code or signal, and the tail of its standard error, or of its one output. */
  exitEvidence?(exit: {
    readonly code: number | null;
    readonly signal: string | null;
    readonly stderrTail: string;
  }): EndEvidence | undefined;
}

/** Why a plugin cannot build a command line for what is asked of it, in words for the user. Retrying changes nothing. */
export class RefusedAttempt extends Error {
  override readonly name = 'RefusedAttempt';
}

/** Gives a plugin its types; returns it unchanged. */
export function defineHarness<Options>(harness: Harness<Options>): Harness<Options> {
  return harness;
}
