import { resolve } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, type Duration } from '@bufbuild/protobuf/wkt';
import {
  Complexity,
  FailureReason,
  GateKind,
  PermissionMode,
  RetrySession,
  TaskType,
  WorkspaceMode,
  type CreateTaskRequestSchema,
  type LimitsSchema,
  type RetryRuleSchema,
} from '@singletree/protocol';
import type * as words from './types.ts';
import { fromWord } from './words.ts';

/** What should be done, where, by whom, and how it is judged. What is absent is the daemon's to choose. */
export interface CreateTask {
  /** One line, at most 200 bytes; the first line of the instructions if absent. */
  readonly title?: string | undefined;
  /** What the agent is told to do: at most 1 MiB, without NUL. */
  readonly instructions: string;
  /** What must be true when the work is done. */
  readonly acceptanceCriteria?: readonly string[] | undefined;
  /** What the agent should know beside the instructions. A file's path is relative to the workspace. */
  readonly context?: readonly ({ readonly text: string } | { readonly file: string })[] | undefined;
  readonly taskType?: words.TaskType | undefined;
  readonly complexity?: words.Complexity | undefined;
  /** Id of the harness, such as `claude_code`. */
  readonly harness?: string | undefined;
  readonly model?: string | undefined;
  readonly permissions?: words.PermissionMode | undefined;
  /** The directory to work in. A relative path is taken from this process's working directory. */
  readonly workspace: string | { readonly path: string; readonly mode?: words.WorkspaceMode | undefined };
  /** Command lines that make a fresh workspace ready, in order. */
  readonly setup?: readonly string[] | undefined;
  /** Checks that the daemon runs on the result, in order. */
  readonly gates?: readonly GateInput[] | undefined;
  readonly limits?: LimitsInput | undefined;
  /** Where the task shall differ from the configured retry table: one rule for a reason, as `Task.retry` gives them. */
  readonly retry?: readonly RetryRuleInput[] | undefined;
  /** Free marks, at most 64. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** W3C trace context that the task's spans join. */
  readonly traceparent?: string | undefined;
  /** What goes with it, as W3C Trace Context has it. */
  readonly tracestate?: string | undefined;
  /** Tasks with a higher number go first: -1000 to 1000. */
  readonly priority?: number | undefined;
  /** Two calls with the same id and content make one task. A new id if absent, so that a lost answer never makes two. */
  readonly requestId?: string | undefined;
}

