import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  Complexity,
  FailureReason,
  GateKind,
  PermissionMode,
  RetrySession,
  TaskType,
  WorkspaceMode,
  type CreateTaskRequest,
  type Gate,
  type RetryRule,
} from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import type { Catalogue } from '../plugins/catalogue.ts';
import type {
  ContextItem,
  GateSpec,
  PermissionMode as DomainPermissionMode,
  TaskSpec,
  WorkspaceMode as DomainWorkspaceMode,
} from '../task/task.ts';
import { gateKindOf } from '../task/gate-kind.ts';
import { failureReasons, type FailureReason as DomainFailureReason } from '../task/reasons.ts';
import { fixedReasons, type RetryOverride, type RetryOverrides } from '../task/retry.ts';
import { opt } from './to-proto/parts.ts';
import { wordOf } from './words.ts';

/** What a request leaves open. Durations in milliseconds, sizes in bytes. */
export interface TaskDefaults {
  readonly harness: string;
  readonly permissions?: DomainPermissionMode | undefined;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly maxAttempts: number;
  readonly gateTimeoutMs: number;
  readonly attemptTimeoutMs?: number | undefined;
  readonly firstOutputMs: number;
  readonly stallMs: number;
  readonly maxTurns?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly maxCostUsdMicros?: number | undefined;
  readonly maxContextUtilization?: number | undefined;
  readonly minFreeBytes: number;
  readonly blockedLimitMs: number;
  readonly retry: RetryOverrides;
}

/** The task that a request asks for, every default filled in. The proto files' own rules have been checked before. */
export function specFrom(request: CreateTaskRequest, defaults: TaskDefaults, plugins: Catalogue): TaskSpec {
  const harness = request.harness === '' ? defaults.harness : request.harness;
  const plugin = plugins.get(harness);
  const mode = wordOf(WorkspaceMode, request.workspace?.mode ?? WorkspaceMode.UNSPECIFIED) ?? 'worktree';
  const permissions = wordOf(PermissionMode, request.permissions) ?? defaults.permissions ?? (mode === 'in_place' ? 'edits' : 'all');
  const { permissionModes } = plugin.harness.capabilities;
  if (!permissionModes.includes(permissions)) {
    throw new DomainError('PERMISSION_MODE_UNSUPPORTED', `${harness} has no permission mode "${permissions}"`, {
      hint: `it has: ${permissionModes.join(', ')}`,
      metadata: { harness, permissions },
    });
  }
  refuseNul(request);
  return {
    ...(request.title === '' ? {} : { title: request.title }),
    instructions: request.instructions,
    acceptanceCriteria: request.acceptanceCriteria,
    context: request.context.flatMap(({ source }): ContextItem[] => {
      if (source.case === 'text') return [{ kind: 'text', text: source.value }];
      return source.case === 'file' ? [{ kind: 'file' as const, path: source.value }] : [];
    }),
    ...opt('taskType', wordOf(TaskType, request.taskType)),
    ...opt('complexity', wordOf(Complexity, request.complexity)),
    harness,
    ...opt('model', request.model ?? plugin.settings.model),
    permissions,
    workspace: { path: request.workspace?.path ?? '', mode: mode satisfies DomainWorkspaceMode },
    setup: request.setup,
    gates: request.gates.map((gate) => gateFrom(gate, defaults)),
    limits: {
      timeoutMs: request.limits?.timeout ? durationMs(request.limits.timeout) : defaults.timeoutMs,
      maxOutputBytes: Number(request.limits?.maxOutputBytes ?? defaults.maxOutputBytes),
      maxAttempts: request.limits?.maxAttempts ?? defaults.maxAttempts,
      ...opt('attemptTimeoutMs', request.limits?.attemptTimeout ? durationMs(request.limits.attemptTimeout) : defaults.attemptTimeoutMs),
      firstOutputMs: request.limits?.firstOutput ? durationMs(request.limits.firstOutput) : defaults.firstOutputMs,
      stallMs: request.limits?.stall ? durationMs(request.limits.stall) : defaults.stallMs,
      ...opt('maxTurns', request.limits?.maxTurns ?? defaults.maxTurns),
      ...opt('maxTokens', request.limits?.maxTokens ?? defaults.maxTokens, Number),
      ...opt('maxCostUsdMicros', request.limits?.maxCostUsdMicros ?? defaults.maxCostUsdMicros, Number),
      ...opt('maxContextUtilization', request.limits?.maxContextUtilization ?? defaults.maxContextUtilization),
      minFreeBytes: Number(request.limits?.minFreeDiskBytes ?? defaults.minFreeBytes),
      blockedLimitMs: request.limits?.blockedLimit ? durationMs(request.limits.blockedLimit) : defaults.blockedLimitMs,
    },
    retry: retryFrom(request.retry, defaults.retry),
    labels: request.labels,
    priority: request.priority,
  };
}

