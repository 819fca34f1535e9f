import { describe, expect, test } from 'vitest';
import { isRefusal } from './change.ts';
import { blockedLeftMs, blockedStep, failsAt } from './blocked.ts';
import { decide } from './decide.ts';
import { after, claim, created } from './samples.testsuite.ts';
import type { Blocked, Task } from './task.ts';

const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000, maxAttempts: 3, blockedLimitMs: 10_000 };
const blockedBy = (set: Partial<Blocked> = {}, task: Task = created({ limits })): Task =>
  after(task, claim, { kind: 'block', reason: 'quota_exhausted', message: 'none left', ...set });
const since = blockedBy().since;
const limitless = created({ limits: { timeoutMs: 60_000, maxOutputBytes: 1_000, maxAttempts: 3 } });

describe('what is due for a blocked task', () => {
  const reset = blockedBy({ until: since + 5_000 });
  const login = blockedBy({ probe: true });
  const refused = blockedBy({ probe: true, until: since + 5_000 });

  test.each([
    ['nothing, until its time has come', reset, since + 4_999, 5_001, { kind: 'wait', ms: 1 }],
    ['to go on, once it has', reset, since + 5_000, 5_000, { kind: 'unblock' }],
    ['to go on, though it waited too long: what held it up is gone', reset, since + 50_000, 0, { kind: 'unblock' }],
    ['to go on, where the clock was set back: nobody knows what is left', reset, since - 1, 9_999, { kind: 'unblock' }],
    ['nothing, until its limit comes first', reset, since + 1, 3, { kind: 'wait', ms: 3 }],
    ['its end, with its limit', reset, since + 1, 0, { kind: 'expire' }],
    ['nothing, for its time only where there is no limit', reset, since + 1, undefined, { kind: 'wait', ms: 4_999 }],
    ['to ask for the harness at once', login, since, 10_000, { kind: 'probe', last: false }],
    ['to ask for the harness at its time', refused, since + 5_000, 5_000, { kind: 'probe', last: false }],
    ['nothing, before that', refused, since + 4_000, 6_000, { kind: 'wait', ms: 1_000 }],
    ['to ask a last time', login, since + 10_000, 0, { kind: 'probe', last: true }],
    ['its end, before its time to ask', refused, since + 1, 0, { kind: 'expire' }],
    ['nothing, until its end, where nothing else is known', blockedBy(), since + 1, 9_999, { kind: 'wait', ms: 9_999 }],
    ['nothing at all: only a person can help', blockedBy({}, limitless), since + 1e9, undefined, { kind: 'wait' }],
  ] as const)('%s', (_, task, now, leftMs, step) => expect(blockedStep(task, now, leftMs)).toStrictEqual(step));

  test('nothing for one that is not blocked', () => expect(blockedStep(created(), since, undefined)).toEqual({ kind: 'wait' }));
});

describe('the time that a task may be blocked', () => {
  test('counts over all times', () => {
    const twice = blockedBy({}, after(blockedBy(), { kind: 'unblock' }));
    expect(twice.phases.blockedMs).toBe(1_000);
    expect(failsAt(twice)).toBe(twice.since + 9_000);
    expect(blockedLeftMs(twice, twice.since + 4_000)).toBe(5_000);
  });

  test('is never less than nothing, nor more than there is', () => {
    expect(blockedLeftMs(blockedBy(), since + 1e9)).toBe(0);
    expect(blockedLeftMs(blockedBy(), since - 1e9)).toBe(10_000);
  });

  test('has no end where there is no limit', () => {
    expect(failsAt(blockedBy({}, limitless))).toBeUndefined();
    expect(blockedLeftMs(blockedBy({}, limitless), since + 1e9)).toBeUndefined();
  });
});

test('a task that was blocked for too long fails with what blocked it', () => {
  expect(after(blockedBy(), { kind: 'expire', since })).toMatchObject({
    state: 'failed',
    failure: { reason: 'quota_exhausted', message: 'none left' },
  });
});

test('one that has gone on meanwhile, and is blocked again, has its time before it', () => {
  const again = blockedBy({}, after(blockedBy(), { kind: 'unblock' }));
  const refused = decide(again, { kind: 'expire', since }, again.since + 1);
  expect(isRefusal(refused) && refused.refused).toBe('stale');
});
