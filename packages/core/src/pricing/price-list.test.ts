import { readFileSync } from 'node:fs';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import type { TokenKinds } from '../task/usage.ts';
import { listVersion, namesLike } from './list.ts';
import { createPrices, findRates } from './price-list.ts';
import type { DeclaredPrices } from './declared.ts';
import type { Price } from './prices.ts';

const at = Date.parse('2026-11-21T12:00:00Z');
const list = createPrices({});
const some: TokenKinds = { uncachedInputTokens: 1_000, outputTokens: 100 };

function micros(price: Price): number | string {
  return 'unknown' in price ? price.unknown : Math.round(price.usd * 1e6);
}

/** 220k prompt tokens, as most rows of the hand-computed figures have them. */
const large: TokenKinds = {
  uncachedInputTokens: 10_000,
  cacheReadInputTokens: 180_000,
  cacheWriteInputTokens: 30_000,
  outputTokens: 6_000,
};
const codex: TokenKinds = { uncachedInputTokens: 30_000, cacheReadInputTokens: 120_000, outputTokens: 7_000, reasoningOutputTokens: 2_000 };

describe('one call of the bundled list costs what was computed by hand', () => {
  test.each([
    // 10k × 6 + 180k × 0.60 + 30k × 7.50 + 6k × 22.50: more than 200k went in.
    ['claude-sonnet-4-5', 'anthropic', large, 528_000],
    ['claude-sonnet-4-5-20250929', 'anthropic', large, 528_000],
    ['claude-sonnet-4-5-20250929[1m]', 'anthropic', large, 528_000],
    ['claude-sonnet-4-5@20250929', 'anthropic', large, 528_000],
    ['anthropic/claude-sonnet-4-5', undefined, large, 528_000],
    ['claude-sonnet-4-5', undefined, large, 528_000],
    // 10k less of cache reads: at most 200k went in. 10k × 3 + 160k × 0.30 + 30k × 3.75 + 6k × 15
    ['claude-sonnet-4-5', 'anthropic', { ...large, cacheReadInputTokens: 160_000 }, 280_500],
    ['claude-sonnet-4-5', 'anthropic', { ...large, cacheReadInputTokens: 160_001 }, 516_001],
    // All writes for an hour: 30k × 12 instead of 30k × 7.50
    ['claude-sonnet-4-5', 'anthropic', { ...large, cacheWrite1hInputTokens: 30_000 }, 663_000],
    ['claude-sonnet-4-5', 'anthropic', { ...large, cacheWrite1hInputTokens: 10_000 }, 573_000],
    // Who tells only those of 1 hour tells of all.
    ['claude-sonnet-4-5', 'anthropic', { ...large, cacheWriteInputTokens: undefined, cacheWrite1hInputTokens: 30_000 }, 663_000],
    ['claude-sonnet-4-6', 'anthropic', large, 286_500],
    ['claude-opus-4-1', 'anthropic', large, 1_432_500],
    ['claude-opus-4-5', 'anthropic', large, 477_500],
    ['claude-opus-5', 'anthropic', large, 477_500],
    ['gpt-5-codex', 'openai', codex, 142_500],
    ['gpt-5.1-codex-max', 'openai', codex, 142_500],
    ['gpt-5.3-codex', 'openai', codex, 199_500],
    ['openai/gpt-5.3-codex', 'openai', codex, 199_500],
    ['deepseek-chat', 'deepseek', codex, 26_400],
    ['moonshotai/kimi-k2-0905-preview', undefined, codex, 58_500],
    ['openrouter/anthropic/claude-sonnet-4.5', undefined, some, 4_500],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'amazon-bedrock', some, 4_950],
    ['xai/grok-4', undefined, some, 4_500],
    // What the CLI itself stated for 20, 40, 200 and 12 tokens.
    [
      'claude-sonnet-4-5',
      'anthropic',
      { uncachedInputTokens: 20, cacheWriteInputTokens: 40, cacheReadInputTokens: 200, outputTokens: 12 },
      450,
    ],
  ] as const)('%s of %s, %j', (model, provider, usage, expected) => {
    const price = list.price({ model, provider, usage: { ...usage } as TokenKinds, at });
    expect(micros(price)).toBe(expected);
    expect(price).toMatchObject({ source: 'priced', version: listVersion });
    expect(price).not.toHaveProperty('lowerBound');
  });

  test.each([
    ['2026-08-20T23:59:59Z', 480_000], // 30k × 5 + 120k × 0.50 + 9k × 30
    ['2026-08-21T00:00:00Z', 348_000], // 30k × 4 + 120k × 0.40 + 9k × 20
  ])('gpt-5.6, whose price fell in August 2026, at %s', (time, expected) => {
    expect(micros(list.price({ model: 'gpt-5.6', provider: 'openai', usage: codex, at: Date.parse(time) }))).toBe(expected);
  });

  test('tiers go by the single call: the same tokens cost less in two', () => {
    const half: TokenKinds = { uncachedInputTokens: 150_000, outputTokens: 1_000 };
    const whole: TokenKinds = { uncachedInputTokens: 300_000, outputTokens: 2_000 };
    const price = (usage: TokenKinds): number | string => micros(list.price({ model: 'claude-sonnet-4-5', usage, at }));
    expect([price(half), price(whole)]).toEqual([465_000, 1_845_000]);
  });
});

