import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepAddress, readAddress, removeAddress, writeAddress, type Address } from './address.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'singletree-'));
  file = join(folder, 'address.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const address: Address = { address: 'unix:/run/x.sock', pid: 4711, version: '0.1.0', startedAt: Date.UTC(2026, 4, 1, 12) };

test('what is written is read, with and without what it was started with', () => {
  writeAddress(file, address);
  expect(readAddress(file)).toEqual(address);
  writeAddress(file, { ...address, configHash: 'ab12', otelHash: 'cd34' });
  expect(readAddress(file)).toEqual({ ...address, configHash: 'ab12', otelHash: 'cd34' });
});

test('it is JSON that only its owner reads, and nothing is left beside it', () => {
  writeAddress(file, address);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    address: 'unix:/run/x.sock',
    pid: 4711,
    version: '0.1.0',
    started_at: '2026-05-01T12:00:00.000Z',
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['address.json']);
});

test('a missing, removed, empty, torn or foreign file is no address', () => {
  expect(readAddress(file)).toBeUndefined();
  writeAddress(file, address);
  truncateSync(file, 20);
  expect(readAddress(file)).toBeUndefined();
  truncateSync(file, 0);
  expect(readAddress(file)).toBeUndefined();
  writeFileSync(file, '{"address":"unix:/x"}');
  expect(readAddress(file)).toBeUndefined();
  removeAddress(file);
  removeAddress(file);
  expect(readAddress(file)).toBeUndefined();
});

test.each<[string, () => void]>([
  ['removed', () => removeAddress(file)],
  ['torn', () => truncateSync(file, 20)],
  ['replaced by that of a daemon that is none', () => writeAddress(file, { ...address, pid: 1 })],
])('a kept one is there again after it was %s', async (_, harm) => {
  const kept = keepAddress(file, address, 5);
  try {
    expect(readAddress(file)).toEqual(address);
    harm();
    await vi.waitFor(() => expect(readAddress(file)).toEqual(address));
  } finally {
    kept.stop();
  }
});

test('one that cannot be written again now is written later, and none after the end', async () => {
  const kept = keepAddress(file, address, 5);
  rmSync(folder, { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 30));
  mkdirSync(folder);
  await vi.waitFor(() => expect(readAddress(file)).toEqual(address));
  kept.stop();
  removeAddress(file);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(readAddress(file)).toBeUndefined();
});
