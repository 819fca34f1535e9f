import { createUsageFold, type Capabilities, type HarnessEvent, type HarnessEventBody, type Reconciliation } from '@singletree/harness';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noPrices, type Prices } from '../pricing/prices.ts';
import type { LedgerEntry } from '../task/ledger.ts';
import { tokenKinds, type TokenKinds } from '../task/usage.ts';
import { figuresOf } from './account.ts';
import { correctionOf } from './correction.ts';
import { costOf, pricedSoFar, type PricedLedger } from './costs.ts';
import { ledgerOf, toldCalls } from './ledger.ts';

const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: true,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all'],
};
/** A millionth of a dollar a token, and a bit for each call. */
const prices: Prices = {
  price({ model, usage }) {
    if (model === 'unknown') return { unknown: 'nobody knows it' };
    if (model === 'free') return { usd: 0, source: 'declared_free', version: 'v1' };
    return { usd: (tokensOf(usage) + 0.4) / 1e6, source: 'priced', version: 'v1' };
  },
};
const end: HarnessEventBody = { kind: 'ended', evidence: { result: 'completed' } };

function tokensOf(kinds: TokenKinds): number {
  return tokenKinds.reduce((sum, kind) => sum + (kind === 'cacheWrite1hInputTokens' ? 0 : (kinds[kind] ?? 0)), 0);
}

type CallBody = Extract<HarnessEventBody, { kind: 'model.call' }>;

function call(callId: string, usage: TokenKinds, set: Partial<CallBody> = {}): CallBody {
  return { kind: 'model.call', callId, thread: 'main', model: 'm', usage, ...set };
}

function total(model: string, usage: TokenKinds, costUsdMicros?: number): HarnessEventBody {
  return { kind: 'usage.total', byModel: [{ model, usage, ...(costUsdMicros === undefined ? {} : { costUsdMicros }) }] };
}

function recovered(usage: Reconciliation['usage'], calls?: Reconciliation['calls']): Reconciliation {
  return { usage, provenance: 'recovered', lowerBound: false, ...(calls ? { calls } : {}) };
}

interface Told extends PricedLedger {
  readonly usage: ReturnType<typeof figuresOf>['usage'];
  readonly correction: ReturnType<typeof correctionOf>;
}

function ledger(bodies: readonly HarnessEventBody[], reconciliation?: Reconciliation, list: Prices = noPrices): Told {
  const events = bodies.map((body, index): HarnessEvent => ({ ...body, source: 'stdout', endsAt: index + 1 }));
  const fold = createUsageFold(capabilities);
  for (const event of events) fold.add(event);
  const usage = fold.summary(reconciliation);
  const entries = ledgerOf({ attempt: 2, events, reconciliation, usage, timeOf: ({ endsAt }) => endsAt * 1000 });
  const told = costOf(2, entries, usage, list, 'p');
  return { ...told, usage: figuresOf(usage).usage, correction: correctionOf(fold.summary(), usage, events, entries) };
}

/** Without what stands in every entry of these tests. */
function outline(entries: readonly LedgerEntry[]): unknown[] {
  return entries.map(({ attempt: _, at: __, ...rest }) => rest);
}

