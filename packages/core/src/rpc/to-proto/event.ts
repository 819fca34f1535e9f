import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  AttemptState,
  CompactionTrigger,
  EvidenceResult,
  FailureReason,
  FileChange,
  GateKind,
  PermissionMode,
  ProcessRole,
  SandboxLevel,
  TaskEdge,
  TaskEventSchema,
  TaskState,
  UsageSchema,
  WorkspaceMode,
  type TaskEvent,
  type Usage,
} from '@singletree/protocol';
import type { HarnessEvent, Thread, TokenUsage, Truncation } from '@singletree/harness';
import type { CompletionEvent } from '../../task/completion.ts';
import type { TaskEvent as DomainEvent, TaskEventBody } from '../../task/events.ts';
import type { Task } from '../../task/task.ts';
import type { Edge } from '../../task/transitions.ts';
import { enumOf } from '../words.ts';
import { completionToProto } from './completion.ts';
import { count, opt, stopKind, usageToProto } from './parts.ts';
import { gateResultToProto } from './task.ts';

type Kind = NonNullable<MessageInitShape<typeof TaskEventSchema>['kind']>;

/** What an event needs beside itself: the task as it is now, and its completion once there is one. */
export interface EventView {
  readonly task: Task;
  readonly traceId: string;
  readonly completion?: CompletionEvent | undefined;
}

/** An event as watchers see it. */
export function eventToProto(event: DomainEvent, view: EventView): TaskEvent {
  const { body } = event;
  return create(TaskEventSchema, {
    taskId: view.task.id,
    sequence: BigInt(event.sequence),
    at: timestampFromMs(event.at),
    ...('attempt' in body ? { attempt: body.attempt } : {}),
    ...(body.kind === 'harness' ? { log: { source: body.event.source, offset: BigInt(body.event.endsAt) } } : {}),
    // The store keeps a decoder's event as plain data; only decoders write them, in the words of the plugin contract.
    kind: body.kind === 'harness' ? harnessKind(body.event as HarnessEvent) : taskKind(body, event.at, view),
  });
}

function taskKind(body: Exclude<TaskEventBody, { kind: 'harness' }>, at: number, { task, traceId, completion }: EventView): Kind {
  const { spec } = task;
  switch (body.kind) {
    case 'created':
      return { case: 'created', value: { title: spec.title ?? '' } };
    case 'state_changed':
      return {
        case: 'stateChanged',
        value: {
          fromState: enumOf(TaskState, body.from),
          toState: enumOf(TaskState, body.to),
          edge: edgeOf(body.edge),
          ...opt('reason', body.reason, (word) => enumOf(FailureReason, word)),
          ...opt('message', body.message),
          ...opt('notBefore', body.notBefore, timestampFromMs),
        },
      };
    case 'workspace_opened':
      return {
        case: 'workspaceOpened',
        value: {
          mode: enumOf(WorkspaceMode, spec.workspace.mode),
          path: body.root,
          ...opt('baseCommit', body.head),
          ...opt('uncommittedFiles', task.workspace?.uncommitted),
        },
      };
    case 'setup_started':
      return { case: 'setupStarted', value: { command: body.command } };
    case 'setup_finished':
      return {
        case: 'setupFinished',
        value: {
          command: spec.setup[body.ordinal] ?? '',
          ...opt('exitCode', body.exitCode),
          ...opt('signal', body.signal),
          ...count('durationMs', body.durationMs),
          ...opt('message', body.message),
        },
      };
    case 'attempt_started':
      return {
        case: 'attemptStarted',
        value: {
          harness: body.harness,
          ...opt('requestedModel', spec.model),
          permissions: enumOf(PermissionMode, spec.permissions),
          resumed: body.resumed,
          pid: body.pid,
          ...opt('sandboxLevel', body.sandbox, (level) => enumOf(SandboxLevel, level)),
        },
      };
    case 'adopted':
      return {
        case: 'adopted',
        value: {
          readOnFrom: [
            { source: 'stdout', offset: BigInt(body.stdout) },
            { source: 'stderr', offset: BigInt(body.stderr) },
          ],
        },
      };
    case 'output_recorded':
      return { case: 'outputRecorded', value: { source: body.source, fromOffset: BigInt(body.from), toOffset: BigInt(body.to) } };
    case 'attempt_ended':
      return {
        case: 'attemptEnded',
        value: { state: enumOf(AttemptState, body.state), ...opt('exitCode', body.exitCode), ...opt('signal', body.signal) },
      };
    case 'frozen':
      return { case: 'frozen', value: { commit: body.commit, ref: body.ref, filesChanged: body.filesChanged } };
    case 'gate_started':
      return {
        case: 'gateStarted',
        value: {
          name: body.name,
          kind: enumOf(GateKind, spec.gates[body.ordinal]?.kind ?? 'custom'),
          required: spec.gates[body.ordinal]?.required ?? true,
        },
      };
    case 'gate_finished': {
      const result = task.gateResults.find((each) => each.attempt === body.attempt && each.ordinal === body.ordinal);
      return result ? { case: 'gateFinished', value: gateResultToProto(result) } : { case: undefined };
    }
    case 'usage_corrected':
      return {
        case: 'usageCorrected',
        value: {
          ...opt('told', body.told, usageToProto),
          ...opt('corrected', body.corrected, usageToProto),
          callsTold: body.callsTold,
          callsFound: body.callsFound,
        },
      };
    case 'process_lost':
      return { case: 'processLost', value: { role: enumOf(ProcessRole, body.role) } };
    case 'stop_requested':
      return {
        case: 'stopRequested',
        value: { kind: stopKind(body.stop), by: body.by, ...opt('why', body.why), at: timestampFromMs(at) },
      };
    case 'warning':
      return { case: 'warning', value: { message: body.message } };
    case 'completed':
      return completion ? { case: 'completed', value: completionToProto(completion, traceId) } : { case: undefined };
  }
}

