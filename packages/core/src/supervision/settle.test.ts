import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { look } from './look.ts';
import { markerName, markerOf } from './protocol.ts';
import { readStat } from './shim/process-table.ts';
import { settle, type SettleRequest } from './settle.ts';
import { ending, living, prepare, root, start, stateId, until } from './testing.testsuite.ts';

const settleAll = (verdict: SettleRequest['verdict'], more: Partial<SettleRequest> = {}): ReturnType<typeof settle> =>
  settle({ root, stateId, verdict, now: () => 1, ...more });

async function ownerOf(directory: string): Promise<number> {
  const seen = await look(directory);
  if (seen.kind !== 'alive') throw new Error(`${directory} is ${seen.kind}`);
  return seen.owner.pid;
}

async function orphaned(script: string): Promise<string> {
  const directory = await start(script);
  const pid = await ownerOf(directory);
  await until(() => readdirSync(directory).includes('run.json'));
  process.kill(pid, 'SIGKILL');
  await until(async () => (await look(directory)).kind === 'dead');
  return directory;
}

test('what no step will visit is ended, what one will visit is left alone', async () => {
  const [kept, keptDead, unowned, alive, dead, over] = await Promise.all([
    start('sleep 60'),
    orphaned('sleep 60'),
    prepare('echo never'),
    start('trap "" INT TERM; setsid sleep 60 & sleep 60'),
    orphaned('setsid sleep 60 & sleep 60'),
    start('true'),
  ]);
  await ending(over);
  const unknown = spawn('sh', ['-c', 'sleep 60 & wait'], {
    env: { PATH: process.env['PATH'], [markerName]: markerOf(stateId, 'gone/1') },
    stdio: 'ignore',
  });
  const foreign = spawn('sleep', ['60'], {
    env: { PATH: process.env['PATH'], [markerName]: markerOf('another-state', 'gone/1') },
    stdio: 'ignore',
  });

  const asked: string[] = [];
  const keep = new Set([kept, keptDead].map((directory) => basename(directory)));
  const verdict = (directory: string): 'keep' | 'stale' => {
    asked.push(directory);
    return keep.has(directory) ? 'keep' : 'stale';
  };
  const settled = await settleAll(verdict);
  const found = Object.fromEntries(settled.map((one) => [one.directory, one.found]));
  expect(found).toMatchObject({
    [basename(unowned)]: 'unowned',
    [basename(alive)]: 'alive',
    [basename(dead)]: 'dead',
    'gone/1': 'unknown',
  });
  expect(settled.flatMap((one) => one.survivors)).toEqual([]);
  expect(found[basename(over)]).toBeUndefined();
  expect(asked).not.toContain(basename(over));

  expect((await look(unowned)).kind).toBe('revoked');
  expect(await look(alive)).toMatchObject({ kind: 'exited', exit: { stop: { kind: 'kill', by: 'settle' } } });
  expect(JSON.parse(readFileSync(join(dead, 'settled.json'), 'utf8'))).toMatchObject({ found: 'dead', survivors: [], at: 1 });
  await until(() => unknown.signalCode === 'SIGKILL');

  const keptMarkers = [...keep].map((name) => markerOf(stateId, name));
  await until(() => living().length === living(keptMarkers[0]).length + living(keptMarkers[1]).length);
  expect((await look(kept)).kind).toBe('alive');
  expect(living(keptMarkers[1]).length).toBeGreaterThan(0);
  expect(foreign.exitCode ?? foreign.signalCode).toBeNull();
  foreign.kill('SIGKILL');

  // Again there is nothing left to do, until the kept ones are stale too.
  expect(await settleAll(verdict)).toEqual([]);
  expect((await settleAll(() => 'stale')).map((one) => one.found).sort()).toEqual(['alive', 'dead']);
});

test('a shim that does not answer is ended itself', async () => {
  const directory = await start('sleep 60');
  const pid = await ownerOf(directory);
  await until(() => readdirSync(directory).includes('run.json'));
  process.kill(pid, 'SIGSTOP');
  const [settled] = await settleAll((name) => (name === basename(directory) ? 'stale' : 'keep'), { limitMs: 300 });
  expect(settled).toMatchObject({ found: 'alive', survivors: [] });
  expect(readStat(pid)?.state ?? 'Z').toBe('Z');
  expect((await look(directory)).kind).toBe('dead');
  expect(living(markerOf(stateId, basename(directory)))).toEqual([]);
});

test.each(['torn', 'missing'])('what a dead shim left is found by its marker where the specification is %s', async (how) => {
  const directory = await orphaned('setsid sleep 60 & sleep 60');
  if (how === 'torn') writeFileSync(join(directory, 'spec.json'), '{"protocol":1,');
  else rmSync(join(directory, 'spec.json'));
  const settled = await settleAll((name) => (name === basename(directory) ? 'stale' : 'keep'));
  expect(settled).toMatchObject([{ directory: basename(directory), found: how === 'torn' ? 'dead' : 'unknown', survivors: [] }]);
  expect(living(markerOf(stateId, basename(directory)))).toEqual([]);
});

test('a directory that cannot be read keeps nothing else from being settled, and what carries its name is ended', async () => {
  const [damaged, other] = [await orphaned('sleep 60'), await prepare('echo never')];
  rmSync(join(damaged, 'owner'));
  mkdirSync(join(damaged, 'owner'));
  const names = [basename(damaged), basename(other)];
  const settled = await settleAll((name) => (names.includes(name) ? 'stale' : 'keep'));
  expect(settled).toContainEqual(
    expect.objectContaining({ directory: names[0], found: 'unreadable', failure: expect.stringContaining('EISDIR') }),
  );
  expect(settled).toContainEqual(expect.objectContaining({ directory: names[0], found: 'unknown', survivors: [] }));
  expect(settled).toContainEqual(expect.objectContaining({ directory: names[1], found: 'unowned' }));
  expect(living(markerOf(stateId, basename(damaged)))).toEqual([]);
});
