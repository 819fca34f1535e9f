import { describe, expect, test } from 'vitest';
import type { Decision } from './change.ts';
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
  stop,
} from './samples.testsuite.ts';
import type { FailureReason } from './reasons.ts';
import type { RetryOverride } from './retry.ts';
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

  test('its whole ledger takes the place of what was told while it ran, and what was corrected is told', () => {
    const calls = [{ attempt: 2, callId: 'a', provenance: 'recovered' as const }];
    const correction = { corrected: { outputTokens: 3, provenance: 'recovered' as const, lowerBound: false }, callsTold: 0, callsFound: 1 };
    const again = after(limited(3), ...running, exited(), silent(), ...runningAgain(2), exited('harness-2'));
    const { events, ledger } = decided(again, reconciled({ calls, correction }));
    expect(ledger).toEqual({ attempt: 2, entries: calls, whole: true });
    expect(events[0]?.body).toEqual({ kind: 'usage_corrected', attempt: 2, ...correction });
    expect(decided(again, reconciled())).not.toHaveProperty('ledger');
    expect(decided(again, silent({}, { calls: [] })).ledger).toEqual({ attempt: 2, entries: [], whole: true });
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
    [3, ['harness_failed', 'unauthenticated'], 'blocked', 'charged free'],
    [1, ['quota_exhausted'], 'blocked', 'free'],
    [1, ['out_of_memory'], 'failed', 'charged'],
    [20, ['out_of_memory', 'out_of_memory'], 'failed', 'charged charged'],
    [20, ['harness_never_ended', 'harness_never_ended', 'harness_never_ended'], 'failed', 'charged charged charged'],
    [3, ['unsupervised', 'disk_full', 'rate_limited'], 'created', 'free free free'],
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
    [['rate_limited', 'rate_limited', 'rate_limited'], 240_000],
    [['context_exhausted'], 0],
  ])('%s: the wait is %i ms or up to a fifth less, longer only for the same reason', (reasons, mostMs) => {
    const task = attempts(limited(20), reasons);
    expect(task.state).toBe('created');
    expect(task).not.toHaveProperty('lease');
    const waitMs = task.notBefore! - task.updatedAt;
    expect(waitMs).toBeLessThanOrEqual(mostMs);
    expect(waitMs).toBeGreaterThanOrEqual(mostMs * 0.8);
  });

  const minute = { initialMs: 60_000, capMs: 60_000, jitter: 0 };
  const ended = (reason: FailureReason, resetsInMs: number | undefined): Decision => {
    const before = after(limited(3, { retry: { [reason]: minute } }), ...running, exited());
    const resetsAt = resetsInMs === undefined ? {} : { resetsAt: before.updatedAt + 1_000 + resetsInMs };
    return decided(before, silent({ turns: 7 }, { evidence: { result: 'failed', reason, message: 'later', ...resetsAt } }));
  };

  test.each<[FailureReason, number | undefined, string, number]>([
    ['rate_limited', undefined, 'created', 60_000],
    ['rate_limited', -5_000, 'created', 60_000],
    ['rate_limited', 59_000, 'created', 60_000],
    ['rate_limited', 60_000, 'created', 60_000],
    // Longer than the table ever waits: seen from outside, and ended by blocked_limit.
    ['rate_limited', 60_001, 'blocked', 60_001],
    ['quota_exhausted', undefined, 'blocked', 60_000],
    ['quota_exhausted', 9_000_000, 'blocked', 9_000_000],
    ['unauthenticated', undefined, 'blocked', 60_000],
  ])('%s with a reset in %s ms: %s for %i ms, and what was used is kept', (reason, resetsInMs, state, waitMs) => {
    const { task, events } = ended(reason, resetsInMs);
    expect(task).toMatchObject({ state, attempts: [{ account: { turns: 7 }, charged: false }] });
    const until = task.updatedAt + waitMs;
    if (state === 'created') expect(task.notBefore).toBe(until);
    const message = expect.stringMatching(/^later/) as string;
    const probe = reason === 'unauthenticated' ? { probe: true } : {};
    expect(task.blocked).toEqual(state === 'created' ? undefined : { reason, message, from: 'created', until, ...probe });
    expect(events.at(-1)?.body).toEqual({
      kind: 'state_changed',
      from: 'in_progress',
      to: state,
      edge: state === 'created' ? 'retry' : 'block',
      reason,
      message,
      ...(state === 'created' ? { notBefore: until } : {}),
    });
  });

  test.each<[string, FailureReason, RetryOverride, string, string]>([
    ['no retry', 'harness_crashed', { retry: false }, 'failed', 'charged'],
    ['no waiting for a quota', 'quota_exhausted', { retry: false }, 'failed', 'free'],
    ['a retry where there was none', 'permission_denied', { retry: true }, 'created', 'charged'],
    ['a charge where there was none', 'rate_limited', { charged: true }, 'created', 'charged'],
    ['none where there was one', 'harness_crashed', { charged: false }, 'created', 'free'],
    ['no retry at all, beside max_attempts', 'harness_crashed', { most: 0 }, 'failed', 'charged'],
  ])('a task may want %s', (_, reason, retry, state, charges) => {
    expect(outline(attempts(limited(3, { retry: { [reason]: retry } }), [reason]))).toEqual([state, charges]);
  });

  test('handed in although its end went wrong, it says so, and goes by the gates all the same', () => {
    const task = after(limited(3, { gates }), ...running, exited('harness-1', { code: 1 }), reconciled());
    const flaw = { reason: 'harness_crashed', message: 'claude_code exited with code 1 after its final result' };
    expect(task).toMatchObject({ state: 'in_review', attempts: [{ charged: true, failure: flaw }] });
    const { events } = decided(limited(3, { gates }), ...running, exited('harness-1', { code: 1 }), reconciled());
    expect(events.map(({ body }) => body)).toContainEqual({ kind: 'warning', message: flaw.message });
    expect(after(task, passed, passed, judged)).toMatchObject({ state: 'completed' });
    expect(after(task, failed, passed, judged)).toMatchObject({ state: 'created', attempts: [{ failure: { reason: 'gate_failed' } }] });
  });
});

describe('after an attempt that a limit ended while the task was being stopped', () => {
  const ended = (kind: 'cancel' | 'terminate' | 'kill', limit: 'attempt_timeout' | 'timeout') =>
    after(limited(3), ...running, stop(kind), exited('harness-1', { stop: limit }), silent());

  test.each([
    ['cancel', 'cancelled', 'cancelled'],
    ['terminate', 'cancelled', 'terminated'],
    ['kill', 'failed', 'killed'],
  ] as const)('there is no other one: %s ends the task', (kind, state, reason) => {
    const task = ended(kind, 'attempt_timeout');
    expect(task).toMatchObject({ state, failure: { reason, by: 'anna' }, attempts: [{ failure: { reason: 'attempt_timeout' } }] });
  });

  test('the limit is the cause where it ends the task itself', () => {
    expect(ended('kill', 'timeout')).toMatchObject({ state: 'failed', failure: { reason: 'timeout' } });
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
