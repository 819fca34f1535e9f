import { SpanKind, SpanStatusCode, TraceFlags, type HrTime, type Link, type SpanContext } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { CompletionEvent } from '../task/completion.ts';
import type { FailureReason } from '../task/reasons.ts';
import type { Attempt, GateResult, GateVerdict, Instant, Task } from '../task/task.ts';
import { generatedTokens, inputTokens, type TaskUsage } from '../task/usage.ts';
import { attemptSpanId, gateSpanId, rootSpanId, traceOf } from '../trace.ts';
import { attributesOf, nameOf, type AttributeValues } from './attributes.ts';

/** A finished span without the resource and scope, which say who sends it and not what happened. */
export type TaskSpan = Omit<ReadableSpan, 'resource' | 'instrumentationScope'>;

/**
 * The trace of a finished task: a root from create to the final state, and below it each attempt that started and each gate that
 * ran, in order. Pure: the same task and event give the same spans. Times are the record's, to the millisecond.
 */
export function spansOf(task: Task, completion: CompletionEvent): TaskSpan[] {
  const trace = traceOf(task);
  const inTrace = (spanId: string): SpanContext => ({ traceId: trace.traceId, spanId, traceFlags: TraceFlags.SAMPLED });
  const root = inTrace(rootSpanId(task.id));
  const started = task.attempts.filter((attempt) => attempt.startedAt !== undefined);
  return [
    span({
      context: root,
      ...(trace.parentSpanId === undefined ? {} : { parent: { ...inTrace(trace.parentSpanId), isRemote: true } }),
      name: ['invoke_workflow', completion.taskType].filter(Boolean).join(' '),
      start: completion.createdAt,
      end: completion.completedAt,
      error: completion.outcome === 'failure' || completion.outcome === 'timeout' ? (completion.failure?.reason ?? '_OTHER') : undefined,
      attributes: workflowAttributes(completion),
    }),
    ...started.map((attempt, index) => {
      const previous = started[index - 1];
      return span({
        context: inTrace(attemptSpanId(task.id, attempt.number)),
        parent: root,
        name: `invoke_agent ${nameOf(attempt.harness)}`,
        start: attempt.startedAt ?? attempt.preparedAt,
        end: attempt.endedAt ?? completion.completedAt,
        error: attemptError(attempt),
        attributes: attemptAttributes(task.id, attempt),
        links: previous
          ? [
              {
                context: inTrace(attemptSpanId(task.id, previous.number)),
                attributes: attributesOf({ 'singletree.link': 'previous_attempt' }),
              },
            ]
          : [],
      });
    }),
    ...task.gateResults.map((gate) =>
      span({
        context: inTrace(gateSpanId(task.id, gate.attempt, gate.ordinal)),
        parent: root,
        name: `gate ${nameOf(gate.name)}`,
        start: gate.startedAt,
        end: gate.endedAt,
        error: gateErrors[gate.verdict],
        attributes: gateAttributes(task.id, gate),
      }),
    ),
  ];
}

function workflowAttributes(completion: CompletionEvent): AttributeValues {
  const { usage, phases } = completion;
  return {
    'gen_ai.operation.name': 'invoke_workflow',
    'gen_ai.workflow.name': completion.taskType,
    'gen_ai.agent.name': completion.harness,
    'singletree.task.id': completion.taskId,
    'singletree.event.id': completion.eventId,
    'singletree.task.type': completion.taskType,
    'singletree.task.complexity': completion.complexity,
    'singletree.task.complexity_source': completion.complexitySource,
    'singletree.task.outcome': completion.outcome,
    'singletree.task.retry_count': completion.retryCount,
    'singletree.task.turns': completion.turnsPerTask,
    'singletree.task.turns_lower_bound': completion.turnsLowerBound,
    'singletree.task.queue_duration_ms': completion.queueDurationMs,
    'singletree.task.duration_ms': completion.taskDurationMs,
    'singletree.task.active_duration_ms': phases?.activeMs,
    'singletree.task.gate_duration_ms': phases?.gateMs,
    'singletree.task.backoff_duration_ms': phases?.backoffMs,
    'singletree.task.blocked_duration_ms': phases?.blockedMs,
    'singletree.task.review_duration_ms': phases?.reviewMs,
    'singletree.estimate.input_tokens': completion.estimatedInputTokens,
    'singletree.estimate.output_tokens': completion.estimatedOutputTokens,
    'singletree.estimate.cost_usd_micros': completion.estimatedCostUsdMicros,
    // Never `gen_ai.usage.*` here: backends for LLMs add those up over the spans of a trace, and the attempts have them.
    'singletree.usage.input_tokens': completion.actualInputTokens,
    'singletree.usage.output_tokens': completion.actualOutputTokens,
    'singletree.usage.cache_read.input_tokens': usage?.cacheReadInputTokens,
    'singletree.usage.cache_write.input_tokens': usage?.cacheWriteInputTokens,
    'singletree.usage.reasoning.output_tokens': usage?.reasoningOutputTokens,
    ...provenance(usage),
    'singletree.cost_usd_micros': completion.actualCostUsdMicros,
    'singletree.cost.source': completion.costSource,
    'singletree.cost.lower_bound': completion.costLowerBound,
    'singletree.cost.price_version': completion.priceVersion,
    'singletree.quality_gate.passed': completion.qualityGatePassed,
    'singletree.quality_gate.run_count': completion.qualityGatesRun.length,
    'singletree.quality_gate.failed_count': completion.qualityGatesFailed.length,
    'singletree.quality_gate.errored_count': completion.qualityGatesErrored.length,
    'singletree.context.compactions': completion.contextCompactions,
    'singletree.context.rotations': completion.contextRotations,
    'singletree.context.utilization': completion.contextUtilizationFinal,
    'singletree.context.utilization_peak': completion.contextUtilizationPeak,
    'singletree.repo.language': completion.language,
    'singletree.repo.size_category': completion.repoSizeCategory,
    'singletree.change.files': completion.filesChanged,
    'singletree.change.lines_added': completion.linesAdded,
    'singletree.change.lines_removed': completion.linesRemoved,
    'vcs.ref.base.revision': completion.base,
    'vcs.ref.head.revision': completion.commit,
  };
}

