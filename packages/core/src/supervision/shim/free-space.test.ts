import { expect, test } from 'vitest';
import { FreeSpace } from './free-space.ts';

async function seen(...paths: string[]): Promise<number | undefined> {
  const space = new FreeSpace(paths);
  await space.look();
  return space.bytes;
}

test('the fuller file system counts', async () => {
  const alone = [await seen('/tmp'), await seen('/dev')];
  const both = await seen('/tmp', '/dev');
  // Others write to the disk meanwhile.
  expect(Math.abs((both ?? 0) - Math.min(...alone.map((bytes) => bytes ?? Infinity)))).toBeLessThan(1e9);
});

test('nothing is known of a directory that is gone, of a file system without a size, nor where nobody looks', async () => {
  expect(await seen('/no/such/directory')).toBeUndefined();
  expect(await seen('/proc')).toBeUndefined();
  expect(await seen('/no/such/directory', '/tmp')).toBeGreaterThan(0);
  expect(await seen()).toBeUndefined();
});