describe('the entries of an attempt', () => {
  test('are its calls, each as it was told last, with the time of its line', () => {
    const events = [
      call('a', {}, { provisional: true }),
      call('b', { outputTokens: 1 }, { thread: { subagent: 's' } }),
      call('a', { outputTokens: 5 }),
    ];
    expect(ledger([...events, end]).entries).toEqual([
      { attempt: 2, callId: 'a', model: 'm', at: 3000, outputTokens: 5, provenance: 'reported' },
      { attempt: 2, callId: 'b', subagent: 's', model: 'm', at: 2000, outputTokens: 1, provenance: 'reported' },
    ]);
  });

  test('have what a total holds beyond them in one that is no call, for each model', () => {
    const entries = ledger([
      call('a', { uncachedInputTokens: 10 }, { provisional: true }),
      total('m', { uncachedInputTokens: 10, outputTokens: 5 }, 40),
      total('small', { uncachedInputTokens: 3 }, 2),
      end,
    ]).entries;
    expect(outline(entries)).toEqual([
      { callId: 'a', model: 'm', uncachedInputTokens: 10, provenance: 'reported' },
      { model: 'm', outputTokens: 5, provenance: 'reported', costUsdMicros: 40, costSource: 'harness' },
      { model: 'small', uncachedInputTokens: 3, provenance: 'reported', costUsdMicros: 2, costSource: 'harness' },
    ]);
  });

  test('have no rest where the total names the same tokens by another name of the model', () => {
    const entries = ledger([call('a', { outputTokens: 5 }, { model: 'm-2026' }), total('m', { outputTokens: 5 }), end]).entries;
    expect(outline(entries)).toEqual([{ callId: 'a', model: 'm-2026', outputTokens: 5, provenance: 'reported' }]);
  });

  test('do not have a kind of which calls claim more than the total: nobody knows which of them is wrong', () => {
    const entries = ledger([
      call('a', { uncachedInputTokens: 1, outputTokens: 5 }),
      call('b', { outputTokens: 5 }),
      total('m', { uncachedInputTokens: 4, outputTokens: 7 }),
      end,
    ]).entries;
    expect(outline(entries)).toEqual([
      { callId: 'a', model: 'm', uncachedInputTokens: 1, provenance: 'reported' },
      { callId: 'b', model: 'm', provenance: 'missing' },
      { model: 'm', uncachedInputTokens: 3, outputTokens: 7, provenance: 'reported' },
    ]);
  });

  test('of which nothing is told say so, and those of which something is missing', () => {
    expect(outline(ledger([call('a', {}, { provisional: true }), call('b', { outputTokens: 1 }, { provisional: true })]).entries)).toEqual([
      { callId: 'a', model: 'm', provenance: 'missing', provisional: true },
      { callId: 'b', model: 'm', outputTokens: 1, provenance: 'reported', provisional: true },
    ]);
  });

  test('say which long-lived writes are whose, and that nobody knows it where the writes are told elsewhere', () => {
    const written = { cacheWriteInputTokens: 9, cacheWrite1hInputTokens: 4 };
    expect(outline(ledger([call('a', written), total('m', { cacheWriteInputTokens: 9 }), end]).entries)).toMatchObject([written]);
    const untold = ledger([call('a', { cacheWriteInputTokens: 9 }), total('m', written), end]);
    expect(outline(untold.entries)).toEqual([{ callId: 'a', model: 'm', cacheWriteInputTokens: 9, provenance: 'reported' }]);
    expect(untold.usage).toMatchObject(written);
  });

  test('are those of the session files where these tell them, recovered unless the harness had told the same', () => {
    const events = [call('a', { outputTokens: 5 }), call('b', { outputTokens: 1 }, { provisional: true })];
    const calls: Reconciliation['calls'] = [
      { callId: 'a', thread: 'main', usage: { outputTokens: 5 } },
      { callId: 'b', thread: { subagent: 's' }, model: 'n', usage: { outputTokens: 2 }, at: 7.6, compaction: true, costUsdMicros: 8 },
      { callId: 'c', thread: 'main', usage: {} },
    ];
    const told = ledger(
      events,
      recovered(
        [
          { model: 'm', usage: { outputTokens: 5 } },
          { model: 'n', usage: { outputTokens: 3 } },
        ],
        calls,
      ),
    );
    expect(told.entries).toEqual([
      { attempt: 2, callId: 'a', model: 'm', at: 1000, outputTokens: 5, provenance: 'reported' },
      {
        attempt: 2,
        callId: 'b',
        subagent: 's',
        compaction: true,
        model: 'n',
        at: 8,
        outputTokens: 2,
        provenance: 'recovered',
        costUsdMicros: 8,
        costSource: 'harness',
      },
      { attempt: 2, callId: 'c', provenance: 'missing' },
      { attempt: 2, model: 'n', outputTokens: 1, provenance: 'recovered' },
    ]);
    expect(told.cost).toEqual({ costUsdMicros: 8, costSource: 'harness', costLowerBound: true });
  });

  test('while it runs are those that came last', () => {
    const events = [call('a', {}, { provisional: true }), call('a', { outputTokens: 5 }), call('b', {}, { compaction: true })];
    const told = events.map((body, index): HarnessEvent => ({ ...body, source: 'stdout', endsAt: index }));
    expect(toldCalls(1, told, 9)).toEqual([
      { attempt: 1, callId: 'a', model: 'm', at: 9, outputTokens: 5, provenance: 'reported' },
      { attempt: 1, callId: 'b', compaction: true, model: 'm', at: 9, provenance: 'missing' },
    ]);
  });
});

