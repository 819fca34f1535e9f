import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const known = ['version', 'concurrency', 'defaults', 'harnesses', 'max_attempts', 'timeout'];

test.each([
  ['timeout', 'timeout'],
  ['timeuot', 'timeout'],
  ['timout', 'timeout'],
  ['time', 'timeout'],
  ['concurency', 'concurrency'],
  ['conc', 'concurrency'],
  ['max_atempt', 'max_attempts'],
  ['xyzzy', undefined],
  ['', undefined],
  ['t', undefined],
])('%j means %s', (word, meant) => expect(nearest(word, known)).toBe(meant));

test('of two that begin so, neither is meant', () => expect(nearest('claude', ['claude_code', 'claude_desktop'])).toBeUndefined());
test('nothing is known, nothing is meant', () => expect(nearest('word', [])).toBeUndefined());
