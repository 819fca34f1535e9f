import type { Capabilities, HarnessEventBody, Reconciliation, TokenUsage } from '@singletree/harness';
import { createUsageFold } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import type { Plugin } from '../plugins/catalogue.ts';
import { noPrices, type Prices } from '../pricing/prices.ts';
import type { Attempt, Limits } from '../task/task.ts';
import { Meter } from './meter.ts';

const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: true,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all'],
};
const attempt: Attempt = {
  number: 1,
  state: 'started',
  harness: 'h',
  preparedAt: 0,
  requestedModel: 'm',
  recorded: { stdout: 0, stderr: 0 },
  session: { id: 's', resumed: false },
};
/** A dollar a thousand tokens of output, for the models m and n. */
const prices: Prices = {
  price: ({ model, usage }) =>
    model === 'm' || model === 'n'
      ? { usd: (usage.outputTokens ?? 0) / 1_000, source: 'priced', version: '1' }
      : { unknown: `no price is known for ${model}` },
};

interface Told {
  readonly events: readonly HarnessEventBody[];
  readonly files?: Reconciliation | undefined;
  readonly list?: Prices;
  readonly windowTokens?: number;
  readonly limits?: Partial<Limits>;
}

function meterOf({ events, files, list = prices, windowTokens, limits = { maxCostUsdMicros: 1 } }: Told): Meter {
  const harness = { capabilities, contextWindow: () => windowTokens, ...(files && { reconcile: () => files }) };
  const fold = createUsageFold(capabilities);
  const meter = new Meter(
    attempt,
    { harness, settings: {} } as unknown as Plugin,
    fold,
    { prices: list, now: () => 0 },
    { timeoutMs: 1, maxOutputBytes: 1, maxAttempts: 1, ...limits },
  );
  for (const event of events) {
    meter.add({ ...event, source: 'stdout', endsAt: 1 });
    fold.add(event);
  }
  if (files) meter.read([]);
  return meter;
}

const call = (callId: string, usage: TokenUsage, more: object = {}): HarnessEventBody => ({
  kind: 'model.call',
  callId,
  thread: 'main',
  model: 'm',
  usage,
  ...more,
});
const sub = { thread: { subagent: 's' } };

describe('tokens', () => {
  test('are all kinds of all calls, of sub-agents too, each call as it was told last', () => {
    const input = { uncachedInputTokens: 1, cacheReadInputTokens: 2, cacheWriteInputTokens: 4, cacheWrite1hInputTokens: 4 };
    const events = [
      call('1', { ...input, outputTokens: 8, reasoningOutputTokens: 16 }),
      call('2', {}, { provisional: true }),
      call('2', { outputTokens: 32 }),
      call('3', { outputTokens: 64 }, sub),
    ];
    expect(meterOf({ events }).spent.tokens).toBe(127);
  });

  test('are the total where the harness states one, and what came after it', () => {
    const total: HarnessEventBody = { kind: 'usage.total', byModel: [{ model: 'm', usage: { outputTokens: 100 } }] };
    expect(meterOf({ events: [call('1', { outputTokens: 5 }), total, call('2', { outputTokens: 3 })] }).spent.tokens).toBe(103);
  });

  test('are those of the files where they are more, and never both', () => {
    const files = (outputTokens: number): Reconciliation => ({
      usage: [{ model: 'm', usage: { outputTokens } }],
      provenance: 'recovered',
      lowerBound: true,
    });
    const events = [call('1', { outputTokens: 50 })];
    expect(meterOf({ events, files: files(70) }).spent.tokens).toBe(70);
    expect(meterOf({ events, files: files(30) }).spent.tokens).toBe(50);
  });

  test('of a compaction that is told only in the next total stand for it until then', () => {
    const compaction: HarnessEventBody = { kind: 'compaction', tokensBefore: 900, tokensAfter: 90 };
    const started: HarnessEventBody = { kind: 'session.started', sessionId: 's', model: 'm' };
    const untold: HarnessEventBody = { kind: 'usage.incomplete', reason: 'a compaction' };
    const total: HarnessEventBody = { kind: 'usage.total', byModel: [{ model: 'm', usage: { outputTokens: 500 } }] };
    const { tokens, costUsdMicros } = meterOf({ events: [started, call('1', { outputTokens: 5 }), untold, compaction] }).spent;
    expect([tokens, costUsdMicros]).toEqual([995, 95_000]);
    expect(meterOf({ events: [call('1', { outputTokens: 5 }), untold, compaction, total] }).spent.tokens).toBe(500);
    // Told as a call of its own it needs nobody to stand for it.
    expect(meterOf({ events: [call('1', { outputTokens: 5 }), compaction] }).spent.tokens).toBe(5);
  });
});

