import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  AttemptSchema,
  AttemptState,
  Complexity,
  ContextItemSchema,
  CostSource,
  FailureReason,
  GateKind,
  GateResultSchema,
  GateSchema,
  GateStatus,
  LimitsSchema,
  ModelUsageSchema,
  PermissionMode,
  RetryRuleSchema,
  RetrySession,
  SandboxLevel,
  StopSchema,
  TaskSchema,
  TaskState,
  TaskType,
  WaitingFor,
  WaitingSchema,
  WorkspaceMode,
  WorkspaceSchema,
  type Attempt,
  type ContextItem,
  type GateResult,
  type RetryRule,
  type Task,
  type Waiting,
} from '@singletree/protocol';
import { shareOf, type CompletionEvent } from '../../task/completion.ts';
import { failsAt } from '../../task/blocked.ts';
import { newestTree } from '../../task/outcome.ts';
import { failureReasons } from '../../task/reasons.ts';
import type { RetryOverride } from '../../task/retry.ts';
import { isFinal, openProcess } from '../../task/task.ts';
import type * as domain from '../../task/task.ts';
import { spendingOf } from '../../task/spending.ts';
import type { WaitingFor as DomainWaiting } from '../../task/waiting.ts';
import { enumOf } from '../words.ts';
import { completionToProto } from './completion.ts';
import { count, evidenceToProto, failureToProto, opt, stopKind, stopToProto, usageToProto } from './parts.ts';

export interface TaskView {
  readonly task: domain.Task;
  readonly traceId: string;
  readonly waiting?: DomainWaiting | undefined;
  readonly completion?: CompletionEvent | undefined;
  /** Lists leave out the long texts. */
  readonly brief?: boolean;
}

/** A task as clients see it. */
export function taskToProto({ task, traceId, waiting, completion, brief = false }: TaskView): Task {
  const { spec } = task;
  const tree = newestTree(task);
  const spending = spendingOf(task);
  return create(TaskSchema, {
    id: task.id,
    title: spec.title ?? firstLine(spec.instructions),
    instructions: brief ? '' : spec.instructions,
    acceptanceCriteria: brief ? [] : [...spec.acceptanceCriteria],
    context: brief ? [] : spec.context.map(contextToProto),
    ...opt('taskType', spec.taskType, (word) => enumOf(TaskType, word)),
    ...opt('complexity', spec.complexity, (word) => enumOf(Complexity, word)),
    harness: spec.harness,
    ...opt('model', spec.model),
    permissions: enumOf(PermissionMode, spec.permissions),
    workspace: create(WorkspaceSchema, { path: spec.workspace.path, mode: enumOf(WorkspaceMode, spec.workspace.mode) }),
    setup: [...spec.setup],
    gates: spec.gates.map((gate) =>
      create(GateSchema, {
        name: gate.name,
        command: gate.command,
        kind: enumOf(GateKind, gate.kind),
        required: gate.required,
        timeout: durationFromMs(gate.timeoutMs),
      }),
    ),
    limits: create(LimitsSchema, {
      timeout: durationFromMs(spec.limits.timeoutMs),
      maxOutputBytes: BigInt(spec.limits.maxOutputBytes),
      maxAttempts: spec.limits.maxAttempts,
      ...opt('attemptTimeout', spec.limits.attemptTimeoutMs, durationFromMs),
      ...opt('firstOutput', spec.limits.firstOutputMs, durationFromMs),
      ...opt('stall', spec.limits.stallMs, durationFromMs),
      ...opt('maxTurns', spec.limits.maxTurns),
      ...count('maxTokens', spec.limits.maxTokens),
      ...count('maxCostUsdMicros', spec.limits.maxCostUsdMicros),
      ...opt('maxContextUtilization', spec.limits.maxContextUtilization),
      ...count('minFreeDiskBytes', spec.limits.minFreeBytes),
      ...opt('blockedLimit', spec.limits.blockedLimitMs, durationFromMs),
    }),
    retry: Object.entries(spec.retry ?? {}).map(([reason, rule]) => retryRuleToProto(reason, rule)),
    ...opt('rerunOf', spec.rerunOf),
    labels: { ...spec.labels },
    ...opt('traceparent', spec.traceparent),
    priority: spec.priority,
    state: enumOf(TaskState, task.state),
    lastSequence: BigInt(task.sequence),
    traceId,
    createdAt: timestampFromMs(task.createdAt),
    updatedAt: timestampFromMs(task.updatedAt),
    ...(isFinal(task.state) ? { completedAt: timestampFromMs(task.since) } : {}),
    ...opt('waiting', waiting, (cause) => waitingToProto(cause, task.since)),
    ...opt('blocked', task.blocked, (blocked) => ({
      reason: enumOf(FailureReason, blocked.reason),
      message: blocked.message,
      since: timestampFromMs(task.since),
      ...opt('until', blocked.until, timestampFromMs),
      ...opt('failsAt', failsAt(task), timestampFromMs),
    })),
    ...opt('stopRequested', task.stop, stopToProto),
    attempts: task.attempts.map((attempt) => attemptToProto(attempt, task)),
    gateResults: task.gateResults.map((result) => gateResultToProto(result, brief)),
    ...opt('usage', spending.usage, usageToProto),
    ...opt('turnsPerTask', spending.turnsPerTask),
    turnsLowerBound: spending.turnsLowerBound ?? false,
    ...count('tokensPerTask', spending.tokensPerTask),
    ...count('costPerTaskUsdMicros', spending.actualCostUsdMicros),
    costLowerBound: spending.costLowerBound ?? false,
    ...(task.workspace && !isFinal(task.state) ? { workspacePath: task.workspace.cwd } : {}),
    ...opt('baseCommit', task.base?.commit),
    ...opt('frozenCommit', tree?.commit),
    ...opt('frozenRef', tree?.ref),
    ...opt('failure', task.failure, failureToProto),
    ...opt('completion', completion, (event) => completionToProto(event, traceId)),
  });
}

