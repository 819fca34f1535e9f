import type { FailureReason } from './reasons.ts';
import type { CostSource } from './ledger.ts';
import type { RetryOverrides } from './retry.ts';
import type { TaskUsage, TokenKinds } from './usage.ts';

/** Milliseconds since the epoch, by the wall clock. Durations that limit anything are measured elsewhere, monotonically. */
export type Instant = number;

export type TaskState = 'created' | 'assigned' | 'in_progress' | 'in_review' | 'blocked' | 'completed' | 'failed' | 'cancelled';
export type FinalState = 'completed' | 'failed' | 'cancelled';
export type PermissionMode = 'all' | 'edits' | 'read';
export type WorkspaceMode = 'worktree' | 'in_place' | 'clone';
export type Complexity = 'low' | 'medium' | 'high' | 'critical';
export type GateKind = 'build' | 'lint' | 'test' | 'typecheck' | 'security' | 'coverage' | 'custom';
export type TaskType =
  | 'planning'
  | 'implementation'
  | 'code_review'
  | 'testing'
  | 'debugging'
  | 'refactoring'
  | 'documentation'
  | 'configuration'
  | 'security_audit';

export const finalStates: readonly TaskState[] = ['completed', 'failed', 'cancelled'] satisfies FinalState[];

export function isFinal(state: TaskState): state is FinalState {
  return finalStates.includes(state);
}

export interface WorkspaceSpec {
  /** The directory that the client named, without symbolic links. */
  readonly path: string;
  readonly mode: WorkspaceMode;
  /**
   * In place: the top of the checkout that the directory lies in. It is the task's alone until that is final, since the whole checkout is
   * frozen and judged, whatever folder of it was named.
   */
  readonly reserves?: string;
}

/** What the client asked for, with every default filled in. Never changes after CreateTask. */
export interface TaskSpec {
  /** At most 200 bytes; absent if the client gave none. */
  readonly title?: string;
  readonly instructions: string;
  readonly acceptanceCriteria: readonly string[];
  readonly context: readonly ContextItem[];
  readonly taskType?: TaskType;
  readonly complexity?: Complexity;
  readonly harness: string;
  readonly model?: string;
  readonly permissions: PermissionMode;
  readonly workspace: WorkspaceSpec;
  /** Shell commands that make the workspace ready, run before the first attempt. */
  readonly setup: readonly string[];
  readonly gates: readonly GateSpec[];
  readonly limits: Limits;
  /** Where the task, or the configuration that it was made under, differs from the built-in retry table. */
  readonly retry?: RetryOverrides;
  /** The finished task that this one does again. */
  readonly rerunOf?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Higher goes first. */
  readonly priority: number;
  /** The caller's trace, as a W3C traceparent. */
  readonly traceparent?: string;
  /** What the systems along that trace have written beside it, as a W3C tracestate. */
  readonly tracestate?: string;
}

/** A file's path is relative to the workspace and is read when the prompt is rendered. */
export type ContextItem = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'file'; readonly path: string };

export interface GateSpec {
  readonly name: string;
  /** Run by `/bin/sh -c` in the workspace. */
  readonly command: string;
  readonly kind: GateKind;
  readonly required: boolean;
  readonly timeoutMs: number;
}

export interface Limits {
  /** Time in which a process of the task runs, summed over attempts. */
  readonly timeoutMs: number;
  /** Bytes that the harness may write to one of its outputs in one attempt. */
  readonly maxOutputBytes: number;
  /** Attempts that may be charged; see the retry table for what is not. */
  readonly maxAttempts: number;
  /** Time that the harness of one attempt may run. Absent: none beside `timeoutMs`. */
  readonly attemptTimeoutMs?: number;
  /** From the start of a harness to its first byte of output; absent in tasks of before there was this limit, as the next ones. */
  readonly firstOutputMs?: number;
  /** Without a byte of output, after the first. */
  readonly stallMs?: number;
  /** Model calls of the main thread, over all attempts. */
  readonly maxTurns?: number;
  /** Tokens of all kinds on both sides, over all attempts. */
  readonly maxTokens?: number;
  /** Over all attempts. */
  readonly maxCostUsdMicros?: number;
  /** Prompt-side tokens of a main-thread call by context window, above 0 and at most 1. It ends the attempt, not the task. */
  readonly maxContextUtilization?: number;
  /** Bytes that must stay free on the disks that the task's processes write to. */
  readonly minFreeBytes?: number;
  /** Time that the task may be blocked, over all times. */
  readonly blockedLimitMs?: number;
}

