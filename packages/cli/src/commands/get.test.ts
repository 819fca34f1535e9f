import type { Task } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { plain } from '../terminal/terminal.testsuite.ts';
import { taskLines } from './get.ts';

/** Half past one wherever the test runs. */
const now = new Date(2026, 10, 21, 13, 30).getTime();
const at = (minutes: number): Date => new Date(now + minutes * 60_000);

function lines(fields: object): string[] {
  const made: unknown = {
    id: 'b',
    title: 'mend it',
    state: 'created',
    harness: 'codex',
    createdAt: at(-2),
    workspace: { path: '/src', mode: 'worktree' },
    permissions: 'all',
    labels: {},
    limits: {},
    retry: [],
    attempts: [],
    gateResults: [],
    traceId: 'c',
    ...fields,
  };
  return taskLines(made as Task, plain, now);
}

test('a blocked task: why, when it is tried again, and when it fails', () => {
  const blocked = { reason: 'quota_exhausted', message: 'nothing left', since: at(-1), until: at(60), failsAt: at(24 * 60) };
  expect(lines({ state: 'blocked', blocked })).toContain(
    '  state       ‖ blocked · quota_exhausted · nothing left · tries again at 14:30 · fails on 2026-11-22 at 13:30 if nothing changes',
  );
});

test('what differs from the retry table, as a tasks file says it', () => {
  const retry = [
    { reason: 'stalled', retry: false },
    { reason: 'rate_limited', session: 'fresh', backoffInitialMs: 90_000, backoffCapMs: 0, maxRetries: 3 },
  ];
  expect(lines({ retry })).toContain(
    '  retry       stalled: { retry: false }, rate_limited: { session: fresh, initial: 1 min 30 s, cap: 0, max_retries: 3 }',
  );
  expect(lines({}).join('\n')).not.toContain('retry');
});

test('the task that it does again, and how its attempts are contained', () => {
  const attempts = [
    { number: 1, state: 'ended', sandboxLevel: 'pid_namespace', preparedAt: at(-1) },
    { number: 2, state: 'prepared', preparedAt: at(0) },
  ];
  const shown = lines({ rerunOf: 'a', attempts });
  expect(shown).toContain('  again       does task a again');
  expect(shown.slice(-2)).toEqual(['  ● attempt 1   ended · contained by PID namespace', '  ● attempt 2']);
});

test('what it may spend', () => {
  const limits = { maxTurns: 1, maxTokens: 200_000, maxCostUsdMicros: 2_500_000, maxContextUtilization: 0.8 };
  expect(lines({ limits })).toContain('  budget      1 turn · 200.0k tokens · $2.50 · context 80 %');
  expect(lines({ limits: { maxAttempts: 3 } }).join('\n')).not.toContain('budget');
});

test('what it has spent, and each attempt: what is only known in part says so', () => {
  const usage = {
    uncachedInputTokens: 1_000,
    cacheWriteInputTokens: 20,
    cacheWrite1hInputTokens: 20,
    outputTokens: 4,
    provenance: 'recovered',
    lowerBound: true,
  };
  const spent = { turnsPerTask: 3, turnsLowerBound: true, tokensPerTask: 1_024, usage, costPerTaskUsdMicros: 48_200, costLowerBound: true };
  const context = { contextUtilization: 0.15, contextUtilizationPeak: 0.9, contextCompactions: 1 };
  const attempts = [
    { number: 1, state: 'ended', usage, costUsdMicros: 48_200, costLowerBound: true, ...context, preparedAt: at(-1) },
    { number: 2, state: 'ended', contextUtilization: 0.2, contextUtilizationPeak: 0.2, contextCompactions: 0, preparedAt: at(0) },
  ];
  const shown = lines({ ...spent, attempts });
  expect(shown).toContain('  spent       ≥ 3 turns · ≥ 1.0k tokens · ≥ $0.0482');
  expect(lines({ ...spent, state: 'in_progress' })).toContain('  spent       3 turns · 1.0k tokens · $0.0482');
  expect(shown.slice(-2)).toEqual([
    "  ● attempt 1   ended · ≥ 1.0k tokens · by its session's files · ≥ $0.0482 · context 15 % (90 % at most) · 1 compaction",
    '  ● attempt 2   ended · context 20 %',
  ]);
});