describe('what is not known is unknown, never nothing and never a guess', () => {
  test.each([
    'mock-model',
    'my-claude',
    'claude',
    'sonnet',
    'opus',
    'gpt-5.5-something',
    'gpt-5.5-2099-01-01',
    'claude-sonnet-4-5-turbo',
    'claude-sonnet-4-55',
    'claude-sonnet-4-5-20250929-fast',
    'xclaude-sonnet-4-5',
    'claude-opus-5-5-5',
    'gemini-2.5-pro-something',
    'gpt-5-nano-max',
    'llama-3.3-70b',
    'github-copilot/gpt-4o',
    'google/gemma-3n',
    'openrouter/deepseek/deepseek-r1:free',
    'proxy/claude-sonnet-4-5',
    'my-anthropic/claude-sonnet-4-5',
    'not-openai/gpt-5.6',
    'ollama/gpt-5.6',
    '/',
    'openai/',
    '/gpt-5.6',
    '__proto__',
    'constructor',
    'a'.repeat(100_000),
  ])('the price of %.40s', (model) => {
    expect(list.price({ model, usage: some, at })).toEqual({ unknown: `no price is known for "${model}"` });
  });

  test.each(['anthropic-proxy', 'local', 'litellm', 'copilot', 'openai-compatible', ''])('claude-sonnet-4-5 of "%s"', (provider) => {
    expect(list.price({ model: 'claude-sonnet-4-5', provider, usage: some, at })).toEqual({
      unknown: `no price is known for "claude-sonnet-4-5" of "${provider}"`,
    });
  });

  test.each([undefined, '', '  '])('a call of %j', (model) => {
    expect(list.price({ model, usage: some, at })).toEqual({ unknown: 'it is not told which model was called' });
  });

  test.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 9e15])('where prices have changed, a call at %s', (time) => {
    expect(list.price({ model: 'gpt-5.6', usage: some, at: time })).toEqual({
      unknown: 'the price of "gpt-5.6" has changed, and it is not told when it was called',
    });
    expect(list.price({ model: 'gpt-5.5', usage: some, at: time })).toMatchObject({ usd: 0.008 });
  });

  test.each<[TokenKinds, string]>([
    [{}, 'it is not told what it used'],
    [{ uncachedInputTokens: -1 }, 'what is told of its tokens cannot be true'],
    [{ uncachedInputTokens: 1, outputTokens: Number.NaN }, 'what is told of its tokens cannot be true'],
    [{ uncachedInputTokens: 1, reasoningOutputTokens: -5, outputTokens: 10 }, 'what is told of its tokens cannot be true'],
    [{ cacheReadInputTokens: 0.5 }, 'what is told of its tokens cannot be true'],
    [{ outputTokens: Number.POSITIVE_INFINITY }, 'what is told of its tokens cannot be true'],
    [{ outputTokens: 2 ** 53 }, 'what is told of its tokens cannot be true'],
    [{ cacheWriteInputTokens: 10, cacheWrite1hInputTokens: 11 }, 'what is told of its tokens cannot be true'],
  ])('a call with %j', (usage, unknown) => {
    expect(list.price({ model: 'claude-sonnet-4-5', usage, at })).toEqual({ unknown });
  });

  test.each<[string, TokenKinds, string]>([
    ['gpt-5-pro', { ...some, cacheReadInputTokens: 1 }, 'its price has no rate for cache_read'],
    ['gpt-5', { ...some, cacheWriteInputTokens: 1 }, 'its price has no rate for cache_write'],
    [
      'gpt-5.5-codex',
      { ...some, cacheWriteInputTokens: 2, cacheWrite1hInputTokens: 1 },
      'its price has no rate for cache_write and cache_write_1h',
    ],
  ])('%s with %j: a kind without a rate is billed neither as another one nor as nothing', (model, usage, unknown) => {
    expect(list.price({ model, usage, at })).toEqual({ unknown });
  });

  test('a kind without a rate that was not used changes nothing', () => {
    expect(list.price({ model: 'gpt-5-pro', usage: { ...some, cacheReadInputTokens: 0 }, at })).toMatchObject({ usd: 0.027 });
  });

  test.each<[TokenKinds, number]>([
    [{ uncachedInputTokens: 1_000 }, 0.003],
    [{ outputTokens: 100 }, 0.0015],
    [{ uncachedInputTokens: 1_000, reasoningOutputTokens: 200 }, 0.006],
  ])('of a call that is told in part, %j, what is told is the least that it cost', (usage, usd) => {
    expect(list.price({ model: 'claude-sonnet-4-5', usage, at })).toEqual({
      usd,
      source: 'priced',
      version: listVersion,
      lowerBound: true,
    });
  });

  test('a call that used nothing cost nothing', () => {
    expect(list.price({ model: 'claude-sonnet-4-5', usage: { uncachedInputTokens: 0, outputTokens: 0 }, at })).toMatchObject({ usd: 0 });
  });

  test('other fields of a ledger entry are not taken for tokens', () => {
    const entry = { ...some, attempt: -1, model: 'x', provenance: 'reported' as const, costUsdMicros: Number.NaN };
    expect(list.price({ model: 'claude-sonnet-4-5', usage: entry, at })).toEqual(
      list.price({ model: 'claude-sonnet-4-5', usage: some, at }),
    );
  });
});

