import { setImmediate } from 'node:timers/promises';
import type { Compression } from '@connectrpc/connect/protocol';
import { expect, test } from 'vitest';
import { inTurn } from './unpacking.ts';

test('no more than so many are unpacked at once, all of them in their order, and one that fails holds up nobody', async () => {
  let [open, most] = [0, 0];
  const slow: Compression = {
    name: 'slow',
    compress: async (bytes) => new Uint8Array(bytes),
    async decompress(bytes) {
      open += 1;
      most = Math.max(most, open);
      await setImmediate();
      open -= 1;
      if (bytes.byteLength === 3) throw new Error('not this one');
      return new Uint8Array(bytes);
    },
  };
  const compression = inTurn([slow], 2)[0] ?? slow;
  const done: number[] = [];
  const each = Array.from({ length: 10 }, (_, length) =>
    compression.decompress(new Uint8Array(length), 100).then(({ byteLength }) => done.push(byteLength)),
  );
  expect((await Promise.allSettled(each)).filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect([most, done]).toEqual([2, [0, 1, 2, 4, 5, 6, 7, 8, 9]]);
});
