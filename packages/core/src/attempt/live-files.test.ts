import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveFiles } from './live-files.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Readings that take so long, and when each of them began. */
function readings(tookMs: number): { files: LiveFiles; began: number[] } {
  const began: number[] = [];
  const start = Date.now();
  const files = new LiveFiles(
    async () => {
      began.push(Date.now() - start);
      await new Promise((resolve) => setTimeout(resolve, tookMs));
    },
    () => Date.now(),
  );
  return { files, began };
}

async function lookEvery(files: LiveFiles, ms: number, times: number, news: boolean): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    files.look(news);
    await vi.advanceTimersByTimeAsync(ms);
  }
}

test('reads at once, and then less often the longer nothing is told', async () => {
  const { files, began } = readings(1);
  await lookEvery(files, 5, 2_000, false);
  const gaps = began.slice(1).map((at, index) => at - began[index]!);
  expect(began[0]).toBe(0);
  expect(gaps[0]).toBeLessThan(100);
  expect(gaps.toSorted((left, right) => left - right)).toEqual(gaps);
  expect(gaps.at(-1)).toBeGreaterThan(2_000);
});

test('takes no more than a tenth of the time, and half of it where calls begin', async () => {
  const slow = readings(100);
  await lookEvery(slow.files, 10, 500, false);
  expect(slow.began.length).toBeLessThanOrEqual(5);
  const news = readings(100);
  await lookEvery(news.files, 10, 500, true);
  expect(news.began.length).toBeGreaterThan(20);
  expect(news.began.length).toBeLessThanOrEqual(26);
});

test('reads what came while it was read, without being asked again', async () => {
  const { files, began } = readings(10);
  files.look(true);
  await vi.advanceTimersByTimeAsync(5);
  files.look(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(began).toHaveLength(2);
});

test('tells once what went wrong, and reads again after that', async () => {
  let fails = true;
  const files = new LiveFiles(
    async () => {
      if (fails) throw new Error('no descriptors');
    },
    () => Date.now(),
  );
  files.look(true);
  await vi.advanceTimersByTimeAsync(1);
  fails = false;
  expect(() => files.check()).toThrow('no descriptors');
  files.look(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(() => files.check()).not.toThrow();
});

test('reads no more once it is over', async () => {
  const { files, began } = readings(1);
  files.look(true);
  await vi.advanceTimersByTimeAsync(2);
  files.look(false);
  files[Symbol.dispose]();
  files.look(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(began).toHaveLength(1);
});
