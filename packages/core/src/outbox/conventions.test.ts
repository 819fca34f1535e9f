import { expect, test } from 'vitest';
import { conventions, genAiRegistry } from './conventions.ts';
import { metrics } from './registry.ts';

/** Every name of model/gen-ai/registry.yaml, and every metric of the same registry, at the commit that is pinned. */
const atThatCommit: ReadonlySet<string> = new Set(
  [
    'agent.description agent.id agent.name agent.version client.operation.duration client.operation.time_per_output_chunk',
    'client.operation.time_to_first_chunk client.token.usage conversation.id data_source.id embeddings.dimension.count evaluation.explanation',
    'evaluation.name evaluation.score.label evaluation.score.value input.messages memory.query.text memory.record.count memory.record.id memory.records',
    'memory.store.id operation.name output.messages output.type prompt.name provider.name request.choice.count request.encoding_formats',
    'request.frequency_penalty request.max_tokens request.model request.presence_penalty request.seed request.stop_sequences request.stream',
    'request.temperature request.top_k request.top_p response.finish_reasons response.id response.model response.time_to_first_chunk',
    'retrieval.documents retrieval.query.text server.request.duration server.time_per_output_token server.time_to_first_token system_instructions',
    'token.cache token.modality token.phase token.type tool.call.arguments tool.call.id tool.call.result tool.definitions tool.description tool.name',
    'tool.type usage.audio.input_tokens usage.audio.output_tokens usage.cache_creation.input_tokens usage.cache_read.input_tokens',
    'usage.image.input_tokens usage.input_tokens usage.output_tokens usage.reasoning.output_tokens usage.text.input_tokens',
    'usage.text.output_tokens usage.video.input_tokens workflow.duration workflow.name',
  ]
    .join(' ')
    .split(' ')
    .map((name) => `gen_ai.${name}`),
);

const ours = [...Object.keys(conventions), ...Object.keys(metrics)].filter((name) => name.startsWith('gen_ai.'));
const ahead = Object.keys(genAiRegistry.ahead);

test.each(ours)('%s is of the registry at the pinned commit, or is said to be ahead of it', (name) => {
  expect(atThatCommit.has(name)).toBe(!ahead.includes(name));
});

test('nothing is said to be ahead that is not used, and the commit is whole', () => {
  expect(ours).toEqual(expect.arrayContaining(ahead));
  expect(genAiRegistry.commit).toMatch(/^[0-9a-f]{40}$/);
});
