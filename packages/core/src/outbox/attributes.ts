import type { Attributes } from '@opentelemetry/api';

/**
 * Everything that a span may say, and what kind of value it is. An allow-list: what is not here cannot be set, and none of the
 * kinds holds prose. Titles, labels, prompts, messages, summaries and paths have no name here, so they cannot leave.
 */
const stable = {
  // https://github.com/open-telemetry/semantic-conventions, v1.44.0
  'error.type': 'enum',
} as const;

const genAi = {
  // https://github.com/open-telemetry/semantic-conventions-genai, main of October 2026; it has no release. The npm package still has the
  // names of v1.41 (`cache_creation`), all marked as moved.
  'gen_ai.agent.name': 'name',
  'gen_ai.agent.version': 'name',
  'gen_ai.conversation.id': 'id',
  'gen_ai.operation.name': 'enum',
  'gen_ai.provider.name': 'name',
  'gen_ai.request.model': 'name',
  'gen_ai.response.model': 'name',
  'gen_ai.usage.cache_read.input_tokens': 'number',
  'gen_ai.usage.cache_write.input_tokens': 'number',
  /** Includes the cached ones. */
  'gen_ai.usage.input_tokens': 'number',
  /** Includes the reasoning. */
  'gen_ai.usage.output_tokens': 'number',
  'gen_ai.usage.reasoning.output_tokens': 'number',
  'gen_ai.workflow.name': 'enum',
} as const;

const cicdVcsProcess = {
  // https://github.com/open-telemetry/semantic-conventions, v1.44.0: CICD and VCS are release candidates, process is in development
  'cicd.pipeline.task.name': 'name',
  'cicd.pipeline.task.run.id': 'id',
  'cicd.pipeline.task.run.result': 'enum',
  'cicd.pipeline.task.type': 'enum',
  'process.exit.code': 'number',
  'vcs.ref.base.revision': 'id',
  'vcs.ref.head.revision': 'id',
} as const;

/** No convention has a name for these. Durations in milliseconds, costs in millionths of a US dollar, shares from 0 to 1. */
const own = {
  'singletree.attempt.charged': 'boolean',
  'singletree.attempt.number': 'number',
  'singletree.attempt.state': 'enum',
  'singletree.attempt.turns': 'number',
  'singletree.change.files': 'number',
  'singletree.change.lines_added': 'number',
  'singletree.change.lines_removed': 'number',
  'singletree.context.compactions': 'number',
  'singletree.context.rotations': 'number',
  'singletree.context.utilization': 'number',
  'singletree.context.utilization_peak': 'number',
  'singletree.cost.lower_bound': 'boolean',
  'singletree.cost.price_version': 'name',
  'singletree.cost.source': 'enum',
  'singletree.cost_usd_micros': 'number',
  'singletree.estimate.cost_usd_micros': 'number',
  'singletree.estimate.input_tokens': 'number',
  'singletree.estimate.output_tokens': 'number',
  'singletree.event.id': 'id',
  'singletree.link': 'enum',
  'singletree.quality_gate.errored_count': 'number',
  'singletree.quality_gate.failed_count': 'number',
  'singletree.quality_gate.passed': 'boolean',
  'singletree.quality_gate.required': 'boolean',
  'singletree.quality_gate.run_count': 'number',
  'singletree.repo.language': 'name',
  'singletree.repo.size_category': 'enum',
  'singletree.session.resumed': 'boolean',
  'singletree.task.active_duration_ms': 'number',
  'singletree.task.backoff_duration_ms': 'number',
  'singletree.task.blocked_duration_ms': 'number',
  'singletree.task.complexity': 'enum',
  'singletree.task.complexity_source': 'enum',
  'singletree.task.duration_ms': 'number',
  'singletree.task.gate_duration_ms': 'number',
  'singletree.task.id': 'id',
  'singletree.task.outcome': 'enum',
  'singletree.task.queue_duration_ms': 'number',
  'singletree.task.retry_count': 'number',
  'singletree.task.review_duration_ms': 'number',
  'singletree.task.turns': 'number',
  'singletree.task.turns_lower_bound': 'boolean',
  'singletree.task.type': 'enum',
  'singletree.usage.cache_read.input_tokens': 'number',
  'singletree.usage.cache_write.input_tokens': 'number',
  'singletree.usage.input_tokens': 'number',
  'singletree.usage.lower_bound': 'boolean',
  'singletree.usage.output_tokens': 'number',
  'singletree.usage.provenance': 'enum',
  'singletree.usage.reasoning.output_tokens': 'number',
} as const;

type Kind = 'id' | 'enum' | 'name' | 'number' | 'boolean';

const kinds = { ...stable, ...genAi, ...cicdVcsProcess, ...own } as const satisfies Record<string, Kind>;
const kindOf: Readonly<Record<string, Kind | undefined>> = kinds;

type ValueOf<K extends Kind> = K extends 'number' ? number : K extends 'boolean' ? boolean : string;
export type AttributeValues = { readonly [Name in keyof typeof kinds]?: ValueOf<(typeof kinds)[Name]> | undefined };

export const attributeNames: readonly string[] = Object.keys(kinds).sort();

/**
 * The attributes of a span. What is unknown is absent. A value that is not of its name's kind is left out too: much of it comes
 * from a CLI's own output, and a sentence or a path where an id belongs is content.
 */
export function attributesOf(values: AttributeValues): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(values)) {
    const fit = ofKind(kindOf[name], value);
    if (fit !== undefined) attributes[name] = fit;
  }
  return attributes;
}

/** A name that may stand in an attribute or in the name of a span: one line of at most 128 characters. */
export function nameOf(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
  return Array.from(line).slice(0, 128).join('');
}

function ofKind(kind: Kind | undefined, value: string | number | boolean | undefined): string | number | boolean | undefined {
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'enum':
      return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : undefined;
    case 'id':
      return typeof value === 'string' && /^[\w.:-]{1,256}$/.test(value) ? value : undefined;
    case 'name':
      return typeof value === 'string' && nameOf(value) !== '' ? nameOf(value) : undefined;
    case undefined:
      return undefined;
  }
}
