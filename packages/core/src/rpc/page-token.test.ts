import { describe, expect, test } from 'vitest';
import {
  readCompletionToken,
  readLedgerToken,
  readPageToken,
  writeCompletionToken,
  writeLedgerToken,
  writePageToken,
} from './page-token.ts';

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

describe('a page token of a usage ledger', () => {
  test.each([[[id, null]], [[id, 2]]])('leads on in the ledger that gave it: %j', (filter) => {
    expect(readLedgerToken(writeLedgerToken(200, filter), filter)).toBe(200);
  });

  test.each([
    ['of another task', writeLedgerToken(200, ['other', null])],
    ['of one attempt', writeLedgerToken(200, [id, 1])],
    ['of a list of tasks', writePageToken(id, [])],
    ['that is nothing', 'x'],
    ['of another version', encoded([2, 200, [id, null]])],
    ['without its ledger', encoded([1, 200])],
    ['that leads nowhere', encoded([1, 0, [id, null]])],
    ['that leads back', encoded([1, -5, [id, null]])],
    ['that leads between two', encoded([1, 1.5, [id, null]])],
    ['with no number', encoded([1, '200', [id, null]])],
    ['that is null', encoded(null)],
  ])('%s is refused', (_, token) => {
    expect(() => readLedgerToken(token, [id, null])).toThrow(expect.objectContaining({ reason: 'INVALID_PAGE_TOKEN' }) as Error);
  });
});

describe('a token of completion events', () => {
  const place = { completedAt: 1_700_000_000_000, taskId: id };
  const filter = { outcomes: ['failure'] };

  test('leads on with the filter that gave it', () => {
    expect(readCompletionToken(writeCompletionToken(place, filter), { outcomes: ['failure'] })).toEqual(place);
  });

  test.each([
    ['of another filter', writeCompletionToken(place, {})],
    ['of a list of tasks', writePageToken(id, [])],
    ['of another version', encoded([2, 1, id, filter])],
    ['without a time', encoded([1, 'x', id, filter])],
    ['without an id', encoded([1, 1, 7, filter])],
    ['that is nothing', 'x'],
    ['that is null', encoded(null)],
  ])('%s is refused', (_, token) => {
    expect(() => readCompletionToken(token, filter)).toThrow(expect.objectContaining({ reason: 'INVALID_PAGE_TOKEN' }) as Error);
  });
});