export type StopKind = 'cancel' | 'terminate' | 'kill';

/** What stopped a process that nobody asked to stop. All but the last are limits; `given_up` is the daemon that cannot go on with it. */
export type LimitStop =
  | 'timeout'
  | 'attempt_timeout'
  | 'first_output'
  | 'stall'
  | 'output_limit'
  | 'disk_full'
  | 'turn_limit'
  | 'token_limit'
  | 'cost_limit'
  | 'context_limit'
  | 'no_progress'
  | 'never_ended'
  | 'unsupervised'
  | 'given_up';

/** How surely everything that descends from a process is found and ended. */
export type SandboxLevel = 'marker' | 'cgroup' | 'pid_namespace';

/** A wish to stop the task, recorded before anything acts on it. The first one is the cause of the ending. */
export interface Stop {
  readonly kind: StopKind;
  /** A later and harder wish: it says how the process is stopped, never why. */
  readonly harder?: StopKind;
  /** The kill switch that made it harder. A shim may have read of it before it heard the first wish: then it is the cause. */
  readonly killSwitch?: Omit<Stop, 'kind' | 'harder' | 'killSwitch'>;
  readonly by: string;
  readonly why?: string;
  readonly scope?: string;
  readonly at: Instant;
}

export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
  readonly scope?: string;
  readonly by?: string;
  readonly why?: string;
}

export interface Lease {
  /** The start id of the daemon that drives the task. */
  readonly owner: string;
}

export type ProcessRole = 'setup' | 'harness' | 'gate';
export type ProcessState = 'open' | 'owned' | 'exited' | 'dead' | 'revoked';

/** One supervised process of the newest attempt. `open` means that its directory is named but nobody owns it yet. */
export interface TaskProcess {
  readonly attempt: number;
  readonly role: ProcessRole;
  /** Place of the setup command or gate in its list; 0 for the harness. */
  readonly ordinal: number;
  /** Relative to the state folder's process directories. */
  readonly directory: string;
  readonly state: ProcessState;
  readonly openedAt: Instant;
  readonly pid?: number;
  readonly exit?: ProcessExit;
}

/** How a supervised process ended, as its shim wrote it down. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The first stop that the shim acted on before the process had ended by itself. */
  readonly stop?: StopKind | LimitStop;
  /** A cgroup's own counters say that the kernel ended it for its memory. */
  readonly outOfMemory?: true;
  readonly spawnError?: string;
  readonly startedAt: Instant;
  readonly endedAt: Instant;
  /** By the monotonic clock. */
  readonly durationMs: number;
  readonly lengths: { readonly stdout: number; readonly stderr: number };
  /** Pids that outlived the sweep. */
  readonly survivors: readonly number[];
}

export type AttemptState = 'prepared' | 'started' | 'ended' | 'lost' | 'revoked';

export interface Attempt {
  readonly number: number;
  readonly state: AttemptState;
  readonly harness: string;
  readonly requestedModel?: string;
  readonly preparedAt: Instant;
  /** What the prompt was made of: the whole task, or the findings for a session that knows the task. */
  readonly prompt?: 'full' | 'findings' | 'full_with_findings' | 'continue';
  /** Without an id where the CLI chooses it itself: what it chose is in `account`. */
  readonly session?: { readonly id?: string; readonly resumed: boolean };
  readonly baseline?: { readonly version: number; readonly data: Readonly<Record<string, unknown>> };
  readonly decoderVersion?: number;
  /** The variable in which the harness expects its key: what a second shim must be handed again. Never the key. */
  readonly apiKeyVariable?: string;
  /** The harness sends its own spans, and they tell its usage. */
  readonly spansTellUsage?: true;
  readonly directory?: string;
  /** As far as its shim got with it; absent before there is a shim. */
  readonly sandbox?: SandboxLevel;
  readonly startedAt?: Instant;
  readonly endedAt?: Instant;
  /** Bytes of each output whose events are recorded. */
  readonly recorded: { readonly stdout: number; readonly stderr: number };
  /** What a watcher sees while the attempt runs; replaced by `account` at its end. */
  readonly live?: LiveProgress;
  /** The limits and watchdogs that have warned of it: each does so once. */
  readonly warned?: readonly string[];
  readonly account?: AttemptAccount;
  readonly evidence?: Evidence;
  readonly exit?: ProcessExit;
  readonly tree?: FrozenTree;
  /** Pids of its processes that outlived SIGKILL and the sweep; absent if there is none. */
  readonly survivors?: readonly number[];
  /** Why this attempt was not the last one, or why the task failed with it. */
  readonly failure?: Failure;
  /** Whether it used up one of `max_attempts`; absent while it runs. */
  readonly charged?: boolean;
}