function edgeOf(edge: Edge): TaskEdge {
  return edge === 'unblock_review' ? TaskEdge.UNBLOCK : enumOf(TaskEdge, edge);
}

function harnessKind(event: HarnessEvent): Kind {
  switch (event.kind) {
    case 'session.started':
      return {
        case: 'sessionStarted',
        value: { sessionId: event.sessionId, ...opt('model', event.model), ...opt('harnessVersion', event.harnessVersion) },
      };
    case 'model.call':
      return {
        case: 'modelCallFinished',
        value: {
          callId: event.callId,
          ...opt('model', event.model),
          usage: tokensToProto(event.usage),
          provisional: event.provisional ?? false,
          ...count('costUsdMicros', event.costUsdMicros),
          ...subagentOf(event.thread),
        },
      };
    case 'usage.total':
      return {
        case: 'usageTotal',
        value: {
          byModel: event.byModel.map((part) => ({
            ...opt('model', part.model),
            usage: tokensToProto(part.usage),
            ...count('costUsdMicros', part.costUsdMicros),
          })),
          ...count('contextWindowTokens', event.contextWindowTokens),
        },
      };
    case 'usage.incomplete':
      return { case: 'usageIncomplete', value: { message: event.reason } };
    case 'text':
      return { case: 'text', value: { text: event.text, ...wholeOf(event), ...subagentOf(event.thread) } };
    case 'tool.started':
      return {
        case: 'toolStarted',
        value: { callId: event.toolId, name: event.tool, ...opt('summary', event.summary), ...subagentOf(event.thread) },
      };
    case 'tool.finished':
      return {
        case: 'toolFinished',
        value: {
          callId: event.toolId,
          ...opt('name', event.tool),
          ...opt('failed', event.failed),
          ...opt('summary', event.summary),
          ...subagentOf(event.thread),
        },
      };
    case 'file.changed':
      return { case: 'fileChanged', value: { path: event.path, change: enumOf(FileChange, event.change) } };
    case 'compaction':
      return {
        case: 'contextCompacted',
        value: {
          ...opt('trigger', event.trigger, (word) => enumOf(CompactionTrigger, word)),
          ...count('tokensBefore', event.tokensBefore),
          ...count('tokensAfter', event.tokensAfter),
        },
      };
    case 'model.retried':
      return {
        case: 'modelRetried',
        value: {
          message: event.reason,
          ...opt('status', event.status),
          ...opt('delay', event.delayMs, (ms) => durationFromMs(Math.round(ms))),
        },
      };
    case 'rate.limited':
      return {
        case: 'rateLimited',
        value: { ...opt('message', event.message), ...opt('resetsAt', event.resetsAtMs, (ms) => timestampFromMs(Math.round(ms))) },
      };
    case 'permission.denied':
      return { case: 'permissionDenied', value: { tool: event.tool, ...opt('message', event.message) } };
    case 'subagent.started':
      return { case: 'subagentStarted', value: { subagentId: event.subagent, ...opt('name', event.name) } };
    case 'subagent.ended':
      return { case: 'subagentEnded', value: { subagentId: event.subagent } };
    case 'warning':
      return { case: 'warning', value: { message: event.message } };
    case 'raw':
      return { case: 'raw', value: { line: event.line, ...wholeOf(event) } };
    case 'ended':
      return {
        case: 'harnessEnded',
        value: {
          result: enumOf(EvidenceResult, event.evidence.result),
          ...opt('reason', event.evidence.reason, (word) => enumOf(FailureReason, word)),
          ...opt('message', event.evidence.message),
        },
      };
  }
}

function subagentOf(thread: Thread): { subagentId?: string } {
  return thread === 'main' ? {} : { subagentId: thread.subagent };
}

function wholeOf(event: { readonly source: string; readonly truncated?: Truncation }): {
  whole?: { source: string; offset: bigint; length: bigint };
} {
  return event.truncated
    ? { whole: { source: event.source, offset: BigInt(event.truncated.offset), length: BigInt(event.truncated.length) } }
    : {};
}

function tokensToProto(usage: TokenUsage): Usage {
  return create(UsageSchema, {
    ...count('uncachedInputTokens', usage.uncachedInputTokens),
    ...count('cacheReadInputTokens', usage.cacheReadInputTokens),
    ...count('cacheWriteInputTokens', usage.cacheWriteInputTokens),
    ...count('cacheWrite1hInputTokens', usage.cacheWrite1hInputTokens),
    ...count('outputTokens', usage.outputTokens),
    ...count('reasoningOutputTokens', usage.reasoningOutputTokens),
  });
}
