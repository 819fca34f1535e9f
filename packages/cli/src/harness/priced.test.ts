import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createPrices } from '@singletree/core/kit';
import type { HarnessEvent, TokenUsage } from '@singletree/harness';
import claude from '@singletree/harness-claude';
import { describe, expect, test } from 'vitest';

describe('what Claude Code says that its own calls cost is what the list says, to the millionth', () => {
  const fixtures = join(import.meta.dirname, '../../../harness-claude/fixtures');
  const recordings = readdirSync(fixtures)
    .flatMap((version) => readdirSync(join(fixtures, version)).map((name) => join(fixtures, version, name)))
    .filter((path) => path.endsWith('.jsonl'))
    .map((path) => [`${basename(join(path, '..'))} ${basename(path)}`, path] as const);
  const list = createPrices({});
  const at = Date.parse('2026-11-21');
  let compared = 0;

  test.each(recordings)('%s', (version, path) => {
    const decoder = claude.decoder('stdout', undefined);
    const bytes = readFileSync(path);
    const events: HarnessEvent[] = [];
    for (let from = 0; from < bytes.length; from += 256 * 1024) events.push(...decoder.push(bytes.subarray(from, from + 256 * 1024)));
    events.push(...decoder.end());
    const sums = new Map<string | undefined, { ours: number; theirs: number }>();
    for (const { model, usage, costUsdMicros } of events.flatMap((event) => (event.kind === 'usage.total' ? event.byModel : []))) {
      // This version tells the lifetimes of cache writes with single calls, and not of all.
      const isTold = !version.startsWith('2.1.197') || usage.cacheWriteInputTokens === 0;
      const price = list.price({ model, provider: 'anthropic', usage, at });
      // A sum of calls that is larger than a tier tells nothing of its calls.
      if ('unknown' in price || costUsdMicros === undefined || isLarge(usage) || !isTold) continue;
      const { ours, theirs } = sums.get(model) ?? { ours: 0, theirs: 0 };
      const sum = { ours: ours + price.usd * 1e6, theirs: theirs + costUsdMicros };
      sums.set(model, sum);
      // Their figures are differences of rounded sums. Half a millionth is rounded either way, as their sum in dollars happens to end.
      expect(Math.abs(sum.ours - sum.theirs), `${model}: ${JSON.stringify(sum)}`).toBeLessThan(0.500_001);
      compared += 1;
    }
  });

  test('and there were such calls', () => expect(compared).toBeGreaterThan(10));
});

function isLarge({ uncachedInputTokens = 0, cacheReadInputTokens = 0, cacheWriteInputTokens = 0 }: TokenUsage): boolean {
  return uncachedInputTokens + cacheReadInputTokens + cacheWriteInputTokens > 200_000;
}
