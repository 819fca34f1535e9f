import { expect, test } from 'vitest';
import { uuidv7 } from './ids.ts';

test('an id is a UUIDv7 that begins with the time', () => {
  const id = uuidv7(() => Date.UTC(2026, 0, 1))();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(Date.UTC(2026, 0, 1));
});

test('ids sort as they were made, more in a millisecond than the counter counts, and while the clock goes back', () => {
  let now = 1_000_000;
  const next = uuidv7(() => now);
  const ids: string[] = [];
  for (const [count, then] of [
    [5_000, 1],
    [10, -500],
    [5_000, 1],
    [10, 1_000],
    [10, 0],
  ] as const) {
    for (let one = 0; one < count; one++) ids.push(next());
    now += then;
  }
  expect(ids.findIndex((id, index) => index > 0 && id <= (ids[index - 1] ?? ''))).toBe(-1);
  expect(ids.every((id) => id.length === 36 && id[14] === '7')).toBe(true);
});
