import type { AttemptUsage } from '@singletree/harness';
import { expect, test } from 'vitest';
import type { Attempt } from '../task/task.ts';
import { accountOf } from './account.ts';

const attempt: Attempt = { number: 1, state: 'ended', harness: 'fake', preparedAt: 0, recorded: { stdout: 0, stderr: 0 } };
const nothing = { uncachedInputTokens: 0, cacheReadInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 0 };

function usageOf(changes: Partial<AttemptUsage>): AttemptUsage {
  return {
    total: nothing,
    byModel: [],
    provenance: 'reported',
    lowerBound: false,
    context: {},
    tools: {},
    apiRetries: 0,
    permissionDenials: 0,
    unknownEvents: 0,
    ...changes,
  };
}

test('at least nothing is no figure: a call may have been under way that nobody counted', () => {
  expect(accountOf(usageOf({ lowerBound: true, turns: 0, costUsdMicros: 0 }), undefined, attempt)).toEqual({ context: {} });
});

test('nothing, if that is all there was, is a figure', () => {
  expect(accountOf(usageOf({ turns: 0, costUsdMicros: 0 }), undefined, attempt)).toEqual({
    usage: { ...nothing, provenance: 'reported', lowerBound: false },
    turns: 0,
    costUsdMicros: 0,
    costSource: 'harness',
    context: {},
  });
});

test('at least something is a lower bound, with the kinds that are 0', () => {
  const total = { ...nothing, outputTokens: 5 };
  expect(accountOf(usageOf({ lowerBound: true, total, turns: 1 }), undefined, attempt)).toMatchObject({
    usage: { ...total, provenance: 'reported', lowerBound: true },
    turns: 1,
  });
});

test('a sum that is no count any more is unknown, and makes the rest a lower bound', () => {
  const total = { uncachedInputTokens: 2 ** 60, outputTokens: 5 };
  expect(accountOf(usageOf({ total }), undefined, attempt).usage).toEqual({ outputTokens: 5, provenance: 'reported', lowerBound: true });
});
