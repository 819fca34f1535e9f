import { costOf, figuresOf, ledgerOf } from '@singletree/core/kit';
import { foldUsage, promptTokens, type Harness } from '@singletree/harness';
import { readFixtures, type Fixture } from '@singletree/harness/testing';
import claude from '@singletree/harness-claude';
import codex from '@singletree/harness-codex';
import opencode from '@singletree/harness-opencode';
import { describe, expect, test } from 'vitest';

type Kind = 'uncachedInputTokens' | 'cacheReadInputTokens' | 'cacheWriteInputTokens' | 'outputTokens' | 'reasoningOutputTokens';
const kinds: readonly Kind[] = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
];

const recordings = [claude, codex, opencode].flatMap((harness: Harness) => {
  const folder = harness.harnessId.split('_')[0];
  const fixtures = readFixtures(new URL(`../../../harness-${folder}/fixtures/`, import.meta.url));
  return fixtures.map((fixture) => ({ harness, fixture, name: `${harness.harnessId} ${fixture.cliVersion}: ${fixture.name}` }));
});

function settled(harness: Harness, { stdout, baseline, session }: Fixture) {
  const decoder = harness.decoder('stdout', baseline);
  const events = [...decoder.push(stdout), ...decoder.end()];
  const reconciliation = session && harness.reconcile?.({ sessionId: session.id, files: session.files, baseline, events });
  const usage = foldUsage(events, harness.capabilities, reconciliation);
  const entries = ledgerOf({ attempt: 1, events, reconciliation, usage, timeOf: () => undefined });
  return { usage, ...costOf(1, entries, usage, { price: () => ({ usd: 0.01, source: 'priced', version: 'v' }) }, undefined) };
}

test('there are recordings of each harness, with session files and without', () => {
  for (const { harnessId } of [claude, codex, opencode]) {
    const own = recordings.filter(({ harness }) => harness.harnessId === harnessId);
    expect(own.filter(({ fixture }) => fixture.session).length).toBeGreaterThan(2);
    expect(own.filter(({ fixture }) => !fixture.session).length).toBeGreaterThan(5);
  }
});

// The call that wrote the summary had the largest prompt of all in two of them.
test.each([
  ['claude_code 2.1.329: streamed-compaction', 200_000, 12_305, 121_031, 11_283],
  ['codex 0.169.0: compacted', 258_400, 9_513, 60_021, 61_043],
  ['opencode 1.18.33: overflow-recovers', 20_000, 200, 304, 708],
])(
  '%s: after a compaction the context is small again, and its peak is not the summary',
  (name, windowTokens, finalTokens, peakTokens, summary) => {
    const { harness, fixture } = recordings.find((each) => each.name === name)!;
    const { usage, entries } = settled(harness, fixture);
    expect(usage).toMatchObject({ compactions: 1, context: { windowTokens, finalTokens, peakTokens } });
    expect(entries.filter(({ compaction }) => compaction).map(promptTokens)).toEqual([summary]);
  },
);

describe.each(recordings)('$name', ({ harness, fixture }) => {
  const { usage, entries, cost } = settled(harness, fixture);

  test('has a ledger that adds up to its account', () => {
    const account = figuresOf(usage).usage;
    const sums = kinds.map((kind) => entries.reduce((sum, entry) => sum + (entry[kind] ?? 0), 0));
    expect(sums).toEqual(kinds.map((kind) => account?.[kind] ?? 0));
    expect(entries.reduce((sum, { costUsdMicros = 0 }) => sum + costUsdMicros, 0)).toBe(cost.costUsdMicros ?? 0);
  });

  test('has the context of its main thread’s calls: the last one and the largest, without those that wrote a summary', () => {
    const prompts = entries.flatMap((entry) => {
      const isTurn = entry.callId !== undefined && entry.subagent === undefined && !entry.compaction;
      return isTurn ? (promptTokens(entry) ?? []) : [];
    });
    const { finalTokens, peakTokens } = usage.context;
    expect([finalTokens, peakTokens]).toEqual([prompts.at(-1), prompts.length > 0 ? Math.max(...prompts) : undefined]);
  });
});
