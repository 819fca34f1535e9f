import { setImmediate } from 'node:timers/promises';
import type { Compression } from '@connectrpc/connect/protocol';

/**
 * The same compressions, which unpack no more than so many requests at once: a few bytes become some MiB, and what comes in one breath would all be in
 * memory together. The others wait for their turn.
 */
export function inTurn(compressions: readonly Compression[], most: number): Compression[] {
  let free = most;
  const waiting: (() => void)[] = [];
  const turn = async (): Promise<void> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  };
  // Not before what was unpacked has been read: that happens right after.
  const over = async (): Promise<void> => {
    await setImmediate();
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  };
  return compressions.map((compression) => ({
    ...compression,
    decompress: async (bytes, readMaxBytes) => {
      await turn();
      try {
        return await compression.decompress(bytes, readMaxBytes);
      } finally {
        void over();
      }
    },
  }));
}
