import { expect, inject, test } from 'vitest';
import { lock } from '../../tools/backends/backends.ts';

/** The tests that need a part are left out where it cannot be had; this one says so. */
test.each(lock.backends)('the real $part is there: $title', ({ name }) => {
  expect(inject('backends')[name]).toEqual({ program: expect.any(String) });
});
