import { describe, expect, test } from 'vitest';
import {
  aGate,
  after,
  aTree,
  created,
  decided,
  died,
  exited,
  failed,
  gate,
  passed,
  reconciled,
  running,
  runningAgain,
  silent,
} from './samples.testsuite.ts';
import type { FailureReason } from './reasons.ts';
import type { Task, TaskSpec } from './task.ts';

const judged = { kind: 'judged' } as const;
const gates = [aGate('test'), aGate('lint')];
const limited = (maxAttempts: number, set: Partial<TaskSpec> = {}): Task =>
  created({ ...set, limits: { timeoutMs: 60_000, maxOutputBytes: 1_000, maxAttempts } });

/** The attempts of a task, each ended for a reason; it is claimed again while it waits. */
function attempts(task: Task, reasons: readonly FailureReason[]): Task {
  return reasons.reduce((before, reason, index) => {
    const from = index === 0 ? running : runningAgain(index + 1);
    const directory = `harness-${index + 1}`;
    const end =
      reason === 'lost' ? [died(directory), silent()] : [exited(directory), silent({}, { evidence: { result: 'failed', reason } })];
    return after(before, ...from, ...end);
  }, task);
}

const outline = (task: Task) => [task.state, task.attempts.map(({ charged }) => (charged ? 'charged' : 'free')).join(' ')];

describe('after an attempt', () => {
  test('handed in, everything that is known of it is kept', () => {
    const { task, events } = decided(
      limited(3),
      ...running,
      exited(),
      reconciled({}, { turns: 2, usage: { uncachedInputTokens: 7, provenance: 'reported', lowerBound: false } }),
    );
    expect(task).toMatchObject({
      state: 'in_review',
      attempts: [{ charged: true, account: { turns: 2 }, evidence: { result: 'completed' }, tree: { commit: 'c1' } }],
    });
    expect(task.attempts[0]).not.toHaveProperty('failure');
    expect(events[0]?.body).toStrictEqual({ kind: 'frozen', attempt: 1, commit: 'c1', ref: 'refs/singletree/task/1', filesChanged: 1 });
  });

  test('the frozen event counts the files that are not listed too', () => {
    const { events } = decided(limited(3), ...running, exited(), reconciled({ tree: aTree({ filesOmitted: 41 }) }));
    expect(events[0]?.body).toMatchObject({ kind: 'frozen', filesChanged: 42 });
  });

  test.each<[number, FailureReason[], string, string]>([
    [3, ['harness_failed'], 'created', 'charged'],
    [3, ['harness_failed', 'harness_crashed'], 'created', 'charged charged'],
    [3, ['harness_failed', 'harness_crashed', 'harness_failed'], 'failed', 'charged charged charged'],
    [1, ['harness_failed'], 'failed', 'charged'],
    [1, ['lost'], 'created', 'free'],
    [1, ['lost', 'lost', 'harness_failed'], 'failed', 'free free charged'],
    [2, ['lost', 'harness_failed', 'lost'], 'created', 'free charged free'],
    [3, ['lost', 'lost', 'lost', 'lost', 'lost'], 'created', 'free free free free free'],
    [3, ['lost', 'lost', 'lost', 'lost', 'lost', 'lost'], 'failed', 'free free free free free free'],
    [3, ['permission_denied'], 'failed', 'charged'],
    [3, ['harness_failed', 'unauthenticated'], 'failed', 'charged charged'],
  ])('of at most %i: %s is %s', (maxAttempts, reasons, state, charges) => {
    const task = attempts(limited(maxAttempts), reasons);
    expect(outline(task)).toEqual([state, charges]);
    expect(task.attempts.map(({ failure }) => failure?.reason)).toEqual(reasons);
    if (state === 'failed') expect(task.failure?.reason).toBe(reasons.at(-1));
  });

  test.each<[FailureReason[], number]>([
    [['lost'], 0],
    [['harness_crashed'], 1_000],
    [['harness_crashed', 'harness_crashed'], 2_000],
    [['harness_crashed', 'harness_failed'], 1_000],
    [['harness_crashed', 'lost', 'harness_crashed'], 2_000],
    [['rate_limited', 'rate_limited', 'rate_limited'], 20_000],
    [['context_exhausted'], 0],
  ])('%s: the wait is %i ms, longer only for the same reason', (reasons, waitMs) => {
    const task = attempts(limited(20), reasons);
    expect(task).toMatchObject({ state: 'created', notBefore: task.updatedAt + waitMs });
    expect(task).not.toHaveProperty('lease');
  });
});

