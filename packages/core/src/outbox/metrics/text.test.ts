import { expect, test } from 'vitest';
import { prometheusName, prometheusText } from './text.ts';

test.each([
  ['singletree.task.completions', 'counter', '{task}', 'singletree_task_completions_total'],
  ['singletree.task.cost', 'counter', 'USD', 'singletree_task_cost_USD_total'],
  ['singletree.task.phase.duration', 'counter', 's', 'singletree_task_phase_duration_seconds_total'],
  ['gen_ai.invoke_workflow.duration', 'histogram', 's', 'gen_ai_invoke_workflow_duration_seconds'],
  ['singletree.task.active', 'updowncounter', '{task}', 'singletree_task_active'],
  ['singletree.outbox.oldest_age', 'gauge', 's', 'singletree_outbox_oldest_age_seconds'],
  ['a.share', 'gauge', '1', 'a_share_ratio'],
  ['singletree.task.context.utilization', 'histogram', '1', 'singletree_task_context_utilization'],
])('%s is named as the OTLP receiver of Prometheus names it', (metric, instrument, unit, name) => {
  expect(prometheusName(metric, instrument, unit)).toBe(name);
});

test('totals in their unit, labels escaped, a histogram cumulative', () => {
  const points = [
    { metric: 'singletree.task.cost', labels: { 'gen_ai.agent.name': 'a"\\\n' }, count: 2, sum: 1_500_000 },
    { metric: 'singletree.task.turns', labels: {}, count: 3, sum: 12, buckets: [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] },
    { metric: 'of.an.older.version', labels: {}, count: 1, sum: 1 },
  ];
  expect(prometheusText({ points }).split('\n')).toEqual([
    '# HELP singletree_task_cost_USD_total Cost of finished tasks, as far as it is known.',
    '# TYPE singletree_task_cost_USD_total counter',
    'singletree_task_cost_USD_total{gen_ai_agent_name="a\\"\\\\\\n"} 1.5',
    '# HELP singletree_task_turns Model calls of the main thread of finished tasks.',
    '# TYPE singletree_task_turns histogram',
    ...[1, 1, 2, 2, 2, 2, 2, 2, 2, 2].map((count, index) => `singletree_task_turns_bucket{le="${2 ** index}"} ${count}`),
    'singletree_task_turns_bucket{le="+Inf"} 3',
    'singletree_task_turns_sum 12',
    'singletree_task_turns_count 3',
    '',
  ]);
});
