import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requestStop } from './directory.ts';
import { startShim } from './host.ts';
import { look, readSpec } from './look.ts';
import { markerOf, type StopRequest } from './protocol.ts';
import { settle } from './settle.ts';
import { sweepDead } from './sweep.ts';
import { ending, living, prepare, root, said, spawnShim, stateId, until, type Wanted } from './testing.testsuite.ts';

const shimOfProtocol1 = new URL('../../fixtures/protocol-1/shim.ts', import.meta.url);

/** A directory as the daemon of protocol 1 prepared it. */
async function prepareAsBefore(script: string, wanted: Wanted = {}): Promise<string> {
  const directory = await prepare(script, wanted);
  const path = join(directory, 'spec.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), protocol: 1, sandbox: 'none' }));
  return directory;
}

/** A process under the shim of then, which has recorded it. */
async function startAsBefore(script: string, wanted: Wanted = {}): Promise<{ directory: string; shim: number }> {
  const directory = await prepareAsBefore(script, wanted);
  spawnShim(directory, { program: shimOfProtocol1 });
  const shim = await until(async () => {
    const seen = await look(directory);
    return seen.kind === 'alive' && seen.run ? seen.owner.pid : undefined;
  });
  return { directory, shim };
}

describe.concurrent('a shim of protocol 1', () => {
  test('is known, and its ending is understood', async () => {
    const { directory } = await startAsBefore('echo hello; sleep 0.5; exit 3');
    expect(await look(directory)).toMatchObject({ kind: 'alive', run: { sandbox: 'marker' } });
    expect((await readSpec(directory)).record).toMatchObject({ protocol: 1, sandbox: 'marker' });
    expect(await ending(directory)).toMatchObject({ protocol: 1, code: 3, lengths: { stdout: 6 }, survivors: [] });
  });

  test('holds its own limits', async () => {
    const { directory } = await startAsBefore('sleep 60', { limits: { timeoutMs: 500 } });
    expect(await ending(directory)).toMatchObject({ protocol: 1, stop: { kind: 'timeout', by: 'shim' } });
  });

  test.each<[StopRequest['kind'], StopRequest['hardness']]>([
    ['cancel', 'interrupt'],
    ['no_progress', 'terminate'],
    ['given_up', 'terminate'],
    ['kill', 'kill'],
  ])('acts on a stop that it has never heard of, by its hardness: %s', async (kind, hardness) => {
    const { directory } = await startAsBefore('sleep 60');
    await requestStop(directory, { kind, hardness, by: 'today', at: 1 });
    const signal = { interrupt: 'SIGINT', terminate: 'SIGTERM', kill: 'SIGKILL' }[hardness];
    expect(await ending(directory)).toMatchObject({ protocol: 1, code: null, signal, stop: { kind, by: 'today' } });
  });

  test('that is gone is dead, and what it left is swept', async () => {
    const { directory, shim } = await startAsBefore('setsid sleep 60 & sleep 60');
    process.kill(shim, 'SIGKILL');
    await until(async () => (await look(directory)).kind === 'dead');
    const marker = markerOf(stateId, basename(directory));
    expect((await sweepDead(directory, marker)).survivors).toEqual([]);
    expect(living(marker)).toEqual([]);
  });

  test('that no step will visit is settled, alive or dead', async () => {
    const [alive, dead] = await Promise.all([startAsBefore('trap "" INT TERM; sleep 60'), startAsBefore('sleep 60')]);
    process.kill(dead.shim, 'SIGKILL');
    await until(async () => (await look(dead.directory)).kind === 'dead');
    const names = [alive, dead].map(({ directory }) => basename(directory));
    const verdict = (name: string): 'stale' | 'keep' => (names.includes(name) ? 'stale' : 'keep');
    const settled = await settle({ root, stateId, verdict, now: () => 1 });
    expect(Object.fromEntries(settled.map(({ directory, found, survivors }) => [directory, { found, survivors }]))).toEqual({
      [names[0] ?? '']: { found: 'alive', survivors: [] },
      [names[1] ?? '']: { found: 'dead', survivors: [] },
    });
    expect(await look(alive.directory)).toMatchObject({ kind: 'exited', exit: { stop: { kind: 'kill', by: 'settle' } } });
    expect(names.flatMap((name) => living(markerOf(stateId, name)))).toEqual([]);
  });
});

test("today's shim runs what was prepared for the one before", async () => {
  const directory = await prepareAsBefore('echo ran; exit 4');
  expect(await startShim(directory, {})).toEqual({ gone: false });
  expect(await ending(directory)).toMatchObject({ protocol: 2, code: 4 });
  expect(said(directory)).toBe('ran\n');
});

test('a specification of a version to come is refused, and nothing is owned', async () => {
  const directory = await prepare('echo ran');
  const path = join(directory, 'spec.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), protocol: 3 }));
  await expect(startShim(directory, {})).rejects.toThrow('of another protocol');
  const shim = spawnShim(directory);
  expect(await new Promise((resolve) => shim.once('close', resolve))).toBe(1);
  expect((await look(directory)).kind).toBe('unowned');
});
