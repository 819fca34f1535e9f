import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('an agent that states no cost is priced call by call, as declared, as free, or not at all', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  const prices = { 'fake-own': { input: 1, output: 10, cache_read: 0.1, tiers: [{ above: 1_000, input: 2 }] }, 'fake-free*': 'free' };
  await using daemon = new TestDaemon({ folder: folder.path, configuration: { prices } });
  daemon.follow([
    { call: { input: 150_000, cacheRead: 50_000, output: 1_000 } },
    { call: { input: 150_001, cacheRead: 50_000, output: 1_000, reasoning: 500 } },
    { say: 'Done.' },
  ]);
  const client = await daemon.start();
  const cost = async (model: string) => {
    const { completion } = await finished(client, (await client.tasks.create(aTask(repo.path, { model }))).id);
    return completion;
  };
  const [listed, own, free, unknown] = await Promise.all(
    ['anthropic/claude-sonnet-4-5', 'fake-own', 'fake-free-1', 'fake-unheard-of'].map(cost),
  );
  // 150,000 × 3 + 50,000 × 0.30 + 1,000 × 15, and one token more: 150,001 × 6 + 50,000 × 0.60 + 1,500 × 22.50
  expect(listed).toMatchObject({ actualCostUsdMicros: 480_000 + 963_756, costSource: 'priced' });
  // 150,000 × 2 + 50,000 × 0.10 + 1,000 × 10, and 150,001 × 2 + 50,000 × 0.10 + 1,500 × 10
  expect(own).toMatchObject({ actualCostUsdMicros: 315_000 + 320_002, costSource: 'priced' });
  expect(free).toMatchObject({ actualCostUsdMicros: 0, costSource: 'declared_free' });
  expect(unknown?.actualInputTokens).toBe(400_001);
  expect(unknown?.actualCostUsdMicros).toBeUndefined();
  expect(unknown?.costSource).toBeUndefined();
});