export interface GateInput {
  readonly name: string;
  /** Command line for the shell. */
  readonly command: string;
  /** What it checks; what its name says if absent. */
  readonly kind?: words.GateKind | undefined;
  /** Whether the task needs it to pass; yes if absent. */
  readonly required?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface LimitsInput {
  /** Time in which a process of the task runs, summed over all attempts. */
  readonly timeoutMs?: number | undefined;
  /** Bytes that the harness may write in one attempt. */
  readonly maxOutputBytes?: number | undefined;
  /** Attempts that are charged, 1 to 20. */
  readonly maxAttempts?: number | undefined;
  /** Time that the harness of one attempt may run. */
  readonly attemptTimeoutMs?: number | undefined;
  /** From the start of a harness to its first byte of output. */
  readonly firstOutputMs?: number | undefined;
  /** Without a byte of output, after the first. */
  readonly stallMs?: number | undefined;
  /** Model calls of the main thread, over all attempts. */
  readonly maxTurns?: number | undefined;
  /** Tokens of all kinds on both sides, over all attempts, sub-agents and compactions included. */
  readonly maxTokens?: number | undefined;
  /** Millionths of a US dollar, over all attempts: the harness's own figure, else priced. */
  readonly maxCostUsdMicros?: number | undefined;
  /** Prompt of a call of the main thread by context window, above 0 and at most 1. It ends the attempt; the next one begins a fresh session. */
  readonly maxContextUtilization?: number | undefined;
  /** Bytes that stay free on the disks of the workspace and of the state folder; 0 for none. */
  readonly minFreeDiskBytes?: number | undefined;
  /** Time that the task may be blocked, over all times. */
  readonly blockedLimitMs?: number | undefined;
}

/** What follows an attempt that ended for a reason. What is absent is as in the table. */
export interface RetryRuleInput {
  readonly reason: words.FailureReason;
  /** Whether another attempt is made. */
  readonly retry?: boolean | undefined;
  /** Whether the attempt uses up one of `maxAttempts`. */
  readonly charged?: boolean | undefined;
  /** `resume` goes on in the same session, where the harness can; `fresh` begins again. */
  readonly session?: words.RetryRule['session'] | undefined;
  /** The wait before the first retry for this reason. */
  readonly backoffInitialMs?: number | undefined;
  /** Factor of each further wait, 1 to 10. */
  readonly backoffFactor?: number | undefined;
  /** Longest wait. */
  readonly backoffCapMs?: number | undefined;
  /** Share of the wait that is drawn by lot, 0 to 1. */
  readonly jitter?: number | undefined;
  /** Most retries for this reason, 0 to 100. */
  readonly maxRetries?: number | undefined;
}

/** The request on the wire. Throws a `TypeError` for a word that does not exist. */
export function toRequest(task: CreateTask, requestId: string): MessageInitShape<typeof CreateTaskRequestSchema> {
  const workspace = typeof task.workspace === 'string' ? { path: task.workspace } : task.workspace;
  return {
    requestId,
    title: task.title ?? '',
    instructions: task.instructions,
    acceptanceCriteria: [...(task.acceptanceCriteria ?? [])],
    context: (task.context ?? []).map((item) =>
      'text' in item ? { source: { case: 'text', value: item.text } } : { source: { case: 'file', value: item.file } },
    ),
    taskType: fromWord('task type', TaskType, task.taskType),
    complexity: fromWord('complexity', Complexity, task.complexity),
    harness: task.harness ?? '',
    model: task.model,
    permissions: fromWord('permission mode', PermissionMode, task.permissions),
    workspace: { path: resolve(workspace.path), mode: fromWord('workspace mode', WorkspaceMode, workspace.mode) },
    setup: [...(task.setup ?? [])],
    gates: (task.gates ?? []).map(({ name, command, kind, required, timeoutMs }) => ({
      name,
      command,
      kind: fromWord('gate kind', GateKind, kind),
      required,
      timeout: duration(timeoutMs),
    })),
    limits: limits(task.limits),
    retry: (task.retry ?? []).map(retryRule),
    labels: { ...task.labels },
    traceparent: task.traceparent,
    tracestate: task.tracestate,
    priority: task.priority ?? 0,
  };
}

function limits(input: LimitsInput | undefined): MessageInitShape<typeof LimitsSchema> | undefined {
  if (!input) return undefined;
  return {
    timeout: duration(input.timeoutMs),
    maxOutputBytes: bigint(input.maxOutputBytes),
    maxAttempts: input.maxAttempts,
    attemptTimeout: duration(input.attemptTimeoutMs),
    firstOutput: duration(input.firstOutputMs),
    stall: duration(input.stallMs),
    maxTurns: input.maxTurns,
    maxTokens: bigint(input.maxTokens),
    maxCostUsdMicros: bigint(input.maxCostUsdMicros),
    maxContextUtilization: input.maxContextUtilization,
    minFreeDiskBytes: bigint(input.minFreeDiskBytes),
    blockedLimit: duration(input.blockedLimitMs),
  };
}

function retryRule(rule: RetryRuleInput): MessageInitShape<typeof RetryRuleSchema> {
  const { reason, session, backoffInitialMs, backoffCapMs, ...same } = rule;
  return {
    ...same,
    reason: fromWord('failure reason', FailureReason, reason),
    session: fromWord('retry session', RetrySession, session),
    backoffInitial: duration(backoffInitialMs),
    backoffCap: duration(backoffCapMs),
  };
}

function bigint(amount: number | undefined): bigint | undefined {
  return amount === undefined ? undefined : BigInt(amount);
}

function duration(ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : durationFromMs(ms);
}
