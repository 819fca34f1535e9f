import { expect, test } from 'vitest';
import { callsOf, compare } from './served.ts';

const served = [
  {
    step: 1,
    protocol: 'anthropic',
    model: 'm',
    complete: true,
    usage: { input_tokens: 3, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 },
  },
  {
    step: 2,
    protocol: 'anthropic',
    model: 'm',
    complete: true,
    usage: { input_tokens: 4, cache_creation_input_tokens: 1, output_tokens: 5, reasoning_output_tokens: 2 },
  },
] as const;
const usage = { uncachedInputTokens: 7, cacheReadInputTokens: 100, cacheWriteInputTokens: 21, outputTokens: 14, lowerBound: false };

test('what was served is summed by kind, reasoning with the output', () => {
  expect(compare(callsOf(served, false), { usage })).toEqual({
    served: { input: 7, cacheRead: 100, cacheWrite: 21, output: 14 },
    told: { input: 7, cacheRead: 100, cacheWrite: 21, output: 14 },
    unequal: [],
  });
});

test('calls are numbered from 1, and each says all four kinds', () => {
  expect(callsOf(served, false).at(1)).toEqual({
    step: 2,
    usage: { input_tokens: 4, cache_read_input_tokens: 0, cache_creation_input_tokens: 1, output_tokens: 7 },
  });
});

test('one altered figure is not equal', () => {
  expect(compare(callsOf(served, true), { usage }).unequal).toEqual(['output']);
});

test.each([
  ['input', { ...usage, uncachedInputTokens: 8 }],
  ['cacheRead', { ...usage, cacheReadInputTokens: 0 }],
  ['cacheWrite', { ...usage, cacheWriteInputTokens: 20 }],
  ['output', { ...usage, reasoningOutputTokens: 1 }],
])('a difference in %s alone is found', (kind, other) => {
  expect(compare(callsOf(served, false), { usage: other }).unequal).toEqual([kind]);
});

test('what the event does not know is not equal, not even to 0', () => {
  expect(compare([], {}).unequal).toEqual(['input', 'cacheRead', 'cacheWrite', 'output']);
});
