import { describe, expect, test } from 'vitest';
import { readPageToken, writePageToken } from './page-token.ts';

const id = '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c';
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a page token', () => {
  test.each([[[]], [['failed']], [['failed', 'cancelled']]] as const)('leads on in the list that gave it: %j', (states) => {
    expect(readPageToken(writePageToken(id, states), states)).toBe(id);
  });

  test('fits in a URL', () => expect(writePageToken(id, ['in_progress'])).toMatch(/^[\w-]+$/));

  test.each([
    ['of another filter', writePageToken(id, ['failed']), []],
    ['of a narrower filter', writePageToken(id, ['failed']), ['failed', 'cancelled']],
    ['of the same states in another order', writePageToken(id, ['failed', 'cancelled']), ['cancelled', 'failed']],
    ['that is nothing', 'x', []],
    ['that is no JSON', Buffer.from('{').toString('base64url'), []],
    ['of another version', encoded([2, id, []]), []],
    ['without its list', encoded([1, id]), []],
    ['of another shape', encoded({ 0: 1, 1: id, 2: [] }), []],
    ['with another id', encoded([1, `${id}' OR 1=1`, []]), []],
    ['with no id', encoded([1, 7, []]), []],
    ['that is null', encoded(null), []],
  ] as const)('%s is refused', (_, token, states) => {
    expect(() => readPageToken(token, states)).toThrow(expect.objectContaining({ reason: 'INVALID_PAGE_TOKEN' }) as Error);
  });
});