describe('cost', () => {
  test('is asked of nobody where it is not limited', () => {
    expect(meterOf({ events: [call('1', { outputTokens: 1 }, { model: 'x' })], limits: { maxTokens: 1 } }).spent).toEqual({
      tokens: 1,
      costUsdMicros: 0,
    });
  });

  test("is the harness's own figure for a call, else the price list's", () => {
    const events = [call('1', { outputTokens: 1_000 }, { costUsdMicros: 7, model: 'unheard of' }), call('2', { outputTokens: 500 })];
    expect(meterOf({ events }).spent).toMatchObject({ costUsdMicros: 500_007 });
    expect(meterOf({ events }).spent).not.toHaveProperty('unpriced');
  });

  test('that nobody knows is said, with the reason, as soon as tokens are told', () => {
    expect(meterOf({ events: [call('1', {}, { model: 'x', provisional: true })] }).spent).not.toHaveProperty('unpriced');
    expect(meterOf({ events: [call('1', { outputTokens: 1 }, { model: 'x' })] }).spent).toMatchObject({
      unpriced: 'no price is known for x',
    });
    expect(meterOf({ events: [call('1', { outputTokens: 1 })], list: noPrices }).spent.unpriced).toBe('no prices are known');
  });

  test("of a total is the harness's, whatever the calls before it are", () => {
    const total: HarnessEventBody = { kind: 'usage.total', byModel: [{ model: 'x', usage: { outputTokens: 9 }, costUsdMicros: 40 }] };
    expect(meterOf({ events: [call('1', { outputTokens: 9 }, { model: 'x' }), total] }).spent).toEqual({ tokens: 9, costUsdMicros: 40 });
  });
});

test('a call began with what was used before it, whether or not its own figures come with it', () => {
  const events = [
    call('1', { outputTokens: 5 }),
    call('2', {}, { provisional: true }),
    call('2', { outputTokens: 7 }),
    call('3', { outputTokens: 9 }),
  ];
  expect(meterOf({ events }).begunAt.map(({ tokens }) => tokens)).toEqual([0, 5, 12]);
});

test('a context is as full as the newest call of the main thread, where its window is known', () => {
  const events = [call('1', { uncachedInputTokens: 40 }), call('2', { uncachedInputTokens: 99 }, sub)];
  expect(meterOf({ events, windowTokens: 100 }).spent.contextUtilization).toBe(0.4);
  expect(meterOf({ events }).spent).not.toHaveProperty('contextUtilization');
  const files: Reconciliation = { usage: [], provenance: 'recovered', lowerBound: true, context: { windowTokens: 80 } };
  expect(meterOf({ events, files }).spent.contextUtilization).toBe(0.5);
  expect(meterOf({ events, limits: { maxContextUtilization: 0.5 } }).isUntold).toBe(true);
  expect(meterOf({ events, limits: { maxContextUtilization: 0.5 }, windowTokens: 100 }).isUntold).toBe(false);
});

test.each<[string, boolean, HarnessEventBody[]]>([
  ['the newest call of the main thread, which it tells itself', false, [call('1', {}, { provisional: true })]],
  ['one that was left behind', true, [call('1', {}, { provisional: true }), call('2', {}, { provisional: true })]],
  ['one that a total has counted', false, [call('1', {}, { provisional: true }), { kind: 'usage.total', byModel: [] }]],
  ['a call of a sub-agent', true, [call('1', {}), call('2', {}, { ...sub, provisional: true })]],
  ['a sub-agent at work', true, [call('1', {}), { kind: 'subagent.started', subagent: 's' }]],
  ['what no event counts', true, [{ kind: 'usage.incomplete', reason: 'r' }]],
])('the files are asked for what is told too late, %s: %s', (_, expected, events) => {
  expect(meterOf({ events }).isUntold).toBe(expected);
});
