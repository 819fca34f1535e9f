import type { CompletionEvent } from '../../task/completion.ts';
import type { Task } from '../../task/task.ts';
import { attributesOf, withoutContent, type AttributeValues, type Privacy } from '../attributes.ts';
import type { metrics } from '../registry.ts';
import { attemptError, gateResults } from '../spans/span-attributes.ts';

export type MetricName = keyof typeof metrics;

/** One value for one series, as a whole number in the metric's own scale. */
export interface Measurement {
  readonly metric: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One whose labels have not passed the list of attributes yet. */
type Raw = Omit<Measurement, 'labels'> & { readonly labels: AttributeValues };

type LabelsOf<Name extends MetricName> = { readonly [Label in (typeof metrics)[Name]['labels'][number]]: AttributeValues[Label] };

const phaseNames = ['active', 'gate', 'backoff', 'blocked', 'review'] as const;

/**
 * What a finished task adds to the totals. Pure: counted once, it is counted for ever, so a task gives the same measurements whenever it is asked.
 * What is unknown adds nothing; where a cost is unknown, that is counted itself.
 */
export function measurementsOf(task: Task, completion: CompletionEvent, privacy: Privacy = withoutContent): Measurement[] {
  const { taskType, outcome, complexity, harness, model, phases, usage } = completion;
  const of = {
    'singletree.task.type': taskType,
    'singletree.task.outcome': outcome,
    'gen_ai.agent.name': harness,
    'gen_ai.response.model': model,
  };
  const agent = { 'gen_ai.agent.name': harness };
  const agentAndModel = { ...agent, 'gen_ai.response.model': model };
  const failed = outcome === 'failure' || outcome === 'timeout' ? completion.failure?.reason : undefined;
  const isCostUnknown = completion.actualCostUsdMicros === undefined || completion.costLowerBound === true;
  return [
    measured('singletree.task.completions', 1, {
      ...of,
      'singletree.task.complexity': complexity,
      'error.type': failed,
      'singletree.quality_gate.passed': completion.qualityGatePassed,
    }),
    measured('singletree.task.completions.by_repo', 1, {
      'singletree.repo.language': completion.language,
      'singletree.repo.size_category': completion.repoSizeCategory,
      'singletree.task.outcome': outcome,
    }),
    measured('gen_ai.invoke_workflow.duration', completion.taskDurationMs, {
      'gen_ai.workflow.name': taskType,
      'gen_ai.agent.name': harness,
      'singletree.task.outcome': outcome,
    }),
    measured('singletree.task.queue.duration', completion.queueDurationMs, agent),
    ...phaseNames.map((phase) =>
      measured('singletree.task.phase.duration', phases?.[`${phase}Ms`], {
        'singletree.task.phase': phase,
        'singletree.task.outcome': outcome,
        'gen_ai.agent.name': harness,
        'singletree.task.type': taskType,
      }),
    ),
    measured('singletree.task.usage.input_tokens', completion.actualInputTokens, of),
    measured('singletree.task.usage.output_tokens', completion.actualOutputTokens, of),
    measured('singletree.task.usage.cache_read.input_tokens', usage?.cacheReadInputTokens, of),
    measured('singletree.task.usage.cache_write.input_tokens', usage?.cacheWriteInputTokens, of),
    measured('singletree.task.usage.reasoning.output_tokens', usage?.reasoningOutputTokens, of),
    measured('singletree.task.cost', completion.actualCostUsdMicros, { ...of, 'singletree.cost.source': completion.costSource }),
    measured('singletree.task.cost.unknown', isCostUnknown && completion.attemptCount > 0 ? 1 : undefined, of),
    ...Object.entries(completion.retriesByCause).map(([cause, count]) =>
      measured('singletree.task.retries', count, { 'gen_ai.agent.name': harness, 'error.type': cause }),
    ),
    measured('singletree.task.turns', completion.turnsPerTask, { 'gen_ai.agent.name': harness, 'singletree.task.type': taskType }),
    measured('singletree.task.context.compactions', completion.contextCompactions, agentAndModel),
    measured('singletree.task.context.rotations', completion.contextRotations, agent),
    measured('singletree.task.context.utilization', millionths(completion.contextUtilizationFinal), agentAndModel),
    ...predicted(completion, of),
    ...attempts(task),
    ...task.gateResults.map((gate) =>
      measured('singletree.quality_gate.duration', Math.max(0, gate.endedAt - gate.startedAt), {
        'cicd.pipeline.task.name': gate.name,
        'cicd.pipeline.task.run.result': gateResults[gate.verdict],
      }),
    ),
  ].flatMap((found) => (found === undefined ? [] : [{ ...found, labels: labelsOf(found.labels, privacy) }]));
}

function predicted(completion: CompletionEvent, of: LabelsOf<'singletree.task.estimate.cost'>): (Raw | undefined)[] {
  const { estimatedInputTokens, estimatedOutputTokens, estimatedCostUsdMicros, harness } = completion;
  const ratio = (kind: string, actual: number | undefined, estimated: number | undefined): Raw | undefined =>
    actual === undefined || !estimated
      ? undefined
      : measured('singletree.task.estimate.ratio', millionths(actual / estimated), {
          'singletree.estimate.kind': kind,
          'gen_ai.agent.name': harness,
        });
  const sum = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a + b;
  return [
    measured('singletree.task.estimate.input_tokens', estimatedInputTokens, of),
    measured('singletree.task.estimate.output_tokens', estimatedOutputTokens, of),
    measured('singletree.task.estimate.cost', estimatedCostUsdMicros, of),
    ratio('cost', completion.actualCostUsdMicros, estimatedCostUsdMicros),
    ratio('tokens', completion.tokensPerTask, sum(estimatedInputTokens, estimatedOutputTokens)),
  ];
}

function attempts(task: Task): (Raw | undefined)[] {
  return task.attempts.map((attempt) =>
    attempt.startedAt === undefined || attempt.endedAt === undefined
      ? undefined
      : measured('gen_ai.invoke_agent.duration', Math.max(0, attempt.endedAt - attempt.startedAt), {
          'gen_ai.agent.name': attempt.harness,
          'gen_ai.response.model': attempt.account?.model,
          'error.type': attemptError(attempt),
        }),
  );
}

/** Nothing where the value is unknown. The labels pass the same list as the attributes of spans. */
function measured<Name extends MetricName>(metric: Name, value: number | undefined, labels: NoInfer<LabelsOf<Name>>): Raw | undefined {
  if (value === undefined || !Number.isSafeInteger(value)) return undefined;
  return { metric, value, labels };
}

/** As they may leave. */
export function labelsOf(labels: AttributeValues, privacy: Privacy): Measurement['labels'] {
  return Object.fromEntries(Object.entries(attributesOf(labels, privacy)).map(([label, text]) => [label, String(text)]));
}

function millionths(share: number | undefined): number | undefined {
  return share === undefined ? undefined : Math.round(share * 1_000_000);
}