export interface LiveProgress {
  readonly turns: number;
  readonly tokens?: number;
  readonly costUsdMicros?: number;
  readonly contextUtilization?: number;
  readonly activity?: string;
  readonly model?: string;
  /** What is wrong with how it goes, as far as the watchdogs have seen: it becomes the message if the attempt is stopped for it. */
  readonly concern?: string;
}

/** The harness's own last word, as far as it goes. */
export interface Evidence {
  readonly result: 'completed' | 'failed' | 'interrupted';
  readonly reason?: FailureReason;
  readonly message?: string;
  /** When a limit of the provider's ends, where the harness told it. */
  readonly resetsAt?: Instant;
  /** It had said before that its work was done, and nothing of the work came after that. */
  readonly afterCompleted?: true;
}

/** What one attempt used and said, after reconciliation with the CLI's own session files. */
export interface AttemptAccount {
  readonly sessionId?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly harnessVersion?: string;
  readonly usage?: TaskUsage;
  readonly turns?: number;
  readonly usageByModel?: readonly UsageOfModel[];
  /** The part of `usage` that sub-agents used, where it can be told apart. */
  readonly subagentUsage?: TokenKinds;
  readonly costUsdMicros?: number;
  readonly costSource?: CostSource | 'mixed';
  /** The cost of some part is unknown. */
  readonly costLowerBound?: true;
  /** Of the price list, where it was used. */
  readonly priceVersion?: string;
  readonly compactions?: number;
  /** Lines of its output that the plugin did not know; absent if there was none. */
  readonly unknownEvents?: number;
  readonly context?: { readonly windowTokens?: number; readonly finalTokens?: number; readonly peakTokens?: number };
  /** The agent's last message, cut to 16 KiB. */
  readonly summary?: string;
}

export interface UsageOfModel {
  /** Absent where the harness does not name it. */
  readonly model?: string;
  readonly usage: TokenKinds;
  readonly costUsdMicros?: number;
}

export interface FileChange {
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted' | 'renamed';
  readonly linesAdded?: number;
  readonly linesRemoved?: number;
}

/** The workspace as one commit: what is judged is what is kept. */
export interface FrozenTree {
  readonly commit: string;
  readonly tree: string;
  readonly ref: string;
  /** False if it equals the task's base. */
  readonly changed: boolean;
  readonly files: readonly FileChange[];
  /** How many more changed files are not in `files`. */
  readonly filesOmitted?: number;
  readonly linesAdded: number;
  readonly linesRemoved: number;
  readonly notKept: readonly { readonly path: string; readonly reason: string }[];
}

export interface OpenedWorkspace {
  /** The directory that belongs to the task: the worktree's root, or the given path in place. */
  readonly root: string;
  /** Where the processes run: the same subfolder below `root` that the client named in its repository. */
  readonly cwd: string;
  /** The repository that keeps the refs. */
  readonly repository: string;
  /** The commit that is checked out; absent in place before the first commit. */
  readonly head?: string;
  /** Uncommitted files of the user's that a worktree does not contain. */
  readonly uncommitted?: number;
}

