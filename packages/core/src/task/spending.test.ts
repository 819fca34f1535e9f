import { describe, expect, test } from 'vitest';
import { created } from './samples.testsuite.ts';
import { spendingOf, type Spending } from './spending.ts';
import type { Attempt, AttemptAccount, LiveProgress, Task } from './task.ts';

const full: AttemptAccount = {
  usage: {
    uncachedInputTokens: 1,
    cacheWriteInputTokens: 20,
    cacheWrite1hInputTokens: 15,
    outputTokens: 300,
    provenance: 'reported',
    lowerBound: false,
  },
  turns: 2,
  costUsdMicros: 7,
  costSource: 'harness',
};
const live: LiveProgress = { turns: 5, tokens: 4_000, costUsdMicros: 10 };

function attempt(number: number, set: Partial<Attempt>): Attempt {
  return { number, state: 'ended', harness: 'h', preparedAt: 0, startedAt: 1, recorded: { stdout: 0, stderr: 0 }, ...set };
}

function after(attempts: readonly Partial<Attempt>[], set: Partial<Task> = {}): Spending {
  return spendingOf({ ...created(), state: 'in_progress', attempts: attempts.map((each, index) => attempt(index + 1, each)), ...set });
}

test('of a task that has not begun nothing is known', () => {
  expect(after([])).toEqual({});
  const { startedAt: _, ...prepared } = attempt(1, { live });
  expect(spendingOf({ ...created(), attempts: [prepared] })).toEqual({});
});

test('an attempt that is accounted for counts once, and all of it', () => {
  expect(after([{ account: full }])).toEqual({
    usage: full.usage,
    actualInputTokens: 21,
    actualOutputTokens: 300,
    tokensPerTask: 321,
    actualCostUsdMicros: 7,
    costSource: 'harness',
    costLowerBound: false,
    turnsPerTask: 2,
    turnsLowerBound: false,
  });
  // What was shown of it while it ran has become its account.
  expect(after([{ account: full, live }]).tokensPerTask).toBe(321);
});

test('one that runs counts by what is shown of it, and makes every sum a lower bound', () => {
  expect(after([{ account: full }, { live }])).toMatchObject({
    usage: { ...full.usage, lowerBound: true },
    tokensPerTask: 4_321,
    actualCostUsdMicros: 17,
    costLowerBound: true,
    turnsPerTask: 7,
    turnsLowerBound: true,
  });
  expect(after([{ live }])).toEqual({
    tokensPerTask: 4_000,
    actualCostUsdMicros: 10,
    costLowerBound: true,
    turnsPerTask: 5,
    turnsLowerBound: true,
  });
});

test('what was only shown of an attempt that was never accounted for is in no final figure', () => {
  expect(after([{ account: full }, { live }], { state: 'failed' })).toMatchObject({
    tokensPerTask: 321,
    costLowerBound: true,
    turnsPerTask: 2,
    turnsLowerBound: true,
  });
});

describe('cost', () => {
  const free: AttemptAccount = { ...full, costUsdMicros: 0, costSource: 'declared_free', priceVersion: 'v1' };
  const priced: AttemptAccount = { ...full, costUsdMicros: 5, costSource: 'priced', priceVersion: 'v2' };

  test.each<[string, AttemptAccount[], Partial<Spending>]>([
    ['from one source', [free, free], { actualCostUsdMicros: 0, costSource: 'declared_free', costLowerBound: false, priceVersion: 'v1' }],
    ['from several', [full, priced], { actualCostUsdMicros: 12, costSource: 'mixed', priceVersion: 'v2' }],
    ['from several in one attempt', [{ ...full, costSource: 'mixed' }], { costSource: 'mixed' }],
    ['of nothing, beside another', [{ costUsdMicros: 0 }, priced], { actualCostUsdMicros: 5, costSource: 'priced', costLowerBound: false }],
    ['of which a part is unknown', [{ ...full, costLowerBound: true }], { actualCostUsdMicros: 7, costLowerBound: true }],
  ])('%s', (_, accounts, expected) => {
    expect(after(accounts.map((account) => ({ account })))).toMatchObject(expected);
  });
});

test('a cost that is unknown is absent, with all that is said of it', () => {
  expect(after([{ account: { turns: 1 } }])).toEqual({ turnsPerTask: 1, turnsLowerBound: false });
});

test('tokens of which one side is unknown are no sum', () => {
  const { outputTokens: _, ...usage } = full.usage!;
  expect(after([{ account: { ...full, usage } }])).toMatchObject({ actualInputTokens: 21 });
  expect(after([{ account: { ...full, usage } }])).not.toHaveProperty('tokensPerTask');
});
