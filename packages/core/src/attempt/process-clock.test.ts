import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { ProcessClock } from './process-clock.ts';

/** A process directory with what the shim of a process has written. */
function directory(stdout: number, ...clock: readonly (readonly [agoMs: number, stdout: number])[]): string {
  const path = mkdtempSync(join(tmpdir(), 'singletree-clock-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'stdout.log'), 'x'.repeat(stdout));
  const now = monotonicMs();
  for (const [agoMs, length] of clock) appendFileSync(join(path, 'clock.log'), `${Date.now()} ${Math.round(now - agoMs)} ${length} 0\n`);
  return path;
}

test('goes on from what the shim wrote down, where another daemon looked before', async () => {
  const place = directory(30, [90_000, 0], [60_000, 10], [40_000, 30], [35_000, 30]);
  const clock = new ProcessClock(place);
  const seen = await clock.standing();
  expect(seen).toMatchObject({ bytes: 30 });
  expect(seen?.elapsedMs).toBeGreaterThanOrEqual(90_000 - 1);
  expect(seen?.elapsedMs).toBeLessThan(95_000);
  expect(seen?.silentMs).toBeGreaterThanOrEqual(40_000 - 1);
  expect(seen?.silentMs).toBeLessThan(45_000);
});

test('is never early: growth that the shim has not written down is now', async () => {
  const clock = new ProcessClock(directory(30, [90_000, 0], [60_000, 10]));
  expect((await clock.standing())?.silentMs).toBeLessThan(5_000);
});

test('sees each output grow', async () => {
  const place = directory(30, [90_000, 30]);
  const clock = new ProcessClock(place);
  expect((await clock.standing())?.silentMs).toBeGreaterThan(85_000);
  writeFileSync(join(place, 'stderr.log'), 'more than the other output has, by a few bytes');
  expect(await clock.standing()).toMatchObject({ silentMs: 0, bytes: 46 });
  expect((await clock.standing())?.elapsedMs).toBeGreaterThan(85_000);
});

test('knows nothing before the child has started', async () => {
  const place = directory(0);
  const clock = new ProcessClock(place);
  expect(await clock.standing()).toBeUndefined();
  appendFileSync(join(place, 'clock.log'), `${Date.now()} ${Math.round(monotonicMs() - 1_000)} 0 0\n`);
  expect(await clock.standing()).toMatchObject({ bytes: 0 });
});