describe('declared prices', () => {
  const declared: DeclaredPrices = {
    'claude-sonnet-4-5': { input: 1, output: 2, cache_read: 0.1 },
    'openrouter/claude-sonnet-4-5': { input: 5, output: 5 },
    'claude-*': { input: 7, output: 7 },
    'ollama/*': 'free',
    'ollama/paid*': { input: 9, output: 9 },
    Qwen: 'free',
    big: {
      input: 1,
      output: 10,
      cache_write: 2,
      cache_write_1h: 4,
      tiers: [
        { above: 1_000, input: 3, output: 30 },
        { above: 100, input: 2 },
      ],
    },
  };
  const prices = createPrices(declared);

  test.each([
    ['claude-sonnet-4-5', undefined, 1_200],
    ['claude-sonnet-4-5', 'anthropic', 1_200],
    ['claude-sonnet-4-5-20250929[1m]', 'anthropic', 1_200],
    ['anthropic/claude-sonnet-4-5', undefined, 1_200],
    ['Claude-Sonnet-4-5', 'anthropic', 1_200],
    ['claude-sonnet-4-5', 'openrouter', 5_500],
    ['openrouter/claude-sonnet-4-5', undefined, 5_500],
    ['claude-unheard-of', undefined, 7_700],
    ['ollama/paid-one', undefined, 9_900],
  ])('win over the list: %s of %s', (model, provider, expected) => {
    const price = prices.price({ model, provider, usage: some, at });
    expect(micros(price)).toBe(expected);
    expect(price).toMatchObject({ source: 'priced', version: 'configuration' });
  });

  test.each([
    ['ollama/llama3', undefined],
    ['llama3', 'ollama'],
    ['qwen', undefined],
    ['qwen', 'anybody'],
  ])('free is free whatever was used, and the user has said so: %s of %s', (model, provider) => {
    const free = { usd: 0, source: 'declared_free', version: 'configuration' };
    expect(prices.price({ model, provider, usage: some })).toEqual(free);
    expect(prices.price({ model, provider, usage: {} })).toEqual(free);
  });

  test.each<[TokenKinds, number | string]>([
    [{ uncachedInputTokens: 100, outputTokens: 1 }, 110],
    [{ uncachedInputTokens: 101, outputTokens: 1 }, 212],
    [{ uncachedInputTokens: 1_000, outputTokens: 1 }, 2_010],
    [{ uncachedInputTokens: 1_001, outputTokens: 1 }, 3_033],
    [{ uncachedInputTokens: 1, cacheWriteInputTokens: 1_000, cacheWrite1hInputTokens: 400, outputTokens: 0 }, 2_803],
    [{ uncachedInputTokens: 1, cacheReadInputTokens: 1, outputTokens: 0 }, 'its price has no rate for cache_read'],
  ])('have tiers, by what went into the call: %j', (usage, expected) => {
    expect(micros(prices.price({ model: 'big', usage }))).toBe(expected);
  });

  test('leave other models to the list', () => {
    expect(prices.price({ model: 'gpt-5.5', usage: some, at })).toMatchObject({ version: listVersion });
  });

  test('are found with the key that says it', () => {
    expect(findRates({ model: 'claude-x' }, declared)).toMatchObject({ declaredAs: 'claude-*', version: 'configuration' });
    expect(findRates({ model: 'ollama/x' }, declared)).toMatchObject({ declaredAs: 'ollama/*', rates: 'free' });
  });
});