function attemptAttributes(taskId: string, attempt: Attempt): AttributeValues {
  const { account, session } = attempt;
  const usage = account?.usage;
  const window = account?.context?.windowTokens;
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': attempt.harness,
    'gen_ai.agent.version': account?.harnessVersion,
    'gen_ai.provider.name': account?.provider,
    'gen_ai.request.model': attempt.requestedModel,
    'gen_ai.response.model': account?.model,
    'gen_ai.conversation.id': account?.sessionId ?? session?.id,
    'gen_ai.usage.input_tokens': usage && inputTokens(usage),
    'gen_ai.usage.output_tokens': usage && generatedTokens(usage),
    'gen_ai.usage.cache_read.input_tokens': usage?.cacheReadInputTokens,
    'gen_ai.usage.cache_write.input_tokens': usage?.cacheWriteInputTokens,
    'gen_ai.usage.reasoning.output_tokens': usage?.reasoningOutputTokens,
    ...provenance(usage),
    'singletree.task.id': taskId,
    'singletree.attempt.number': attempt.number,
    'singletree.attempt.state': attempt.state,
    'singletree.attempt.charged': attempt.charged,
    'singletree.attempt.turns': account?.turns,
    'singletree.session.resumed': session?.resumed,
    'singletree.cost_usd_micros': account?.costUsdMicros,
    'singletree.cost.source': account?.costUsdMicros === undefined ? undefined : account.costSource,
    'singletree.cost.price_version': account?.priceVersion,
    'singletree.context.compactions': account?.compactions,
    'singletree.context.utilization': share(account?.context?.finalTokens, window),
    'singletree.context.utilization_peak': share(account?.context?.peakTokens, window),
    'process.exit.code': attempt.exit?.code ?? undefined,
  };
}

const gateResults = { passed: 'success', failed: 'failure', errored: 'error' } as const satisfies Record<GateVerdict, string>;
const gateErrors = { passed: undefined, failed: 'gate_failed', errored: 'gate_could_not_run' } as const satisfies Record<
  GateVerdict,
  FailureReason | undefined
>;

function gateAttributes(taskId: string, gate: GateResult): AttributeValues {
  return {
    'cicd.pipeline.task.name': gate.name,
    'cicd.pipeline.task.type': gate.kind,
    'cicd.pipeline.task.run.id': `${taskId}.${gate.attempt}.${gate.ordinal}`,
    'cicd.pipeline.task.run.result': gateResults[gate.verdict],
    'singletree.task.id': taskId,
    'singletree.attempt.number': gate.attempt,
    'singletree.quality_gate.required': gate.required,
    'process.exit.code': gate.exitCode,
  };
}

function provenance(usage: TaskUsage | undefined): AttributeValues {
  return { 'singletree.usage.provenance': usage?.provenance, 'singletree.usage.lower_bound': usage?.lowerBound };
}

/** What a red gate says of an attempt is told by the gate's own span: the agent itself ended well. */
function attemptError({ failure }: Attempt): FailureReason | undefined {
  return failure?.reason === gateErrors.failed || failure?.reason === gateErrors.errored ? undefined : failure?.reason;
}

interface SpanFacts {
  readonly context: SpanContext;
  readonly parent?: SpanContext;
  readonly name: string;
  readonly start: Instant;
  readonly end: Instant;
  readonly error: FailureReason | '_OTHER' | undefined;
  readonly attributes: AttributeValues;
  readonly links?: Link[];
}

function span({ context, parent, name, start, end, error, attributes, links = [] }: SpanFacts): TaskSpan {
  // A wall clock that was set back gives an empty span, never one that ends before it begins.
  const length = Math.max(0, end - start);
  return {
    name,
    kind: SpanKind.INTERNAL,
    spanContext: () => context,
    ...(parent ? { parentSpanContext: parent } : {}),
    startTime: timeOf(start),
    endTime: timeOf(start + length),
    duration: timeOf(length),
    ended: true,
    // No description: what can be said in words is the failure's message, and that is content.
    status: { code: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes: attributesOf({ ...attributes, 'error.type': error }),
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

function share(tokens: number | undefined, window: number | undefined): number | undefined {
  return tokens === undefined || window === undefined || window <= 0 ? undefined : Math.min(1, tokens / window);
}
