import type { CompletionEvent } from '../../task/completion.ts';
import type { FailureReason } from '../../task/reasons.ts';
import type { Attempt, GateResult, GateVerdict, Task } from '../../task/task.ts';
import { generatedTokens, inputTokens, type TaskUsage, type TokenKinds } from '../../task/usage.ts';
import type { ModelCall, Tool } from './activities.ts';
import type { AttributeValues } from '../attributes.ts';
import { pairText } from '../redaction.ts';
import type { Wait } from './waits.ts';

/** @param omitted spans that were left out of the trace */
export function workflowAttributes(task: Task, completion: CompletionEvent, omitted: number): AttributeValues {
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
    'singletree.spans.omitted': omitted === 0 ? undefined : omitted,
    'singletree.task.title': task.spec.title,
    'singletree.task.labels': Object.entries(task.spec.labels).map(([key, value]) => pairText(key, value)),
    'singletree.task.summary': completion.summary,
    'singletree.failure.message': completion.failure?.message,
    'singletree.change.paths': completion.files.map(({ path }) => path),
    'vcs.ref.base.revision': completion.base,
    'vcs.ref.head.revision': completion.commit,
  };
}

export function attemptAttributes(taskId: string, attempt: Attempt): AttributeValues {
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
    ...(attempt.spansTellUsage ? ownUsage(usage) : conventionalUsage(usage)),
    ...provenance(usage),
    'singletree.task.id': taskId,
    'singletree.attempt.number': attempt.number,
    'singletree.attempt.state': attempt.state,
    'singletree.attempt.charged': attempt.charged,
    'singletree.attempt.turns': account?.turns,
    'singletree.session.resumed': session?.resumed,
    'singletree.cost_usd_micros': account?.costUsdMicros,
    'singletree.cost.source': account?.costUsdMicros === undefined ? undefined : account.costSource,
    'singletree.cost.lower_bound': account?.costUsdMicros === undefined ? undefined : account.costLowerBound === true,
    'singletree.cost.price_version': account?.priceVersion,
    'singletree.context.compactions': account?.compactions,
    'singletree.context.utilization': share(account?.context?.finalTokens, window),
    'singletree.context.utilization_peak': share(account?.context?.peakTokens, window),
    'singletree.failure.message': attempt.failure?.message,
    'process.exit.code': attempt.exit?.code ?? undefined,
  };
}

/** Where backends for LLMs look for tokens. They add them up over all spans of a trace. */
function conventionalUsage(usage: TokenKinds | undefined): AttributeValues {
  return {
    'gen_ai.usage.input_tokens': usage && inputTokens(usage),
    'gen_ai.usage.output_tokens': usage && generatedTokens(usage),
    'gen_ai.usage.cache_read.input_tokens': usage?.cacheReadInputTokens,
    'gen_ai.usage.cache_write.input_tokens': usage?.cacheWriteInputTokens,
    'gen_ai.usage.reasoning.output_tokens': usage?.reasoningOutputTokens,
  };
}

/** Under names of ours, where other spans of the trace have these tokens under those. */
function ownUsage(usage: TokenKinds | undefined): AttributeValues {
  return {
    'singletree.usage.input_tokens': usage && inputTokens(usage),
    'singletree.usage.output_tokens': usage && generatedTokens(usage),
    'singletree.usage.cache_read.input_tokens': usage?.cacheReadInputTokens,
    'singletree.usage.cache_write.input_tokens': usage?.cacheWriteInputTokens,
    'singletree.usage.reasoning.output_tokens': usage?.reasoningOutputTokens,
  };
}

export const gateResults = { passed: 'success', failed: 'failure', errored: 'error' } as const satisfies Record<GateVerdict, string>;
export const gateErrors = { passed: undefined, failed: 'gate_failed', errored: 'gate_could_not_run' } as const satisfies Record<
  GateVerdict,
  FailureReason | undefined
>;

export function gateAttributes(taskId: string, gate: GateResult): AttributeValues {
  return {
    'cicd.pipeline.task.name': gate.name,
    'cicd.pipeline.task.type': gate.kind,
    'cicd.pipeline.task.run.id': `${taskId}.${gate.attempt}.${gate.ordinal}`,
    'cicd.pipeline.task.run.result': gateResults[gate.verdict],
    'singletree.task.id': taskId,
    'singletree.attempt.number': gate.attempt,
    'singletree.quality_gate.required': gate.required,
    'singletree.failure.message': gate.verdict === 'passed' ? undefined : gate.message,
    'process.exit.code': gate.exitCode,
  };
}

function provenance(usage: TaskUsage | undefined): AttributeValues {
  return { 'singletree.usage.provenance': usage?.provenance, 'singletree.usage.lower_bound': usage?.lowerBound };
}

/** What a red gate says of an attempt is told by the gate's own span: the agent itself ended well. */
export function attemptError({ failure }: Attempt): FailureReason | undefined {
  return failure?.reason === gateErrors.failed || failure?.reason === gateErrors.errored ? undefined : failure?.reason;
}

export function waitAttributes(taskId: string, { reason }: Wait): AttributeValues {
  return { 'singletree.task.id': taskId, 'singletree.wait.reason': reason };
}

export function toolAttributes(taskId: string, { id, name, thread }: Tool): AttributeValues {
  return {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    'gen_ai.tool.call.id': id,
    'singletree.task.id': taskId,
    'singletree.thread': threadOf(thread),
  };
}

/** Tokens never as `gen_ai.usage.*`, as on the root. */
export function modelCallAttributes(taskId: string, { entry, thread }: ModelCall, provider: string | undefined): AttributeValues {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': provider,
    'gen_ai.response.model': entry.model,
    'singletree.task.id': taskId,
    'singletree.thread': threadOf(thread),
    ...ownUsage(entry),
    'singletree.usage.provenance': entry.provenance,
    'singletree.cost_usd_micros': entry.costUsdMicros,
    'singletree.cost.source': entry.costSource,
  };
}

function threadOf(thread: string): 'main' | 'subagent' {
  return thread === 'main' ? 'main' : 'subagent';
}

function share(tokens: number | undefined, window: number | undefined): number | undefined {
  return tokens === undefined || window === undefined || window <= 0 ? undefined : Math.min(1, tokens / window);
}