function retryRuleToProto(reason: string, rule: RetryOverride): RetryRule {
  return create(RetryRuleSchema, {
    reason: failureReasons.filter((known) => known === reason).map((known) => enumOf(FailureReason, known))[0] ?? FailureReason.UNSPECIFIED,
    ...opt('retry', rule.retry),
    ...opt('charged', rule.charged),
    ...opt('session', rule.session, (word) => enumOf(RetrySession, word)),
    ...opt('backoffInitial', rule.initialMs, durationFromMs),
    ...opt('backoffFactor', rule.factor),
    ...opt('backoffCap', rule.capMs, durationFromMs),
    ...opt('jitter', rule.jitter),
    ...opt('maxRetries', rule.most),
  });
}

function contextToProto(item: domain.ContextItem): ContextItem {
  return create(ContextItemSchema, {
    source: item.kind === 'text' ? { case: 'text', value: item.text } : { case: 'file', value: item.path },
  });
}

function attemptToProto(attempt: domain.Attempt, task: domain.Task): Attempt {
  const { account, exit } = attempt;
  /** A part of the usage is as sure as the whole. */
  const told = { provenance: account?.usage?.provenance ?? 'missing', lowerBound: account?.usage?.lowerBound ?? false } as const;
  const pid = attempt === task.attempts.at(-1) && openProcess(task)?.role === 'harness' ? openProcess(task)?.pid : undefined;
  const { windowTokens, finalTokens, peakTokens } = account?.context ?? {};
  return create(AttemptSchema, {
    number: attempt.number,
    state: enumOf(AttemptState, attempt.state),
    harness: attempt.harness,
    ...opt('harnessVersion', account?.harnessVersion),
    ...opt('requestedModel', attempt.requestedModel),
    ...opt('model', account?.model ?? attempt.live?.model),
    ...opt('harnessSessionId', account?.sessionId ?? attempt.session?.id),
    resumed: attempt.session?.resumed ?? false,
    preparedAt: timestampFromMs(attempt.preparedAt),
    ...opt('startedAt', attempt.startedAt, timestampFromMs),
    ...opt('endedAt', attempt.endedAt, timestampFromMs),
    ...opt('pid', pid),
    ...opt('sandboxLevel', attempt.sandbox, (level) => enumOf(SandboxLevel, level)),
    ...opt('exitCode', exit?.code ?? undefined),
    ...opt('signal', exit?.signal ?? undefined),
    ...opt('stoppedBy', exit?.stop, (kind) => create(StopSchema, { kind: stopKind(kind), at: timestampFromMs(exit?.endedAt ?? 0) })),
    ...opt('evidence', attempt.evidence, evidenceToProto),
    ...opt('failure', attempt.failure, failureToProto),
    charged: attempt.charged ?? false,
    ...opt('turns', account?.turns ?? attempt.live?.turns),
    ...opt('usage', account?.usage, usageToProto),
    ...count('costUsdMicros', account?.costUsdMicros ?? attempt.live?.costUsdMicros),
    ...opt('costSource', account?.costSource, (word) => enumOf(CostSource, word)),
    ...opt('contextUtilization', shareOf(finalTokens, windowTokens) ?? attempt.live?.contextUtilization),
    survivors: (attempt.survivors ?? []).map((pid) => ({ pid })),
    ...opt('unknownEvents', account?.unknownEvents),
    costLowerBound: account?.costLowerBound ?? false,
    ...opt('priceVersion', account?.priceVersion),
    ...opt('subagentUsage', account?.subagentUsage, (tokens) => usageToProto({ ...told, ...tokens })),
    usageByModel: (account?.usageByModel ?? []).map(({ model, usage, costUsdMicros }) =>
      create(ModelUsageSchema, {
        ...opt('model', model),
        usage: usageToProto({ ...told, ...usage }),
        ...count('costUsdMicros', costUsdMicros),
      }),
    ),
    ...opt('contextCompactions', account?.compactions),
    ...count('contextWindowTokens', windowTokens),
    ...opt('contextUtilizationPeak', shareOf(peakTokens, windowTokens)),
  });
}

