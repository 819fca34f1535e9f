import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Vouching } from './vouching.ts';

test('vouches as soon as it can, for as long as it was told, and not at every look', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-vouch-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const directory = join(folder, 'process');
  const file = join(directory, 'vouch');
  const vouching = new Vouching(directory);
  await vouching.renew(60_000);
  mkdirSync(directory);
  await vouching.renew(undefined);
  expect(existsSync(file)).toBe(false);

  const before = process.hrtime.bigint();
  await vouching.renew(60_000);
  const until = BigInt(readFileSync(file, 'utf8'));
  expect(until).toBeGreaterThanOrEqual(before + 60_000_000_000n);
  expect(until).toBeLessThanOrEqual(process.hrtime.bigint() + 60_000_000_000n);
  rmSync(file);
  await vouching.renew(60_000);
  expect(existsSync(file)).toBe(false);
});
