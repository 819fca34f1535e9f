import { SpanKind, SpanStatusCode, TraceFlags, type HrTime, type Link, type SpanContext } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { TaskHistory } from '../../store/outbox.ts';
import type { CompletionEvent } from '../../task/completion.ts';
import type { FailureReason } from '../../task/reasons.ts';
import type { Instant, Task } from '../../task/task.ts';
import { attemptSpanId, gateSpanId, modelCallSpanId, rootSpanId, toolSpanId, traceOf, waitSpanId } from '../../trace.ts';
import { modelCallsOf, toolsOf } from './activities.ts';
import { attributesOf, nameOf, withoutContent, type AttributeValues, type Privacy } from '../attributes.ts';
import {
  attemptAttributes,
  attemptError,
  gateAttributes,
  gateErrors,
  modelCallAttributes,
  toolAttributes,
  waitAttributes,
  workflowAttributes,
} from './span-attributes.ts';
import { waitsOf } from './waits.ts';

/** A finished span without the resource and scope, which say who sends it and not what happened. */
export type TaskSpan = Omit<ReadableSpan, 'resource' | 'instrumentationScope'>;

/**
 * The trace of a finished task: a root from create to the final state, and below it each attempt that started, each gate that ran and each wait, in
 * order; below the attempts what their agents did, as far as the history holds it. Pure: the same task, event and history give the same spans.
 * Times are the record's, to the millisecond.
 *
 * @param most spans of tools and model calls that the trace may hold; the rest is counted on the root
 */
export function spansOf(
  task: Task,
  completion: CompletionEvent,
  history: TaskHistory,
  most: number,
  privacy: Privacy = withoutContent,
): TaskSpan[] {
  const trace = traceOf(task);
  const inTrace = (spanId: string): SpanContext => ({ traceId: trace.traceId, spanId, traceFlags: TraceFlags.SAMPLED });
  const root = inTrace(rootSpanId(task.id));
  const activities = activitySpans(task, history, inTrace);
  const spans: SpanFacts[] = [
    {
      context: root,
      ...(trace.parentSpanId === undefined ? {} : { parent: { ...inTrace(trace.parentSpanId), isRemote: true } }),
      name: ['invoke_workflow', completion.taskType],
      start: completion.createdAt,
      end: completion.completedAt,
      error: completion.outcome === 'failure' || completion.outcome === 'timeout' ? (completion.failure?.reason ?? '_OTHER') : undefined,
      attributes: workflowAttributes(task, completion, Math.max(0, activities.length - most)),
    },
    ...attemptSpans(task, completion, root, inTrace),
    ...task.gateResults.map((gate) => ({
      context: inTrace(gateSpanId(task.id, gate.attempt, gate.ordinal)),
      parent: root,
      name: ['gate', gate.name] as const,
      start: gate.startedAt,
      end: gate.endedAt,
      error: gateErrors[gate.verdict],
      attributes: gateAttributes(task.id, gate),
    })),
    ...waitsOf(task, history.events).map((wait, ordinal) => ({
      context: inTrace(waitSpanId(task.id, ordinal)),
      parent: root,
      name: ['wait', wait.kind] as const,
      start: wait.from,
      end: wait.to,
      attributes: waitAttributes(task.id, wait),
    })),
    ...activities.slice(0, most),
  ];
  return inside(spans).map((facts) => span(facts, privacy));
}

/**
 * No span begins or ends outside its parent, and none ends before it begins: what an agent did is told when its daemon read of it, which may be long after
 * its process ended, and a wall clock may be set back meanwhile. Parents come before their children.
 */
function inside(spans: readonly SpanFacts[]): SpanFacts[] {
  const done = new Map<string, SpanFacts>();
  for (const facts of spans) {
    const { start: from = -Infinity, end: to = Infinity } = done.get(facts.parent?.spanId ?? '') ?? {};
    const start = Math.min(Math.max(facts.start, from), to);
    done.set(facts.context.spanId, { ...facts, start, end: Math.min(Math.max(facts.end, start), to) });
  }
  return [...done.values()];
}

type InTrace = (spanId: string) => SpanContext;

function attemptSpans(task: Task, completion: CompletionEvent, root: SpanContext, inTrace: InTrace): SpanFacts[] {
  const started = task.attempts.filter((attempt) => attempt.startedAt !== undefined);
  return started.map((attempt, index) => {
    const previous = started[index - 1];
    const link = previous && {
      context: inTrace(attemptSpanId(task.id, previous.number)),
      attributes: attributesOf({ 'singletree.link': 'previous_attempt' }),
    };
    return {
      context: inTrace(attemptSpanId(task.id, attempt.number)),
      parent: root,
      name: ['invoke_agent', attempt.harness],
      start: attempt.startedAt ?? attempt.preparedAt,
      end: attempt.endedAt ?? completion.completedAt,
      error: attemptError(attempt),
      attributes: attemptAttributes(task.id, attempt),
      links: link ? [link] : [],
    };
  });
}

/** What the agents did, oldest first. */
function activitySpans({ id, attempts }: Task, { events, calls }: TaskHistory, inTrace: InTrace): SpanFacts[] {
  const parentOf = (attempt: number): SpanContext => inTrace(attemptSpanId(id, attempt));
  const attemptOf = (number: number) => attempts.find((attempt) => attempt.number === number);
  const tools = toolsOf(events);
  const spans = [
    ...tools.map((tool, ordinal) => ({
      context: inTrace(toolSpanId(id, ordinal)),
      parent: parentOf(tool.attempt),
      name: ['execute_tool', tool.name] as const,
      start: tool.from,
      end: tool.to,
      error: tool.failed === true ? ('tool_failed' as const) : undefined,
      attributes: toolAttributes(id, tool),
    })),
    ...modelCallsOf(calls, tools, (attempt) => attemptOf(attempt)?.startedAt).map((call, ordinal) => ({
      context: inTrace(modelCallSpanId(id, ordinal)),
      parent: parentOf(call.attempt),
      kind: SpanKind.CLIENT,
      name: ['chat', call.entry.model] as const,
      start: call.from,
      end: call.to,
      attributes: modelCallAttributes(id, call, attemptOf(call.attempt)?.account?.provider),
    })),
  ];
  return spans.toSorted((a, b) => a.start - b.start);
}

interface SpanFacts {
  readonly context: SpanContext;
  readonly parent?: SpanContext;
  readonly kind?: SpanKind;
  readonly name: readonly [operation: string, subject: string | undefined];
  readonly start: Instant;
  readonly end: Instant;
  /** Absent: it went well, or nobody can tell. */
  readonly error?: FailureReason | 'tool_failed' | '_OTHER' | undefined;
  readonly attributes: AttributeValues;
  readonly links?: Link[];
}

function span(facts: SpanFacts, privacy: Privacy): TaskSpan {
  const {
    context,
    parent,
    kind = SpanKind.INTERNAL,
    name: [operation, subject = ''],
    start,
    end,
    error,
    attributes,
    links = [],
  } = facts;
  return {
    name: [operation, nameOf(subject, privacy.redact)].filter(Boolean).join(' '),
    kind,
    spanContext: () => context,
    ...(parent ? { parentSpanContext: parent } : {}),
    startTime: timeOf(start),
    endTime: timeOf(end),
    duration: timeOf(end - start),
    ended: true,
    // No description: what can be said in words is the failure's message, and that is content.
    status: { code: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes: attributesOf({ ...attributes, 'error.type': error }, privacy),
    links,
    events: [],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function timeOf(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
}