describe('the cost of an attempt', () => {
  const tokens = { outputTokens: 100 };

  test.each<[string, readonly HarnessEventBody[], PricedLedger['cost']]>([
    ['is the harness’s own', [call('a', tokens), total('m', tokens, 7)], { costUsdMicros: 7, costSource: 'harness' }],
    [
      'is the sum of its calls’ own',
      [call('a', tokens, { costUsdMicros: 3 }), call('b', tokens, { costUsdMicros: 4 })],
      { costUsdMicros: 7, costSource: 'harness' },
    ],
    [
      'is priced where the harness tells none',
      [call('a', tokens), call('b', tokens)],
      { costUsdMicros: 201, costSource: 'priced', priceVersion: 'v1' },
    ],
    [
      'is priced where the harness says 0 for tokens',
      [call('a', tokens), total('m', tokens, 0)],
      { costUsdMicros: 100, costSource: 'priced', priceVersion: 'v1' },
    ],
    [
      'is nothing where the user says that the model is free, and the harness 0',
      [call('a', tokens, { model: 'free', costUsdMicros: 0 })],
      { costUsdMicros: 0, costSource: 'declared_free', priceVersion: 'v1' },
    ],
    [
      'comes from several sources',
      [total('m', tokens, 7), total('n', tokens)],
      { costUsdMicros: 107, costSource: 'mixed', priceVersion: 'v1' },
    ],
    [
      'is a lower bound where a model has no price',
      [total('m', tokens, 7), total('unknown', tokens)],
      { costUsdMicros: 7, costSource: 'harness', costLowerBound: true },
    ],
    ['is unknown where no model has one', [call('a', tokens, { model: 'unknown' })], {}],
    ['is 0 where nothing was used', [total('m', {})], { costUsdMicros: 0 }],
  ])('%s', (_, events, cost) => {
    expect(ledger([...events, end], undefined, prices).cost).toEqual(cost);
  });

  test('is a lower bound where tokens are, and unknown where it were at least nothing', () => {
    expect(ledger([call('a', tokens, { provisional: true })], undefined, prices).cost).toMatchObject({
      costUsdMicros: 100,
      costLowerBound: true,
    });
    expect(ledger([call('a', {}, { provisional: true })], undefined, prices).cost).toEqual({});
    expect(ledger([call('a', { outputTokens: 0 }, { provisional: true })], undefined, prices).cost).toEqual({});
  });

  test('is nothing for a free model, however little is known of what it did', () => {
    const told = ledger([call('a', tokens, { model: 'free', provisional: true })], undefined, prices);
    expect(told.cost).toEqual({ costUsdMicros: 0, costSource: 'declared_free', priceVersion: 'v1' });
  });

  test.each<[string, number, readonly (number | undefined)[]]>([
    ['their prices, where these come to it', 101, [50, 51]],
    ['their prices, where these come to it but for a millionth', 102, [50, 52]],
    ['nothing of it, where they do not', 103, [undefined, undefined, 103]],
  ])('that the harness tells in sum gives the calls %s', (_, sum, costs) => {
    const half = { outputTokens: 50 };
    const told = ledger([call('a', half), call('b', half), total('m', tokens, sum), end], undefined, prices);
    expect(told.entries.map(({ costUsdMicros }) => costUsdMicros)).toEqual(costs);
    expect(told.cost).toEqual({ costUsdMicros: sum, costSource: 'harness' });
  });

  test('that a call claims beyond the total is no call’s', () => {
    const { entries } = ledger([call('a', tokens, { costUsdMicros: 9 }), total('m', tokens, 7), end], undefined, prices);
    expect(entries.map(({ costUsdMicros }) => costUsdMicros)).toEqual([undefined, 7]);
  });

  test('while it runs is priced call by call, of those that are told whole', () => {
    const events = [call('a', tokens), call('b', tokens, { provisional: true }), call('c', tokens, { costUsdMicros: 8 })];
    const told = toldCalls(
      1,
      events.map((body, index): HarnessEvent => ({ ...body, source: 'stdout', endsAt: index })),
      9,
    );
    expect(pricedSoFar(told, prices, 'p').map(({ costUsdMicros, costSource }) => [costUsdMicros, costSource])).toEqual([
      [100, 'priced'],
      [undefined, undefined],
      [8, 'harness'],
    ]);
  });

  test('that is told in sum only is priced as of the last call', () => {
    const asked: unknown[] = [];
    ledger([call('a', tokens), call('b', tokens), total('m', { outputTokens: 300 }), end], undefined, {
      price: ({ at, usage }) => (asked.push([at, usage.outputTokens]), { unknown: 'x' }),
    });
    expect(asked).toEqual([
      [1000, 100],
      [2000, 100],
      [2000, 100],
    ]);
  });

  test('of calls that name no model is that of the attempt’s own model, but not where a sub-agent made them', () => {
    const events: HarnessEventBody[] = [{ kind: 'session.started', sessionId: 's', model: 'm' }];
    const { model: _, ...unnamed } = call('a', tokens);
    const asked: (string | undefined)[] = [];
    ledger([...events, unnamed, { ...unnamed, callId: 'b', thread: { subagent: 's' } }, end], undefined, {
      price: ({ model }) => (asked.push(model), { unknown: 'x' }),
    });
    expect(asked).toEqual(['m', undefined]);
  });
});

