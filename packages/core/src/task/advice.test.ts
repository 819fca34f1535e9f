import { expect, test } from 'vitest';
import { advice, advised } from './advice.ts';

test('a message ends with what to do, where there is something', () => {
  expect(advised('lost', 'it is gone')).toBe('it is gone');
  expect(advised('stalled', 'nothing for 5 s')).toBe('nothing for 5 s; if it is only slow, raise the limit stall');
  expect(advised('stalled', advised('stalled', 'nothing for 5 s'))).toBe('nothing for 5 s; if it is only slow, raise the limit stall');
});

test('is one clause that goes on after a semicolon', () => {
  expect(Object.values(advice).filter((text) => !/^[a-z].*[^.]$/.test(text))).toEqual([]);
});
