import { expect, test } from 'vitest';
import { HeldBytes } from './held-bytes.ts';

test('a caller holds no more than so much at once, whatever others hold', () => {
  const bytes = new HeldBytes(2 * 1_048_576);
  const [first, second, other] = [bytes.hold('token'), bytes.hold('token'), bytes.hold('token.read')];
  first.add(1_048_576);
  second.add(1_048_576);
  expect(() => second.add(1)).toThrow('requests of 2 MiB are being answered already');
  other.add(2 * 1_048_576);
  first.release();
  second.add(1_048_576);
  expect(() => bytes.hold('token').add(1)).toThrow();
  second.release();
  second.release();
  second.add(1_048_576);
  bytes.hold('token').add(2 * 1_048_576);
});
