import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { childIn, look } from './look.ts';
import { bootId, readMarker, readStat } from './shim/process-table.ts';
import { root, until } from './testing.testsuite.ts';

const self = { pid: process.pid, startTime: readStat(process.pid)!.startTime, bootId: bootId() };
const shim = { who: 'shim', ...self };
const run = { ...self, sandbox: 'marker', startedAt: 1 };
const exit = {
  protocol: 2,
  code: 0,
  signal: null,
  lengths: { stdout: 0, stderr: 0 },
  startedAt: 1,
  endedAt: 2,
  durationMs: 1,
  swept: [],
  survivors: [],
};

let count = 0;
function directoryWith(files: Record<string, unknown>): string {
  const directory = join(root, `look-${(count += 1)}`);
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  return directory;
}

test.each([
  ['nothing yet', {}, { kind: 'unowned' }],
  ['what a claim left aside', { 'owner.1234': '{"who":' }, { kind: 'unowned' }],
  ['the daemon won', { owner: { ...shim, who: 'daemon' } }, { kind: 'revoked' }],
  ['a living shim', { owner: shim }, { kind: 'alive', owner: shim }],
  ['a living shim with its child', { owner: shim, 'run.json': run }, { kind: 'alive', owner: shim, run }],
  ['a living shim whose record of the child is torn', { owner: shim, 'run.json': '{"pid"' }, { kind: 'alive', owner: shim }],
  [
    'the pid is somebody else by now',
    { owner: { ...shim, startTime: 1 } },
    { kind: 'dead', owner: { ...shim, startTime: 1 }, damaged: [] },
  ],
  [
    'another boot',
    { owner: { ...shim, bootId: 'other' }, 'run.json': run },
    { kind: 'dead', owner: { ...shim, bootId: 'other' }, run, damaged: [] },
  ],
  ['an ending', { owner: shim, 'run.json': run, 'exit.json': exit }, { kind: 'exited', exit }],
  [
    'a living shim of the version before',
    { owner: shim, 'run.json': { ...run, sandbox: 'none' } },
    { kind: 'alive', owner: shim, run: { ...run, sandbox: 'marker' } },
  ],
  [
    'an ending of the version before',
    { owner: shim, 'exit.json': { ...exit, protocol: 1 } },
    { kind: 'exited', exit: { ...exit, protocol: 1 } },
  ],
  [
    'an ending of a version that is not known',
    { owner: { ...shim, startTime: 1 }, 'exit.json': { ...exit, protocol: 3 } },
    { kind: 'dead', owner: { ...shim, startTime: 1 }, damaged: ['exit.json'] },
  ],
  ['an ending by a torn owner', { owner: '', 'exit.json': exit }, { kind: 'exited', exit }],
  [
    'a torn ending',
    { owner: { ...shim, startTime: 1 }, 'exit.json': '{"protocol":1,' },
    { kind: 'dead', owner: { ...shim, startTime: 1 }, damaged: ['exit.json'] },
  ],
  [
    'an ending of zeros',
    { owner: { ...shim, startTime: 1 }, 'exit.json': '\0\0\0' },
    { kind: 'dead', owner: { ...shim, startTime: 1 }, damaged: ['exit.json'] },
  ],
  ['a torn owner', { owner: '{"who":"shim","pid":', 'run.json': 'x' }, { kind: 'dead', damaged: ['owner', 'run.json'] }],
  ['an owner without a start time', { owner: { who: 'shim', pid: 1, bootId: 'x' } }, { kind: 'dead', damaged: ['owner'] }],
])('%s', async (_, files, expected) => {
  expect(await look(directoryWith(files))).toEqual(expected);
});

test('a directory that is not there is gone, not free to be owned', async () => {
  expect(await look(join(root, 'never-made'))).toEqual({ kind: 'gone' });
});

test('a zombie supervises nothing', async () => {
  // Its parent sleeps and never waits for it.
  const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (line: Buffer) => resolve(Number(line))));
  const zombie = await until(() => {
    const stat = readStat(pid);
    return stat?.state === 'Z' ? stat : undefined;
  });
  const owner = { who: 'shim', pid, startTime: zombie.startTime, bootId: bootId() };
  expect((await look(directoryWith({ owner }))).kind).toBe('dead');
  parent.kill('SIGKILL');
});

test('a file that cannot be read is an error and never passes for one that is missing', async () => {
  const directory = directoryWith({});
  mkdirSync(join(directory, 'owner'));
  await expect(look(directory)).rejects.toThrow('EISDIR');
});

test('a program may have any name', async () => {
  const program = join(root, 'x) Z 1 (');
  writeFileSync(program, '#!/bin/sh\nsleep 60\n');
  chmodSync(program, 0o700);
  const child = spawn(program, [], { env: { PATH: '/bin:/usr/bin', NOT_SINGLETREE_PROCESS: 'a', SINGLETREE_PROCESS: 'b=c' } });
  const stat = await until(() => {
    const found = readStat(child.pid!);
    return found && readMarker(child.pid!) === 'b=c' ? found : undefined;
  });
  expect(stat).toMatchObject({ pid: child.pid, parent: process.pid });
  expect(stat.state).toMatch(/^[RSD]$/);
  expect(stat.startTime).toBeGreaterThanOrEqual(self.startTime);
  child.kill('SIGKILL');
});

test('a child is found before its shim has written it down, and never that of another', async () => {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const other = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    const pid = await until(() => child.pid);
    const startTime = await until(() => readStat(pid)?.startTime);
    const spec = { sandbox: 'marker' };
    expect(childIn(directoryWith({ 'spec.json': spec, owner: shim }))).toEqual({ pid, startTime });
    expect(childIn(directoryWith({ 'spec.json': { sandbox: 'pid_namespace' }, owner: shim }))).toBeUndefined();
    expect(childIn(directoryWith({ owner: shim, 'run.json': run }))).toEqual({ pid: self.pid, startTime: self.startTime });
    expect(childIn(directoryWith({ 'spec.json': spec, owner: { ...shim, startTime: 1 } }))).toBeUndefined();
    expect(childIn(directoryWith({ 'spec.json': spec, owner: { ...shim, bootId: 'other' } }))).toBeUndefined();
    expect(childIn(directoryWith({}))).toBeUndefined();
  } finally {
    child.kill('SIGKILL');
    other.kill('SIGKILL');
  }
});
