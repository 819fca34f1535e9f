import { randomBytes, randomInt } from 'node:crypto';

/**
 * Makes UUIDv7 (RFC 9562, method 1): milliseconds, a counter of 12 bits that starts at random, 62 random bits. Ids of one maker
 * sort in the order in which they were made, within a millisecond and when the clock is set back too.
 */
export function uuidv7(now: () => number): () => string {
  let time = 0;
  let counter = 0;
  return () => {
    const at = now();
    if (at > time) [time, counter] = [at, randomInt(0x800)];
    else if (++counter > 0xfff) [time, counter] = [time + 1, randomInt(0x800)];
    const head = time.toString(16).padStart(12, '0') + (0x7000 + counter).toString(16);
    const tail = randomBytes(8);
    tail.writeUInt8((tail.readUInt8() & 0x3f) | 0x80);
    return (head + tail.toString('hex')).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  };
}