/** The configuration's changes to the retry table, and above them the task's own, field by field. */
function retryFrom(rules: readonly RetryRule[], configured: RetryOverrides): RetryOverrides {
  const merged: Partial<Record<DomainFailureReason, RetryOverride>> = { ...configured };
  for (const rule of rules) {
    const reason = wordOf(FailureReason, rule.reason);
    if (reason === undefined || fixedReasons.includes(reason)) {
      throw new DomainError('INVALID_RETRY_RULE', `a task is never tried again for the reason "${reason ?? rule.reason}"`, {
        hint: `reasons with a rule: ${failureReasons.filter((each) => !fixedReasons.includes(each)).join(', ')}`,
        metadata: { reason: reason ?? String(rule.reason) },
      });
    }
    merged[reason] = {
      ...merged[reason],
      ...opt('retry', rule.retry),
      ...opt('charged', rule.charged),
      ...opt('session', wordOf(RetrySession, rule.session)),
      ...opt('initialMs', rule.backoffInitial, durationMs),
      ...opt('factor', rule.backoffFactor),
      ...opt('capMs', rule.backoffCap, durationMs),
      ...opt('jitter', rule.jitter),
      ...opt('most', rule.maxRetries),
    };
  }
  return merged;
}

function gateFrom(gate: Gate, defaults: TaskDefaults): GateSpec {
  return {
    name: gate.name,
    command: gate.command,
    kind: wordOf(GateKind, gate.kind) ?? gateKindOf(gate.name),
    required: gate.required ?? true,
    timeoutMs: gate.timeout ? durationMs(gate.timeout) : defaults.gateTimeoutMs,
  };
}

/** No prompt, argument or path carries a NUL: a task with one could be kept and never be started. */
function refuseNul(request: CreateTaskRequest): void {
  const numbered = (field: string, texts: readonly string[]): Record<string, string> =>
    Object.fromEntries(texts.map((text, index) => [`${field}[${index}]`, text]));
  const { gates, labels } = request;
  refuseNulIn('INVALID_PROMPT', {
    title: request.title,
    instructions: request.instructions,
    ...numbered('acceptance_criteria', request.acceptanceCriteria),
    ...numbered(
      'context',
      request.context.map(({ source }) => source.value ?? ''),
    ),
  });
  refuseNulIn('INVALID_REQUEST', {
    model: request.model ?? '',
    'workspace.path': request.workspace?.path ?? '',
    ...numbered('setup', request.setup),
    ...Object.fromEntries(gates.map(({ command }, index) => [`gates[${index}].command`, command])),
    ...Object.fromEntries(Object.entries(labels).map(([key, value]) => [`labels[${key}]`, value])),
  });
}

/** Names the field and the offset in bytes of UTF-8. */
function refuseNulIn(reason: 'INVALID_PROMPT' | 'INVALID_REQUEST', texts: Readonly<Record<string, string>>): void {
  for (const [field, text] of Object.entries(texts)) {
    const at = text.indexOf('\0');
    if (at < 0) continue;
    const offset = Buffer.byteLength(text.slice(0, at));
    throw new DomainError(reason, `${field} holds a NUL at byte ${offset}`, {
      hint: 'it must be text in UTF-8 without NUL',
      metadata: { field, offset: String(offset) },
    });
  }
}
