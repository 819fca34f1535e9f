import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptUsage, Decoder, HarnessEvent } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import { contextOf } from './context.ts';
import { Transcript } from './transcript.ts';
import type { WatchdogThresholds } from './watchdogs/thresholds.ts';

const usage = (set: Partial<AttemptUsage>): AttemptUsage => ({
  total: {},
  byModel: [],
  provenance: 'missing',
  lowerBound: true,
  context: { windowTokens: 100, finalTokens: 5 },
  tools: {},
  unknownEvents: 0,
  ...set,
});

function plugin(contextWindow: (model: string) => number | undefined, decoder?: Decoder): Plugin {
  const capabilities = { usage: { scope: 'model_call', counts: 'delta' } };
  return { harness: { contextWindow, capabilities, decoder: () => decoder }, settings: { model: 'configured' } } as unknown as Plugin;
}

const never: WatchdogThresholds = { sameCall: {}, sameFailure: {}, emptyTurns: {}, unchangedTurns: {}, endGraceMs: 1_000 };
const windows: Readonly<Record<string, number>> = { ran: 1, requested: 2, configured: 3 };

describe('the window of the context', () => {
  test.each<[string, Partial<AttemptUsage>, string | undefined, number]>([
    ['of the model that ran', { model: 'ran' }, 'requested', 1],
    ['else of the one that was asked for', {}, 'requested', 2],
    ['else of the configured one', {}, undefined, 3],
    ['that the CLI tells, where the configuration knows none', { model: 'other' }, 'requested', 100],
  ])('is that %s', (_, told, requestedModel, windowTokens) => {
    const attempt = requestedModel === undefined ? {} : { requestedModel };
    expect(
      contextOf(
        usage(told),
        plugin((model) => windows[model]),
        attempt,
      ),
    ).toEqual({ windowTokens, finalTokens: 5 });
  });

  test('is what the CLI tells where the plugin fails', () => {
    const failing = plugin(() => {
      throw new PluginFailure('no');
    });
    expect(contextOf(usage({}), failing, {})).toEqual({ windowTokens: 100, finalTokens: 5 });
  });
});

test.each([
  [400, 0.25],
  [50, 1],
  [undefined, undefined],
])('of a running attempt with a window of %s the utilization is %s', async (window, expected) => {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-'));
  try {
    writeFileSync(join(folder, 'stdout.log'), 'x\n');
    const call = (callId: string, cacheReadInputTokens: number): HarnessEvent => ({
      kind: 'model.call',
      callId,
      thread: 'main',
      usage: { cacheReadInputTokens },
      source: 'stdout',
      endsAt: 2,
    });
    const decoder = { push: () => [call('a', 300), call('b', 100)], end: () => [] };
    const nothing = { stdout: 0, stderr: 0 };
    const transcript = new Transcript(
      folder,
      plugin(() => window, decoder),
      {},
      nothing,
      1_000,
      never,
    );
    for await (const batch of transcript.read()) expect(batch.events).toHaveLength(2);
    expect(transcript.live().contextUtilization).toBe(expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
