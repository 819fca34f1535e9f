import { expect, test } from 'vitest';
import { digest } from './digest.ts';

test('equal values are alike, different ones are not, and unknown ones are like nothing', () => {
  expect(digest({ command: 'npm test' })).toBe(digest({ command: 'npm test' }));
  expect(digest({ command: 'npm test' })).toMatch(/^[0-9a-f]{16}$/);
  expect(digest({ command: 'npm test ' })).not.toBe(digest({ command: 'npm test' }));
  expect(digest('')).not.toBe(digest(null));
  expect(digest(undefined)).toBeUndefined();
});
