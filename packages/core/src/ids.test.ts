import { expect, test } from 'vitest';
import { uuidv7 } from './ids.ts';

test('an id is a UUIDv7 that begins with the time', () => {
  const id = uuidv7(() => Date.UTC(2026, 0, 1))();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(Date.UTC(2026, 0, 1));
});

test('ids sort as they were made, within a millisecond and while the clock goes back', () => {
  let now = 1_000_000;
  const next = uuidv7(() => now);
  const ids: string[] = [];
  for (let round = 0; round < 20; round++) {
    for (let one = 0; one < 1_000; one++) ids.push(next());
    now += round % 3 === 0 ? -500 : 1;
  }
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
