import { expect, test } from 'vitest';
import type { Point } from '../../store/metrics.ts';
import { zerosBeside } from './zeros.ts';

const known = { harnesses: ['codex', 'claude_code'], destinations: [] };
const completions = 'singletree.task.completions';
const of = (points: readonly Point[], metric: string): Point[] => points.filter((point) => point.metric === metric);

test('finished tasks by harness, outcome and type, and other counters by harness, are 0 before anything is counted', () => {
  const zeros = zerosBeside([], known);
  expect(zeros.every(({ count, sum }) => count === 0 && sum === 0)).toBe(true);
  expect(of(zeros, completions)).toHaveLength(2 * 4 * 10);
  expect(of(zeros, completions)[0]?.labels).toEqual({ 'singletree.task.outcome': 'success', 'gen_ai.agent.name': 'codex' });
  expect(of(zeros, 'singletree.task.cost').map(({ labels }) => labels)).toEqual([
    { 'gen_ai.agent.name': 'codex' },
    { 'gen_ai.agent.name': 'claude_code' },
  ]);
});

test('what has been counted is not told a second time', () => {
  const counted = { metric: completions, labels: { 'gen_ai.agent.name': 'codex', 'singletree.task.outcome': 'success' }, count: 1, sum: 1 };
  expect(of(zerosBeside([counted], known), completions)).toHaveLength(2 * 4 * 10 - 1);
});

test('a metric never has more series than it may', () => {
  const counted = (count: number): Point[] =>
    Array.from({ length: count }, (_, index) => ({
      metric: completions,
      labels: { 'gen_ai.response.model': String(index) },
      count: 1,
      sum: 1,
    }));
  expect(of(zerosBeside(counted(1_990), known), completions)).toHaveLength(10);
  expect(of(zerosBeside(counted(2_001), known), completions)).toHaveLength(0);
});