describe('what the files correct', () => {
  const usage = [{ model: 'm', usage: { outputTokens: 5, reasoningOutputTokens: 0 } }];

  test('is nothing where they tell the same, nor what is 0 in one of the two only', () => {
    expect(ledger([call('a', { outputTokens: 5 }), end], recovered(usage)).correction).toBeUndefined();
    expect(ledger([call('a', { outputTokens: 5 }), end]).correction).toBeUndefined();
  });

  test.each<[string, readonly HarnessEventBody[], object]>([
    [
      'figures',
      [call('a', { outputTokens: 4 }), end],
      { told: { outputTokens: 4, lowerBound: false }, corrected: { outputTokens: 5 }, callsTold: 1, callsFound: 2 },
    ],
    [
      'that they are all',
      [call('a', { outputTokens: 5 })],
      { told: { outputTokens: 5, lowerBound: true }, corrected: { lowerBound: false } },
    ],
    ['that there is something', [], { corrected: { outputTokens: 5, provenance: 'recovered' }, callsTold: 0, callsFound: 2 }],
  ])('is %s', (_, events, expected) => {
    const calls: Reconciliation['calls'] = ['a', 'b'].map((callId) => ({ callId, thread: 'main', model: 'm', usage: {} }));
    expect(ledger(events, recovered(usage, calls)).correction).toMatchObject(expected);
  });

  test('has no figures on a side that tells none', () => {
    expect(ledger([], recovered(usage)).correction).not.toHaveProperty('told');
    expect(ledger([call('a', { outputTokens: 4 }), end], recovered([{ usage: {} }])).correction).not.toHaveProperty('corrected');
  });
});

