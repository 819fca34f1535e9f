import { describe, expect, test } from 'vitest';
import { aSpec, created } from '../../task/samples.testsuite.ts';
import type { AttemptAccount, Limits, Task } from '../../task/task.ts';
import type { Consumed, Consumption } from './consumption.ts';
import { daemonLimits, isMetered, needsDaemon, usedUp } from './daemon-limits.ts';

const { limits } = aSpec();
const none: Consumed = { tokens: 0, costUsdMicros: 0 };

/** A task whose earlier attempts have these accounts, and whose newest one runs. */
function withLimits(set: Partial<Limits>, ...before: (AttemptAccount | undefined)[]): Task {
  const attempts = [...before, undefined].map((account, index) => ({
    number: index + 1,
    state: 'ended' as const,
    harness: 'h',
    preparedAt: 0,
    recorded: { stdout: 0, stderr: 0 },
    ...(account && { account }),
  }));
  return { ...created({ limits: { ...limits, ...set } }), attempts };
}

const used = (tokens: number): AttemptAccount => ({
  usage: {
    uncachedInputTokens: tokens - 2,
    cacheWrite1hInputTokens: 99,
    outputTokens: 1,
    reasoningOutputTokens: 1,
    provenance: 'reported',
    lowerBound: false,
  },
});

function found(task: Task, spent: Partial<Consumed>, more: Partial<Consumption> = {}): string[] {
  const consumption = { spent: { ...none, ...spent }, begunAt: [], goesOn: false, ...more };
  return daemonLimits(task, 'untold', consumption).map(({ about, stop }) => stop ?? about);
}

function words(task: Task, spent: Partial<Consumed>, more: Partial<Consumption> = {}): string | undefined {
  const consumption = { spent: { ...none, ...spent }, begunAt: [], goesOn: true, ...more };
  return daemonLimits(task, 'untold', consumption).find(({ stop }) => stop)?.message;
}

describe.each<[string, Partial<Limits>, (amount: number) => Partial<Consumed>, (amount: number) => AttemptAccount]>([
  ['token', { maxTokens: 1_000 }, (tokens) => ({ tokens }), used],
  ['cost', { maxCostUsdMicros: 1_000 }, (costUsdMicros) => ({ costUsdMicros }), (costUsdMicros) => ({ costUsdMicros })],
])('a limit on %s', (name, set, spent, account) => {
  const [warning, stop] = [name === 'token' ? 'tokens' : 'cost', `${name}_limit`];
  const task = withLimits(set);

  test('warns at 80 %, and stops where it is reached and another call is sure to follow or has begun', () => {
    expect(found(task, spent(799), { goesOn: true })).toEqual([]);
    expect(found(task, spent(800), { goesOn: true })).toEqual([warning]);
    expect(found(task, spent(999), { goesOn: true })).toEqual([warning]);
    expect(found(task, spent(1_000), { goesOn: true })).toEqual([warning, stop]);
    expect(found(task, spent(1_001), { begunAt: [none, { ...none, ...spent(1_000) }] })).toEqual([warning, stop]);
  });

  test('never ends what ends with the call that reached it', () => {
    expect(found(task, spent(5_000), { begunAt: [none, { ...none, ...spent(999) }] })).toEqual([warning]);
  });

  test('counts the attempts before, as far as they are known, and that which runs only once', () => {
    const second = withLimits(set, account(700), undefined);
    expect(found(second, spent(299), { goesOn: true })).toEqual([warning]);
    expect(found(second, spent(300), { goesOn: true })).toEqual([warning, stop]);
    expect(found(second, spent(400), { begunAt: [none, { ...none, ...spent(300) }] })).toEqual([warning, stop]);
    const [only] = withLimits(set, account(900)).attempts;
    expect(found({ ...task, attempts: only ? [only] : [] }, spent(0), { goesOn: true })).toEqual([]);
  });

  test('that is used up lets no further attempt begin', () => {
    const over = withLimits(set, account(1_000));
    expect(usedUp({ ...over, attempts: over.attempts.slice(0, 1) })).toMatchObject({ stop });
    const left = withLimits(set, account(999));
    expect(usedUp({ ...left, attempts: left.attempts.slice(0, 1) })).toBeUndefined();
  });

  test('needs a daemon, and a harness that tells', () => {
    expect(isMetered(task)).toBe(true);
    expect(needsDaemon(task, { usage: 'none' } as never)).toBe(true);
    expect(isMetered(withLimits({ maxTurns: 3 }))).toBe(false);
  });
});

test('it is told with the figures', () => {
  const reached = { ...none, tokens: 1_000 };
  const task = withLimits({ maxTokens: 1_000 }, used(200));
  expect(words(task, { tokens: 800 })).toBe(
    'the 1000 tokens of the task are used up: 1000 tokens by now, no model call is known to have begun after that',
  );
  expect(words(task, { tokens: 900 }, { begunAt: [reached] })).toMatch(/: 1100 tokens by now, 1 model call was begun after that$/);
  expect(words(task, { tokens: 900 }, { begunAt: [reached, reached] })).toMatch(/, 2 model calls were begun after that$/);
  expect(words(withLimits({ maxCostUsdMicros: 2_500_000 }), { costUsdMicros: 2_613_450 })).toBe(
    'the $2.50 of the task are used up: $2.613450 by now, no model call is known to have begun after that',
  );
  expect(usedUp({ ...task, attempts: task.attempts.slice(0, 1).map((each) => ({ ...each, account: used(1_100) })) })?.message).toBe(
    'the 1000 tokens of the task are used up: 1100 tokens by now',
  );
});

test('what has no price stops a task whose cost is limited, as soon as it would go on, and no other', () => {
  const unpriced = { tokens: 5, unpriced: 'no price is known for "m"' };
  const task = withLimits({ maxCostUsdMicros: 2_500_000 });
  expect(found(task, unpriced)).toEqual([]);
  expect(words(task, unpriced)).toBe('the task may cost $2.50, and what it costs is not known: no price is known for "m"');
  expect(words(withLimits({ maxTokens: 10 }), unpriced)).toBeUndefined();
});

test('a context that is fuller than the task allows ends its attempt where it would go on', () => {
  const task = withLimits({ maxContextUtilization: 0.5 });
  expect(found(task, { contextUtilization: 0.39 }, { goesOn: true })).toEqual([]);
  expect(found(task, { contextUtilization: 0.4 }, { goesOn: true })).toEqual(['context']);
  expect(found(task, { contextUtilization: 0.5 }, { goesOn: true })).toEqual(['context', 'context_limit']);
  expect(found(task, { contextUtilization: 0.9 })).toEqual(['context']);
  expect(found(task, {}, { goesOn: true })).toEqual([]);
  expect(found(task, {}, { goesOn: true, begunAt: [none, none, none] }), 'a window that nobody tells').toEqual(['context_untold']);
  expect(words(task, { contextUtilization: 0.512 })).toBe('the context is 51.2 % full, and the task allows 50 %');
});
