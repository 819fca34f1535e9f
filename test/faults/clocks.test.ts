import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '@singletree/sdk';
import { repository, startOtlpReceiver, temporaryFolder, until } from '@singletree/testing';
import { describe, expect, test, vi } from 'vitest';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { Limits, timeLimits } from '../support/faults-limits.ts';
import { expectPromisesKept } from '../support/promises.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const hour = 3_600_000;
const day = 24 * hour;
const allJumps = [
  ['an hour ahead', hour],
  ['an hour back', -hour],
  ['a day ahead', day],
  ['a day back', -day],
] as const;
const jumps = full ? allJumps : allJumps.filter(([name]) => name === 'an hour ahead' || name === 'a day back');

/** Long enough for all agents to be at work on a busy machine before the first is over. */
const limitMs = 8_000;
const cases = timeLimits(limitMs).filter(({ reason }) => full || reason === 'timeout' || reason === 'stalled');

/** A clock of wall time for a daemon and its shims. */
async function openClock() {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'clock');
  writeFileSync(file, '0');
  const preload = join(import.meta.dirname, '../support/faults-clock.ts');
  return {
    environment: { NODE_OPTIONS: `--import=${preload}`, SINGLETREE_TEST_CLOCK: file },
    jump: (ms: number) => writeFileSync(file, String(ms)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe.concurrent('a clock that jumps', () => {
  test.each(jumps)('%s ends nobody early and nobody late, and a daemon that is started after it goes on', async (_, jump) => {
    await using clock = await openClock();
    await using limits = await Limits.begin(cases, clock);
    const { daemon } = limits;
    clock.jump(jump);
    limits.expectAllAtWork();
    limits.go();
    await daemon.kill();
    const client = await daemon.start();
    for (const { endedAt } of await limits.expectEndings()) {
      expect(Math.abs(endedAt - jump - Date.now()), 'the shim saw the jump').toBeLessThan(hour / 2);
    }
    for (const task of await limits.expectOutcomes(client)) {
      expect(Math.abs(Number(task.completion?.completedAt) - jump - Date.now()), 'the daemon saw the jump').toBeLessThan(hour / 2);
      expectSane(task);
    }
  });

  test.each(jumps)('%s delays no retry and no delivery', async (_, jump) => {
    await using clock = await openClock();
    await using folder = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    await using receiver = await startOtlpReceiver();
    await receiver.close();
    const environment = { ...clock.environment, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRICS_EXPORTER: 'none' };
    await using daemon = new TestDaemon({ folder: folder.path, environment });
    daemon.follow({ runs: [[{ exit: 1 }], [{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]] });
    const client = await daemon.start();
    const retry = [{ reason: 'harness_failed', backoffInitialMs: 5_000, jitter: 0 }] as const;
    const { id } = await client.tasks.create(aTask(repo.path, { retry }));
    const waits = async () => (await client.tasks.get(id)).state === 'created' && (await client.tasks.get(id)).attempts.length === 1;
    await until(waits, { what: 'the task to wait for its second attempt', timeoutMs: 60_000 });

    clock.jump(jump);
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 1 } });
    await expectPromisesKept(client, task, daemon.state);
    expectSane(task);

    // What waits for a receiver was told the time by one clock, and is looked for by another.
    clock.jump(2 * jump);
    await receiver.reopen();
    await until(() => receiver.spans().length > 0, { what: 'the spans to arrive', timeoutMs: 40_000 });
    for (const { name, start, end } of receiver.spans()) expect(end, name).toBeGreaterThanOrEqual(start);
  });
});

/** No duration that is told is negative. */
function expectSane({ completion }: Task): void {
  const durations = Object.entries(completion ?? {}).filter(([name]) => name.endsWith('DurationMs'));
  expect(durations.length).toBeGreaterThan(2);
  for (const [name, ms] of durations) expect(ms, name).toBeGreaterThanOrEqual(0);
}
