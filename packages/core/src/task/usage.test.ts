import { describe, expect, test } from 'vitest';
import { generatedTokens, inputTokens, sumIfAllKnown, sumKnown, sumUsage, type TaskUsage } from './usage.ts';

const reported = { provenance: 'reported', lowerBound: false } as const;
const all: TaskUsage = {
  ...reported,
  uncachedInputTokens: 1,
  cacheReadInputTokens: 20,
  cacheWriteInputTokens: 300,
  outputTokens: 4_000,
  reasoningOutputTokens: 50_000,
};

test.each<[string, TaskUsage, number | undefined, number | undefined]>([
  ['every kind', all, 321, 54_000],
  ['no cache', { ...reported, uncachedInputTokens: 5, outputTokens: 6 }, 5, 6],
  ['only what was read from the cache', { ...reported, cacheReadInputTokens: 7 }, 7, undefined],
  ['only reasoning', { ...reported, reasoningOutputTokens: 8 }, undefined, 8],
  ['a count of 0 is known', { ...reported, uncachedInputTokens: 0, outputTokens: 0 }, 0, 0],
  ['nothing', reported, undefined, undefined],
])('%s: prompt side and generated', (_, usage, input, output) => {
  expect([inputTokens(usage), generatedTokens(usage)]).toEqual([input, output]);
});

describe('the sum over attempts', () => {
  test.each<[string, (TaskUsage | undefined)[], TaskUsage | undefined]>([
    ['of none', [], undefined],
    ['of attempts of which nothing is known', [undefined, undefined], undefined],
    ['of one', [all], all],
    [
      'is kind by kind',
      [all, all],
      {
        ...reported,
        uncachedInputTokens: 2,
        cacheReadInputTokens: 40,
        cacheWriteInputTokens: 600,
        outputTokens: 8_000,
        reasoningOutputTokens: 100_000,
      },
    ],
    [
      'has no kind that nobody told',
      [
        { ...reported, outputTokens: 1 },
        { ...reported, outputTokens: 2 },
      ],
      { ...reported, outputTokens: 3 },
    ],
    ['is a lower bound with an attempt of which nothing is known', [all, undefined], { ...all, lowerBound: true }],
    [
      'is a lower bound with a part that is one',
      [
        { ...reported, lowerBound: true, outputTokens: 1 },
        { ...reported, outputTokens: 1 },
      ],
      { ...reported, lowerBound: true, outputTokens: 2 },
    ],
    [
      'is worth as much as its weakest part',
      [
        { ...reported, outputTokens: 1 },
        { provenance: 'estimated', lowerBound: false, outputTokens: 1 },
        { provenance: 'recovered', lowerBound: false, outputTokens: 1 },
      ],
      { provenance: 'estimated', lowerBound: false, outputTokens: 3 },
    ],
  ])('%s', (_, parts, sum) => expect(sumUsage(parts)).toStrictEqual(sum));
});

test.each<[(number | undefined)[], number | undefined, number | undefined]>([
  [[], undefined, undefined],
  [[undefined], undefined, undefined],
  [[0], 0, 0],
  [[1, 2], 3, 3],
  [[1, undefined], 1, undefined],
])('of %j the known part is %s, the whole %s', (parts, known, whole) => {
  expect([sumKnown(parts), sumIfAllKnown(parts)]).toEqual([known, whole]);
});