export function gateResultToProto(result: domain.GateResult, brief = false): GateResult {
  return create(GateResultSchema, {
    attempt: result.attempt,
    name: result.name,
    kind: enumOf(GateKind, result.kind),
    required: result.required,
    status: enumOf(GateStatus, result.verdict),
    ...opt('exitCode', result.exitCode),
    startedAt: timestampFromMs(result.startedAt),
    durationMs: BigInt(Math.max(0, result.endedAt - result.startedAt)),
    ...(brief ? {} : opt('outputTail', result.tail)),
    ...opt('message', result.message),
    ...opt('hint', result.hint),
    ...opt('changedTree', result.changedTree),
  });
}

export function waitingToProto(cause: DomainWaiting, since: number): Waiting {
  const common = { since: timestampFromMs(since) };
  switch (cause.kind) {
    case 'slot':
      return create(WaitingSchema, {
        ...common,
        waitingFor: WaitingFor.LIMIT,
        tasksAhead: cause.ahead,
        message: `${cause.scope === 'total' ? 'limit' : 'harness limit'} ${cause.limit}/${cause.limit}`,
      });
    case 'workspace':
      return create(WaitingSchema, { ...common, waitingFor: WaitingFor.WORKSPACE, message: `task ${cause.heldBy} works there` });
    case 'time':
      return create(WaitingSchema, { ...common, waitingFor: WaitingFor.BACKOFF, until: timestampFromMs(cause.until) });
    case 'drain':
      return create(WaitingSchema, { ...common, waitingFor: WaitingFor.DRAIN });
    case 'kill_switch':
      return create(WaitingSchema, {
        ...common,
        waitingFor: WaitingFor.KILL_SWITCH,
        message: [`kill switch ${cause.scope}, thrown by ${cause.by}`, cause.why].filter((part) => part !== undefined).join(': '),
      });
  }
}

function firstLine(text: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '') ?? '';
  return line
    .replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
    .trim()
    .slice(0, 120);
}
