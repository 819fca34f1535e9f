import { expect, test } from 'vitest';
import { completionOf } from '../../task/completion.ts';
import type { Task } from '../../task/task.ts';
import { aGate, anAttempt, aTask } from '../stand-ins.testsuite.ts';
import { measurementsOf } from './measure.ts';

function told(task: Task, ...metrics: readonly string[]): object[] {
  return measurementsOf(task, completionOf(task))
    .filter(({ metric }) => metrics.includes(metric))
    .map(({ metric, value, labels }) => ({ metric, value, ...labels }));
}

const usage = { uncachedInputTokens: 20, cacheReadInputTokens: 300, outputTokens: 7, provenance: 'reported', lowerBound: false } as const;
const account = { model: 'sonnet', usage, turns: 3, costUsdMicros: 31_000, costSource: 'harness' } as const;
const done = aTask(1, {
  attempts: [anAttempt(1, { account, failure: { reason: 'gate_failed', message: 'x' } }), anAttempt(2, { account })],
  gateResults: [aGate(1, 0, 'failed'), aGate(2, 0, 'passed')],
});
const of = {
  'singletree.task.type': 'debugging',
  'singletree.task.outcome': 'success',
  'gen_ai.agent.name': 'claude_code',
  'gen_ai.response.model': 'sonnet',
};

test('a task is one completion, with its tokens, its cost and its times', () => {
  expect(told(done, 'singletree.task.completions')).toEqual([
    { metric: 'singletree.task.completions', value: 1, ...of, 'singletree.quality_gate.passed': 'true' },
  ]);
  expect(told(done, 'singletree.task.cost', 'singletree.task.usage.input_tokens', 'singletree.task.usage.output_tokens')).toEqual([
    { metric: 'singletree.task.usage.input_tokens', value: 640, ...of },
    { metric: 'singletree.task.usage.output_tokens', value: 14, ...of },
    { metric: 'singletree.task.cost', value: 62_000, ...of, 'singletree.cost.source': 'harness' },
  ]);
  expect(told(done, 'gen_ai.invoke_workflow.duration', 'singletree.task.queue.duration').map((each) => Object(each)['value'])).toEqual([
    8_988, 12,
  ]);
  expect(
    told(done, 'singletree.task.phase.duration').map((each) => [Object(each)['singletree.task.phase'], Object(each)['value']]),
  ).toEqual([
    ['active', 8_120],
    ['gate', 868],
    ['backoff', 0],
    ['blocked', 0],
    ['review', 0],
  ]);
});

test('each attempt and each run of a gate counts; a retry says why', () => {
  expect(told(done, 'gen_ai.invoke_agent.duration', 'singletree.task.retries', 'singletree.quality_gate.duration')).toEqual([
    { metric: 'singletree.task.retries', value: 1, 'gen_ai.agent.name': 'claude_code', 'error.type': 'gate_failed' },
    { metric: 'gen_ai.invoke_agent.duration', value: 500, 'gen_ai.agent.name': 'claude_code', 'gen_ai.response.model': 'sonnet' },
    { metric: 'gen_ai.invoke_agent.duration', value: 500, 'gen_ai.agent.name': 'claude_code', 'gen_ai.response.model': 'sonnet' },
    {
      metric: 'singletree.quality_gate.duration',
      value: 40,
      'cicd.pipeline.task.name': 'test',
      'cicd.pipeline.task.run.result': 'failure',
    },
    {
      metric: 'singletree.quality_gate.duration',
      value: 40,
      'cicd.pipeline.task.name': 'test',
      'cicd.pipeline.task.run.result': 'success',
    },
  ]);
});

test('what is unknown adds nothing, and an unknown cost is counted as such', () => {
  const silent = aTask(2, { attempts: [anAttempt(1)] });
  const names = measurementsOf(silent, completionOf(silent)).map(({ metric }) => metric);
  expect(names.filter((name) => /usage|task\.cost$|turns|utilization|compactions|estimate/.test(name))).toEqual([]);
  expect(names).toContain('singletree.task.cost.unknown');
  expect(told(done, 'singletree.task.cost.unknown')).toEqual([]);
});

test('a cost of which a part is unknown is counted, and so is that', () => {
  const partly = aTask(3, { attempts: [anAttempt(1, { account }), anAttempt(2)] });
  expect(told(partly, 'singletree.task.cost', 'singletree.task.cost.unknown').map((each) => Object(each)['value'])).toEqual([31_000, 1]);
});

test('a task that was never dispatched has no durations, and nothing of it could have cost anything', () => {
  const never = aTask(4, { state: 'cancelled', failure: { reason: 'cancelled', message: 'x' }, dispatchedAt: undefined } as never);
  const names = measurementsOf(never, completionOf(never)).map(({ metric }) => metric);
  expect(names.filter((name) => /duration|cost/.test(name))).toEqual([]);
  expect(told(never, 'singletree.task.completions')).toMatchObject([{ 'error.type': 'cancelled', 'singletree.task.outcome': 'failure' }]);
});
