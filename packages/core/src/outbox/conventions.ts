import type { AttributeKind } from './attributes.ts';

/**
 * The names of OpenTelemetry's conventions that we use, pinned here and nowhere else: the npm package still has the GenAI names of v1.41, all
 * marked as moved. CICD, VCS and process are of https://github.com/open-telemetry/semantic-conventions at v1.44.0; GenAI is of the registry below.
 */
export const conventions = {
  'cicd.pipeline.task.name': 'name',
  'cicd.pipeline.task.run.id': 'id',
  'cicd.pipeline.task.run.result': 'enum',
  'cicd.pipeline.task.type': 'enum',
  'error.type': 'enum',
  'gen_ai.agent.name': 'name',
  'gen_ai.agent.version': 'name',
  'gen_ai.conversation.id': 'id',
  'gen_ai.operation.name': 'enum',
  'gen_ai.provider.name': 'name',
  'gen_ai.request.model': 'name',
  'gen_ai.response.model': 'name',
  'gen_ai.tool.call.id': 'id',
  'gen_ai.tool.name': 'name',
  'gen_ai.usage.cache_read.input_tokens': 'number',
  'gen_ai.usage.cache_write.input_tokens': 'number',
  'gen_ai.usage.input_tokens': 'number',
  'gen_ai.usage.output_tokens': 'number',
  'gen_ai.usage.reasoning.output_tokens': 'number',
  'gen_ai.workflow.name': 'enum',
  'process.exit.code': 'number',
  'vcs.ref.base.revision': 'id',
  'vcs.ref.head.revision': 'id',
} as const satisfies Record<string, AttributeKind>;

/** Where the GenAI names are from: a registry that has no release, at a commit of it. */
export const genAiRegistry = {
  repository: 'https://github.com/open-telemetry/semantic-conventions-genai',
  commit: '002c8a6ea1c8a42b14a4527db83b3cabcded610a',
  /** Names that came after that commit, and why we have them already: what is stored under an old name is not found under the new one. */
  ahead: {
    'gen_ai.usage.cache_write.input_tokens':
      'was gen_ai.usage.cache_creation.input_tokens; the counters of tokens, which came later, are named so too',
    'gen_ai.invoke_workflow.duration': 'was gen_ai.workflow.duration; durations are named after their span since',
    'gen_ai.invoke_agent.duration': 'came with the metrics of agents',
  },
} as const;