describe('after the gates', () => {
  const inReview = after(created({ gates: [...gates, aGate('types', { required: false })] }), ...running, exited(), reconciled());
  const verdicts = (...each: [string, string][]) =>
    each.map(
      ([verdict, message]) =>
        (task: Task) =>
          gate(task, verdict as 'failed', message === '' ? {} : { message }),
    );

  test.each<[[string, string][], string, string | undefined]>([
    [
      [
        ['passed', ''],
        ['passed', ''],
        ['passed', ''],
      ],
      'completed',
      undefined,
    ],
    [
      [
        ['passed', ''],
        ['passed', ''],
        ['failed', 'x'],
      ],
      'completed',
      undefined,
    ],
    [
      [
        ['passed', ''],
        ['passed', ''],
        ['errored', 'x'],
      ],
      'completed',
      undefined,
    ],
    [
      [
        ['failed', '12.5 is not 12.50'],
        ['passed', ''],
        ['passed', ''],
      ],
      'created',
      'gate test failed: 12.5 is not 12.50',
    ],
    [
      [
        ['failed', 'one'],
        ['failed', 'two'],
        ['failed', 'x'],
      ],
      'created',
      'gate test, lint failed: one',
    ],
    [
      [
        ['failed', ''],
        ['passed', ''],
        ['passed', ''],
      ],
      'created',
      'gate test failed',
    ],
    [
      [
        ['errored', 'exit 127'],
        ['failed', 'two'],
        ['passed', ''],
      ],
      'failed',
      'gate test could not run; exit 127',
    ],
    [
      [
        ['failed', 'one'],
        ['errored', ''],
        ['passed', ''],
      ],
      'failed',
      'gate lint could not run',
    ],
  ])('%j: %s', (each, state, message) => {
    const task = after(inReview, ...verdicts(...each), judged);
    expect([task.state, task.attempts[0]?.failure?.message]).toEqual([state, message]);
    expect(task.attempts[0]?.charged).toBe(true);
  });

  test('an errored gate says what would help', () => {
    const hint = (task: Task) => gate(task, 'errored', { message: 'not found', hint: "add --setup 'npm ci'" });
    expect(after(inReview, hint, passed, passed, judged).failure).toStrictEqual({
      reason: 'gate_could_not_run',
      message: "gate test could not run; not found; add --setup 'npm ci'",
    });
  });

  test('rework waits for nothing, is charged, and ends with max_attempts', () => {
    const rework = after(limited(2, { gates }), ...running, exited(), reconciled(), failed, passed, judged);
    expect(rework).toMatchObject({
      state: 'created',
      notBefore: rework.updatedAt,
      attempts: [{ charged: true, failure: { reason: 'gate_failed' } }],
    });
    const red = after(rework, ...runningAgain(2), exited('harness-2'), reconciled(), failed, passed, judged);
    expect(red).toMatchObject({ state: 'failed', failure: { reason: 'gate_failed', message: 'gate test failed' } });
  });

  test('a lost attempt that went to the gates all the same is charged when they send it back', () => {
    const task = after(limited(3, { gates }), ...running, died(), reconciled(), failed, passed, judged);
    expect(task).toMatchObject({ state: 'created', attempts: [{ state: 'lost', charged: true }] });
  });

  test('without gates there is nothing to say against it', () => {
    expect(after(created(), ...running, exited(), reconciled(), judged)).toMatchObject({ state: 'completed' });
  });
});