const seed = Number(process.env['SINGLETREE_TEST_SEED'] ?? Date.now() % 1_000_000);

test(`whatever is told, by whom, and however little of it fits together: entries add up to the account, in tokens and cost (seed ${seed})`, () => {
  const count = fc.nat(50);
  const usage: fc.Arbitrary<TokenKinds> = fc.record(
    {
      uncachedInputTokens: count,
      cacheReadInputTokens: count,
      cacheWriteInputTokens: count,
      cacheWrite1hInputTokens: count,
      outputTokens: count,
      reasoningOutputTokens: count,
    },
    { requiredKeys: [] },
  );
  const whose = { model: fc.constantFrom('m', 'n', 'unknown', 'free'), costUsdMicros: fc.constantFrom(0, 3, 900) };
  const thread = fc.constantFrom<CallBody['thread']>('main', { subagent: 's' });
  const part = fc.record({ usage, ...whose }, { requiredKeys: ['usage'] });
  const callOf = (ids: readonly string[]) =>
    fc.record({ callId: fc.constantFrom(...ids), thread, usage, ...whose }, { requiredKeys: ['callId', 'thread', 'usage'] });
  const told = fc.oneof(
    { weight: 6, arbitrary: callOf(['a', 'b', 'c', 'd']).map((body): HarnessEventBody => ({ kind: 'model.call', ...body })) },
    {
      weight: 2,
      arbitrary: callOf(['a', 'b', 'c', 'd']).map((body): HarnessEventBody => ({ kind: 'model.call', ...body, provisional: true })),
    },
    { weight: 3, arbitrary: fc.array(part, { maxLength: 3 }).map((byModel): HarnessEventBody => ({ kind: 'usage.total', byModel })) },
    { weight: 1, arbitrary: fc.constantFrom<HarnessEventBody>(end, { kind: 'usage.incomplete', reason: 'r' }) },
  );
  const calls = fc.array(callOf(['a', 'b', 'x', 'y']), { maxLength: 4 });
  const files = fc
    .record({ usage: fc.array(part, { maxLength: 4 }), calls: fc.option(calls, { nil: undefined }), lowerBound: fc.boolean() })
    .map((read): Reconciliation => ({ ...recovered(read.usage, read.calls), lowerBound: read.lowerBound }));
  fc.assert(
    fc.property(fc.array(told, { maxLength: 6 }), fc.option(files, { nil: undefined }), (events, reconciliation) => {
      const { entries, usage: account, cost } = ledger(events, reconciliation, prices);
      const sumOf = (amounts: readonly (number | undefined)[]): number => amounts.reduce<number>((sum, amount) => sum + (amount ?? 0), 0);
      for (const kind of tokenKinds) {
        const sum = sumOf(entries.map((entry) => entry[kind]));
        // How long the cache holds may be told of calls only, or of all together only.
        if (kind !== 'cacheWrite1hInputTokens') expect(sum, kind).toBe(account?.[kind] ?? 0);
      }
      if (cost.costUsdMicros !== undefined) expect(sumOf(entries.map(({ costUsdMicros }) => costUsdMicros))).toBe(cost.costUsdMicros);
      for (const entry of entries) {
        expect([...tokenKinds, 'costUsdMicros' as const].filter((kind) => (entry[kind] ?? 0) < 0)).toEqual([]);
        expect(entry.cacheWrite1hInputTokens ?? 0).toBeLessThanOrEqual(entry.cacheWriteInputTokens ?? 0);
        expect(entry.costUsdMicros === undefined).toBe(entry.costSource === undefined);
      }
      const ids = entries.flatMap(({ callId }) => callId ?? []);
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { seed, numRuns: process.env['SINGLETREE_TEST_FULL'] ? 20_000 : 2_000 },
  );
}, 120_000);