describe('the bundled list', () => {
  test('is the version that is installed', () => {
    const catalogue = readFileSync(new URL('../../../../pnpm-workspace.yaml', import.meta.url), 'utf8');
    expect(catalogue).toContain(`'@pydantic/genai-prices': ${listVersion.replace('genai-prices ', '')}\n`);
  });

  test('has names from which a wrong one may have been meant', () => {
    expect(namesLike('anthropic')).toContain('claude-sonnet-4-5');
    expect(namesLike(undefined)).toEqual(expect.arrayContaining(['gpt-5.5', 'claude-opus-5']));
    expect(namesLike('my-anthropic')).toEqual([]);
  });

  test('prices every model of it by its own name, or says why not', () => {
    const usage = {
      uncachedInputTokens: 400_000,
      cacheReadInputTokens: 3,
      cacheWriteInputTokens: 2,
      cacheWrite1hInputTokens: 1,
      outputTokens: 5,
      reasoningOutputTokens: 2,
    };
    const counts = { priced: 0, unknown: 0 };
    for (const provider of ['anthropic', 'openai', 'google', 'azure', 'aws', 'x-ai', 'deepseek', 'mistral', 'perplexity']) {
      for (const { id } of findProvider({ providerId: provider })?.models ?? []) {
        for (const told of [usage, some]) {
          const price = list.price({ model: id, provider, usage: told, at });
          if ('unknown' in price) counts.unknown += 1;
          else {
            counts.priced += 1;
            expect(price.usd, id).toBeGreaterThanOrEqual(0);
          }
        }
      }
    }
    expect(counts.priced).toBeGreaterThan(300);
  });

  test('holds no price that differs from what its library says of the same call', () => {
    for (const { id } of findProvider({ providerId: 'anthropic' })?.models ?? []) {
      const usage = {
        input_tokens: 300_000,
        cache_read_tokens: 5_000,
        cache_write_tokens: 70,
        cache_write_1h_tokens: 20,
        output_tokens: 900,
      };
      const told: TokenKinds = {
        uncachedInputTokens: 294_930,
        cacheReadInputTokens: 5_000,
        cacheWriteInputTokens: 70,
        cacheWrite1hInputTokens: 20,
        outputTokens: 900,
      };
      const price = list.price({ model: id, provider: 'anthropic', usage: told, at });
      if (!('unknown' in price))
        expect(price.usd, id).toBe(calcPrice(usage, id, { providerId: 'anthropic', timestamp: new Date(at) })?.total_price);
    }
  });

  test('counts as much as a number can hold', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const usage = { uncachedInputTokens: most, cacheReadInputTokens: most, cacheWriteInputTokens: most, outputTokens: most };
    expect(list.price({ model: 'claude-sonnet-4-5', usage, at })).toMatchObject({ source: 'priced' });
  });
});

test('the rates that are found are those of the list, with the window that it knows', () => {
  const found = findRates({ model: 'claude-sonnet-4-5-20250929', provider: 'anthropic', at }, {});
  expect(found).toMatchObject({
    version: listVersion,
    entry: { provider: 'anthropic', model: 'claude-sonnet-4-5', contextWindow: 200_000 },
  });
  expect(found).toMatchObject({ rates: { input_mtok: { base: 3, tiers: [{ start: 200_000, price: 6 }] } } });
});