/** The workspace before any attempt, setup included: what is not in it is an attempt's doing. */
export interface WorkspaceBase {
  readonly commit: string;
  readonly tree: string;
  readonly language?: string;
  readonly repoSizeCategory?: 'tiny' | 'small' | 'medium' | 'large' | 'huge';
}

export type GateVerdict = 'passed' | 'failed' | 'errored';

export interface GateResult {
  readonly attempt: number;
  readonly ordinal: number;
  readonly name: string;
  readonly kind: GateKind;
  readonly required: boolean;
  readonly verdict: GateVerdict;
  readonly exitCode?: number;
  readonly startedAt: Instant;
  readonly endedAt: Instant;
  /** One line for people. */
  readonly message?: string;
  /** What would help, where the daemon can tell. */
  readonly hint?: string;
  /** The last 8 KiB of its output. */
  readonly tail?: string;
  /** Whether it changed the tree that it judged; absent where that could not be told. */
  readonly changedTree?: boolean;
}

export interface Estimate {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly costUsdMicros?: number;
}

/** How long the task has spent in each kind of phase since its first dispatch. They add up to the task's duration. */
export interface PhaseTimes {
  readonly activeMs: number;
  readonly gateMs: number;
  readonly backoffMs: number;
  readonly blockedMs: number;
  readonly reviewMs: number;
}

/** Why a task cannot go on before something outside changes, and what it is waiting to see. */
export interface Blocked {
  /** The task fails with it if nothing changes. */
  readonly reason: FailureReason;
  readonly message: string;
  /** Where it goes on. */
  readonly from: 'created' | 'in_review';
  /** Earliest time to try again: the reset of a quota, else a wait that grows with each try. */
  readonly until?: Instant;
  /** It goes on only once the harness's probe says that it is ready. */
  readonly probe?: true;
}

export interface Task {
  /** UUIDv7. */
  readonly id: string;
  readonly spec: TaskSpec;
  readonly state: TaskState;
  /** Rises by one with each commit; commits compare it. */
  readonly version: number;
  /** Number of the newest event. Gapless from 1. */
  readonly sequence: number;
  readonly createdAt: Instant;
  /** When anything of it last changed. */
  readonly updatedAt: Instant;
  /** When the task entered its present state; a final one never leaves it again. */
  readonly since: Instant;
  readonly dispatchedAt?: Instant;
  /** Earliest time of the next claim, in CREATED. */
  readonly notBefore?: Instant;
  readonly lease?: Lease;
  /** Rises at every claim and takeover; a driver's commit with an older one is refused. */
  readonly fence: number;
  readonly attempts: readonly Attempt[];
  /** The processes of the newest attempt. */
  readonly processes: readonly TaskProcess[];
  readonly workspace?: OpenedWorkspace;
  /** Frozen once the setup commands have all passed in this workspace. */
  readonly base?: WorkspaceBase;
  /** Milliseconds of `timeout` used by processes that have ended. */
  readonly usedMs: number;
  readonly stop?: Stop;
  readonly gateResults: readonly GateResult[];
  readonly estimate?: Estimate;
  readonly phases: PhaseTimes;
  readonly blocked?: Blocked;
  readonly failure?: Failure;
}

/** The newest attempt, or undefined before the first claim. */
export function newestAttempt(task: Task): Attempt | undefined {
  return task.attempts.at(-1);
}

/** The process of the newest attempt that may still run: there is never more than one. */
export function openProcess(task: Task): TaskProcess | undefined {
  return task.processes.find((process) => process.state === 'open' || process.state === 'owned');
}

/** Whether nothing of the newest attempt can run any more. */
export function isQuiet(task: Task): boolean {
  return openProcess(task) === undefined;
}

/**
 * Whether the time of a waiting task has come. A wait that began in the future was measured by a clock that has been set back since: nobody
 * can tell what is left of it, so it is over.
 */
export function isDue({ notBefore, since }: Pick<Task, 'notBefore' | 'since'>, now: Instant): boolean {
  return notBefore === undefined || notBefore <= now || since > now;
}

/** The attempts that count: those whose shim owned its directory. One that never started has changed nothing and said nothing. */
export function startedAttempts(task: Task): readonly Attempt[] {
  return task.attempts.filter((attempt) => attempt.startedAt !== undefined);
}
