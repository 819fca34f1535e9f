import { defined } from './defined.ts';
import { filesChanged, lastGates, newestTree, outcomeOf, type Outcome } from './outcome.ts';
import type { CostSource } from './ledger.ts';
import type { FailureReason } from './reasons.ts';
import {
  startedAttempts,
  type Attempt,
  type Complexity,
  type Failure,
  type FileChange,
  type FrozenTree,
  type Instant,
  type PhaseTimes,
  type Task,
  type TaskType,
  type WorkspaceBase,
} from './task.ts';
import { spendingOf } from './spending.ts';
import { sumIfAllKnown, type TaskUsage } from './usage.ts';

/** The one record of a finished task. Whatever is not known is absent; nothing in it changes after the final state. */
export interface CompletionEvent {
  readonly eventId: string;
  readonly schemaVersion: '1.0';
  readonly taskId: string;
  readonly createdAt: Instant;
  readonly dispatchedAt?: Instant;
  readonly completedAt: Instant;
  /** Attempts whose shim owned its directory, lost ones included. */
  readonly attemptCount: number;
  readonly taskType?: TaskType;
  readonly complexity?: Complexity;
  readonly complexitySource?: 'given' | 'assessed';
  readonly harness: string;
  readonly harnessVersion?: string;
  readonly requestedModel?: string;
  readonly model?: string;
  readonly provider?: string;
  /** Create to first dispatch; absent if the task was never dispatched. */
  readonly queueDurationMs?: number;
  /** First dispatch to final state: the sum of the phases. Absent if the task was never dispatched. */
  readonly taskDurationMs?: number;
  readonly phases?: PhaseTimes;
  readonly estimatedInputTokens?: number;
  readonly estimatedOutputTokens?: number;
  readonly estimatedCostUsdMicros?: number;
  readonly usage?: TaskUsage;
  readonly actualInputTokens?: number;
  readonly actualOutputTokens?: number;
  readonly actualCostUsdMicros?: number;
  readonly costSource?: CostSource | 'mixed';
  readonly costLowerBound?: boolean;
  readonly priceVersion?: string;
  /** Whether every required gate passed; absent when no gate gave a verdict, or not every required one before the end. */
  readonly qualityGatePassed?: boolean;
  readonly qualityGatesRun: readonly string[];
  readonly qualityGatesFailed: readonly string[];
  readonly qualityGatesErrored: readonly string[];
  readonly contextCompactions?: number;
  readonly contextRotations: number;
  readonly contextUtilizationFinal?: number;
  readonly contextUtilizationPeak?: number;
  readonly outcome: Outcome;
  readonly failure?: Failure;
  readonly retryCount: number;
  readonly retriesByCause: Readonly<Partial<Record<FailureReason, number>>>;
  readonly language?: string;
  readonly repoSizeCategory?: NonNullable<WorkspaceBase['repoSizeCategory']>;
  readonly turnsPerTask?: number;
  readonly turnsLowerBound?: boolean;
  readonly tokensPerTask?: number;
  readonly summary?: string;
  readonly base?: string;
  readonly commit?: string;
  readonly ref?: string;
  readonly files: readonly FileChange[];
  readonly filesChanged?: number;
  readonly linesAdded?: number;
  readonly linesRemoved?: number;
}

