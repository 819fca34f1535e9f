import type { AttemptUsage } from '@singletree/harness';
import { expect, test } from 'vitest';
import { noPrices } from '../pricing/prices.ts';
import type { Attempt, AttemptAccount } from '../task/task.ts';
import { accountOf } from './account.ts';
import { costOf } from './costs.ts';
import { ledgerOf } from './ledger.ts';

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

/** Of an attempt of which no call is told. */
function account(changes: Partial<AttemptUsage>): AttemptAccount {
  const usage = usageOf(changes);
  const entries = ledgerOf({ attempt: 1, events: [], usage, timeOf: () => undefined });
  return accountOf(usage, costOf(1, entries, usage, noPrices, undefined), undefined, attempt);
}

test('at least nothing is no figure: a call may have been under way that nobody counted', () => {
  expect(account({ lowerBound: true, turns: 0, costUsdMicros: 0 })).toEqual({ context: {} });
});

test('nothing, if that is all there was, is a figure', () => {
  expect(account({ turns: 0, costUsdMicros: 0 })).toEqual({
    usage: { ...nothing, provenance: 'reported', lowerBound: false },
    turns: 0,
    usageByModel: [],
    costUsdMicros: 0,
    context: {},
  });
});

test('at least something is a lower bound, with the kinds that are 0', () => {
  const total = { ...nothing, outputTokens: 5 };
  expect(account({ lowerBound: true, total, turns: 1 })).toMatchObject({
    usage: { ...total, provenance: 'reported', lowerBound: true },
    turns: 1,
  });
});

test('a sum that is no count any more is unknown, and makes the rest a lower bound', () => {
  const total = { uncachedInputTokens: 2 ** 60, outputTokens: 5 };
  expect(account({ total }).usage).toEqual({ outputTokens: 5, provenance: 'reported', lowerBound: true });
});
