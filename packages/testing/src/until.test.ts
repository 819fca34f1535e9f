import { expect, test } from 'vitest';
import { until } from './until.ts';

test('gives what the condition gives, once it does', async () => {
  let looks = 0;
  const found = await until(() => ++looks === 3 && { looks }, { what: 'the third look', everyMs: 1 });
  expect(found).toEqual({ looks: 3 });
});

test('says what it waited for, and what it saw last', async () => {
  await expect(until(() => 0, { what: 'the socket', timeoutMs: 20 })).rejects.toThrow(
    'timed out after 20 ms waiting for the socket; last look gave 0',
  );
  const failing = until(() => Promise.reject(new Error('ENOENT')), { what: 'a file', timeoutMs: 20 });
  await expect(failing).rejects.toThrow('waiting for a file; last look threw Error: ENOENT');
});

test('a condition that throws at first may still come true', async () => {
  let looks = 0;
  const condition = (): string => {
    if (++looks < 2) throw new Error('not yet');
    return 'yes';
  };
  expect(await until(condition, { what: 'yes', everyMs: 1 })).toBe('yes');
});
