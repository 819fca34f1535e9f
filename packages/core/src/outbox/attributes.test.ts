import { expect, test } from 'vitest';
import { attributeNames, attributesOf, nameOf, withoutContent } from './attributes.ts';

// Dashboards, alerts and the documentation use these: a new or changed name is a decision.
test('spans have these attributes and no others', () => {
  expect(attributeNames).toEqual([
    'cicd.pipeline.task.name',
    'cicd.pipeline.task.run.id',
    'cicd.pipeline.task.run.result',
    'cicd.pipeline.task.type',
    'error.type',
    'gen_ai.agent.name',
    'gen_ai.agent.version',
    'gen_ai.conversation.id',
    'gen_ai.operation.name',
    'gen_ai.provider.name',
    'gen_ai.request.model',
    'gen_ai.response.model',
    'gen_ai.tool.call.id',
    'gen_ai.tool.name',
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.workflow.name',
    'process.exit.code',
    'singletree.attempt.charged',
    'singletree.attempt.number',
    'singletree.attempt.state',
    'singletree.attempt.turns',
    'singletree.change.files',
    'singletree.change.lines_added',
    'singletree.change.lines_removed',
    'singletree.change.paths',
    'singletree.context.compactions',
    'singletree.context.rotations',
    'singletree.context.utilization',
    'singletree.context.utilization_peak',
    'singletree.cost.lower_bound',
    'singletree.cost.price_version',
    'singletree.cost.source',
    'singletree.cost_usd_micros',
    'singletree.estimate.cost_usd_micros',
    'singletree.estimate.input_tokens',
    'singletree.estimate.kind',
    'singletree.estimate.output_tokens',
    'singletree.event.id',
    'singletree.failure.message',
    'singletree.link',
    'singletree.metric.name',
    'singletree.outbox.destination',
    'singletree.probe',
    'singletree.quality_gate.errored_count',
    'singletree.quality_gate.failed_count',
    'singletree.quality_gate.passed',
    'singletree.quality_gate.required',
    'singletree.quality_gate.run_count',
    'singletree.repo.language',
    'singletree.repo.size_category',
    'singletree.session.resumed',
    'singletree.spans.omitted',
    'singletree.task.active_duration_ms',
    'singletree.task.backoff_duration_ms',
    'singletree.task.blocked_duration_ms',
    'singletree.task.complexity',
    'singletree.task.complexity_source',
    'singletree.task.duration_ms',
    'singletree.task.gate_duration_ms',
    'singletree.task.id',
    'singletree.task.labels',
    'singletree.task.outcome',
    'singletree.task.phase',
    'singletree.task.queue_duration_ms',
    'singletree.task.retry_count',
    'singletree.task.review_duration_ms',
    'singletree.task.summary',
    'singletree.task.title',
    'singletree.task.turns',
    'singletree.task.turns_lower_bound',
    'singletree.task.type',
    'singletree.thread',
    'singletree.usage.cache_read.input_tokens',
    'singletree.usage.cache_write.input_tokens',
    'singletree.usage.input_tokens',
    'singletree.usage.lower_bound',
    'singletree.usage.output_tokens',
    'singletree.usage.provenance',
    'singletree.usage.reasoning.output_tokens',
    'singletree.wait.reason',
    'vcs.ref.base.revision',
    'vcs.ref.head.revision',
  ]);
});

test('an unknown is absent, and zero is a value', () => {
  expect(
    attributesOf({ 'singletree.cost_usd_micros': undefined, 'singletree.task.turns': 0, 'singletree.attempt.charged': false }),
  ).toEqual({
    'singletree.task.turns': 0,
    'singletree.attempt.charged': false,
  });
});

test('what is not of the kind of its name does not leave', () => {
  const name = { 'singletree.title': 'Fix the rounding bug' };
  expect(
    attributesOf({
      ...name,
      'gen_ai.conversation.id': '/home/anna/.claude/projects/shop/session.jsonl',
      'singletree.task.id': 'the id of the task',
      'error.type': 'it failed because price.js rounds down',
      'singletree.task.turns': Number.NaN,
      'singletree.context.utilization': Number.POSITIVE_INFINITY,
      'gen_ai.request.model': ' \n ',
    }),
  ).toEqual({});
});

test('a name is one short line without control characters', () => {
  expect(nameOf('  local/qwen 3\n\u001b[31m\ud800 β  ')).toBe('local/qwen 3 [31m β');
  expect(nameOf('💡'.repeat(200))).toBe('💡'.repeat(128));
});

test('content leaves only where it may, redacted before it is cut', () => {
  const secret = 'ghp_0123456789abcdefghij';
  const values = {
    'singletree.task.title': `  Fix\u001b[31m the bug of anna@example.org `,
    'singletree.task.summary': `${'x '.repeat(2_040)}${secret}${' y'.repeat(20_000)}`,
    'singletree.change.paths': ['src/a.js', '/home/anna/b.js', ...Array<string>(200).fill('c')],
    'singletree.task.labels': [],
    'singletree.failure.message': ' ',
  };
  expect(attributesOf(values)).toEqual({});
  const told = attributesOf(values, { ...withoutContent, content: true });
  expect(told).toEqual({
    'singletree.task.title': 'Fix [31m the bug of [redacted]',
    'singletree.task.summary': `${'x '.repeat(2_040)}[redacted] y y y`,
    'singletree.change.paths': ['src/a.js', '~/b.js', ...Array<string>(98).fill('c')],
  });
  const long = attributesOf({ 'singletree.task.summary': `${'x'.repeat(16_370)} ${secret}` }, { ...withoutContent, content: true });
  expect(String(long['singletree.task.summary'])).toHaveLength(4_096);
});

test('a name is redacted too, also one that is as long as a secret', () => {
  expect(nameOf(`gate ${'x'.repeat(110)} ghp_0123456789abcdefghij`)).toBe(`gate ${'x'.repeat(110)} [redacted]`);
  expect(attributesOf({ 'gen_ai.tool.name': 'mail anna@example.org' })).toEqual({ 'gen_ai.tool.name': 'mail [redacted]' });
});