/** Builds the completion event of a task that has just reached its final state. Pure: the same task gives the same event. */
export function completionOf(task: Task): CompletionEvent {
  const started = startedAttempts(task);
  const last = started.at(-1);
  return defined({
    eventId: task.id,
    schemaVersion: '1.0' as const,
    taskId: task.id,
    createdAt: task.createdAt,
    dispatchedAt: task.dispatchedAt,
    completedAt: task.since,
    attemptCount: started.length,
    taskType: task.spec.taskType,
    complexity: task.spec.complexity,
    complexitySource: task.spec.complexity === undefined ? undefined : ('given' as const),
    harness: last?.harness ?? task.spec.harness,
    harnessVersion: last?.account?.harnessVersion,
    requestedModel: last?.requestedModel ?? task.spec.model,
    model: last?.account?.model,
    provider: last?.account?.provider,
    ...durations(task),
    estimatedInputTokens: task.estimate?.inputTokens,
    estimatedOutputTokens: task.estimate?.outputTokens,
    estimatedCostUsdMicros: task.estimate?.costUsdMicros,
    ...spendingOf(task),
    ...gates(task),
    contextCompactions: sumIfAllKnown(started.map((attempt) => attempt.account?.compactions)),
    contextRotations: started.slice(1).filter((attempt) => attempt.session?.resumed === false).length,
    ...context(started),
    outcome: outcomeOf(task),
    failure: task.failure,
    retryCount: Math.max(0, started.length - 1),
    retriesByCause: causes(started.slice(0, -1)),
    language: task.base?.language,
    repoSizeCategory: task.base?.repoSizeCategory,
    summary: last?.account?.summary,
    base: task.base?.commit,
    ...product(newestTree(task)),
  });
}

/** What is kept: the last frozen tree. Where nothing was ever frozen there is no count, not a count of 0. */
function product(
  tree: FrozenTree | undefined,
): Pick<CompletionEvent, 'commit' | 'ref' | 'files' | 'filesChanged' | 'linesAdded' | 'linesRemoved'> {
  if (!tree) return { files: [] };
  const { commit, ref, files, linesAdded, linesRemoved } = tree;
  return { commit, ref, files, filesChanged: filesChanged(tree), linesAdded, linesRemoved };
}

function durations(task: Task): Pick<CompletionEvent, 'queueDurationMs' | 'taskDurationMs' | 'phases'> {
  if (task.dispatchedAt === undefined) return {};
  const { activeMs, gateMs, backoffMs, blockedMs, reviewMs } = task.phases;
  return {
    queueDurationMs: Math.max(0, task.dispatchedAt - task.createdAt),
    taskDurationMs: activeMs + gateMs + backoffMs + blockedMs + reviewMs,
    phases: task.phases,
  };
}

function gates(task: Task): Pick<CompletionEvent, 'qualityGatePassed' | 'qualityGatesRun' | 'qualityGatesFailed' | 'qualityGatesErrored'> {
  const results = lastGates(task);
  const run = results.filter((gate) => gate.verdict !== 'errored');
  const red = results.some((gate) => gate.required && gate.verdict !== 'passed');
  const all = task.spec.gates.every((gate, ordinal) => !gate.required || results.some((result) => result.ordinal === ordinal));
  return {
    ...(run.length > 0 && (red || all) ? { qualityGatePassed: !red } : {}),
    qualityGatesRun: run.map((gate) => gate.name),
    qualityGatesFailed: results.filter((gate) => gate.verdict === 'failed').map((gate) => gate.name),
    qualityGatesErrored: results.filter((gate) => gate.verdict === 'errored').map((gate) => gate.name),
  };
}

function context(started: readonly Attempt[]): Pick<CompletionEvent, 'contextUtilizationFinal' | 'contextUtilizationPeak'> {
  const last = started.at(-1)?.account?.context;
  const final = shareOf(last?.finalTokens, last?.windowTokens);
  const peaks = started
    .map((attempt) => shareOf(attempt.account?.context?.peakTokens, attempt.account?.context?.windowTokens))
    .filter((peak) => peak !== undefined);
  return defined({ contextUtilizationFinal: final, contextUtilizationPeak: peaks.length > 0 ? Math.max(...peaks) : undefined });
}

/** Tokens by window, clamped to 1: a CLI may report the call that overflowed. */
export function shareOf(tokens: number | undefined, window: number | undefined): number | undefined {
  return tokens === undefined || window === undefined || window <= 0 ? undefined : Math.min(1, tokens / window);
}

/** Attempts that were followed by another one, by why. */
function causes(followed: readonly Attempt[]): Partial<Record<FailureReason, number>> {
  const counts: Partial<Record<FailureReason, number>> = {};
  for (const { failure } of followed) if (failure) counts[failure.reason] = (counts[failure.reason] ?? 0) + 1;
  return counts;
}
