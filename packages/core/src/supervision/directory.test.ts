import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logLength, prepareDirectory, readClock, readLog, requestStop, revoke } from './directory.ts';
import { startShim } from './host.ts';
import { look } from './look.ts';
import { readStops } from './shim/requests.ts';
import { ending, prepare, randomFrom, seed } from './testing.testsuite.ts';

test('a prepared directory is private, and what an earlier try left is replaced', async () => {
  const directory = await prepare('true', { stdin: 'first' });
  const spec = JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8'));
  await prepareDirectory(directory, { ...spec, args: ['-c', 'false'] }, Buffer.from('second'));
  expect(readFileSync(join(directory, 'stdin'), 'utf8')).toBe('second');
  expect(JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8')).args).toEqual(['-c', 'false']);
  expect(readdirSync(directory).sort()).toEqual(['spec.json', 'stdin', 'stop']);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const name of ['spec.json', 'stdin']) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
});

test('a directory that has an owner is never prepared again', async () => {
  const directory = await prepare('true');
  const spec = JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8'));
  expect(await revoke(directory)).toBe(true);
  await expect(prepareDirectory(directory, spec, Buffer.alloc(0))).rejects.toThrow('is revoked');
});

test('a revoked directory never starts anything, and may be revoked again', async () => {
  const directory = await prepare('echo started');
  expect(await revoke(directory)).toBe(true);
  expect(await revoke(directory)).toBe(true);
  await startShim(directory, {});
  expect(await look(directory)).toEqual({ kind: 'revoked' });
  expect(logLength(directory, 'stdout')).toBe(0);
});

test(`daemon and shim never both win (seed ${seed})`, async () => {
  const random = randomFrom(seed);
  const outcomes = new Set<boolean>();
  const rounds = 8;
  for (let round = 0; round < rounds; round += 1) {
    const directory = await prepare('echo started');
    const delay = round === 0 ? 0 : random() * 160;
    const shim = startShim(directory, {});
    await (round === rounds - 1 ? shim : new Promise((resolve) => setTimeout(resolve, delay)));
    const won = await revoke(directory);
    outcomes.add(won);
    await shim;
    if (won) {
      expect(await look(directory)).toEqual({ kind: 'revoked' });
    } else expect(await ending(directory)).toMatchObject({ code: 0 });
    expect(logLength(directory, 'stdout')).toBe(won ? 0 : 8);
    expect(readdirSync(directory).filter((name) => name.startsWith('owner'))).toEqual(['owner']);
  }
  expect(outcomes.size).toBe(2);
}, 20_000);

test('a stop is asked for once for each kind, and two who ask at once both are heard', async () => {
  const directory = await prepare('true');
  const cancel = { kind: 'cancel', hardness: 'interrupt', by: 'a', at: 1 } as const;
  await requestStop(directory, cancel);
  await requestStop(directory, { ...cancel, by: 'b', at: 2 });
  expect(readStops(directory)).toEqual([cancel]);
  await Promise.all([
    requestStop(directory, { kind: 'terminate', hardness: 'terminate', by: 'c', at: 3 }),
    requestStop(directory, { kind: 'kill', hardness: 'kill', by: 'd', at: 4 }),
  ]);
  expect(readdirSync(join(directory, 'stop')).sort()).toEqual(['1', '2', '3']);
  expect(
    readStops(directory)
      .map((stop) => stop.kind)
      .sort(),
  ).toEqual(['cancel', 'kill', 'terminate']);
});

test('logs are read by offset, and a log that is not there yet is empty', async () => {
  const directory = await prepare('true');
  expect(logLength(directory, 'stdout')).toBe(0);
  expect(readLog(directory, 'stdout', 0, 10)).toEqual(Buffer.alloc(0));
  writeFileSync(join(directory, 'stdout.log'), '0123456789');
  expect(logLength(directory, 'stdout')).toBe(10);
  expect(readLog(directory, 'stdout', 3, 4).toString()).toBe('3456');
  expect(readLog(directory, 'stdout', 8, 100).toString()).toBe('89');
  expect(readLog(directory, 'stdout', 10, 100)).toEqual(Buffer.alloc(0));
});

test('the clock leaves out what is torn', async () => {
  const directory = await prepare('true');
  expect(await readClock(directory)).toEqual([]);
  writeFileSync(join(directory, 'clock.log'), '1000 50 0 0\n\0\0\0 \0 \0 \0\n2000 1050 7 1\n\n3000 20');
  expect(await readClock(directory)).toEqual([
    { wall: 1000, monotonic: 50, stdout: 0, stderr: 0 },
    { wall: 2000, monotonic: 1050, stdout: 7, stderr: 1 },
  ]);
});
