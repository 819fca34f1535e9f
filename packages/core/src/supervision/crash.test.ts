import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requestStop } from './directory.ts';
import { startShim } from './host.ts';
import { look, type Look } from './look.ts';
import { markerOf } from './protocol.ts';
import { sweepDead } from './sweep.ts';
import { daemon, ending, living, prepare, randomFrom, seed, spawnShim, stateId, until } from './testing.testsuite.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const markerOfDirectory = (directory: string): string => markerOf(stateId, basename(directory));
const kindOf = async (directory: string): Promise<Look['kind']> => (await look(directory)).kind;
const gone = (directory: string): Promise<boolean> => until(() => living(markerOfDirectory(directory)).length === 0);
const exited = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('close', resolve));
const outputOf = (directory: string): string => readFileSync(join(directory, 'stdout.log'), 'utf8');

const body = Buffer.from('{"KEY":"secret"}');
const sum = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const length = (bytes: number): Buffer => Buffer.from(Uint32Array.of(bytes).buffer).swap32();

test.concurrent.each([
  ['the pipe is closed at once', Buffer.alloc(0), 'closed the pipe'],
  ['closed within the length', length(body.length).subarray(0, 3), 'closed the pipe'],
  ['closed within the body', Buffer.concat([length(body.length), body.subarray(0, 9)]), 'closed the pipe'],
  ['closed within the sum', Buffer.concat([length(body.length), body, sum(body).subarray(1)]), 'closed the pipe'],
  ['another body', Buffer.concat([length(body.length), Buffer.from('{"KEY":"Secret"}'), sum(body)]), 'damaged'],
  ['a length that nobody means', Buffer.concat([length(0xffffffff), body, sum(body)]), 'at most'],
  ['no end to it', Buffer.concat([length(body.length), body]), 'within 5000 ms'],
])(
  'a shim that does not get a whole frame owns nothing: %s',
  async (_, bytes, why) => {
    const directory = await prepare('echo started', { secretNames: ['KEY'] });
    const shim = spawnShim(directory, { bytes, closes: !why.startsWith('within') });
    let said = '';
    shim.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await exited(shim)).toBe(1);
    expect(said).toContain(why);
    expect(await kindOf(directory)).toBe('unowned');
    expect(readdirSync(directory).sort()).toEqual(['spec.json', 'stdin', 'stop']);
  },
  15_000,
);

/** 400 KB in four variables, since the system takes at most 128 KiB in one. The child tells the sum of what it got. */
const names = ['A', 'B', 'C', 'D'];
const bigExpression = `Object.fromEntries(${JSON.stringify(names)}.map((name, place) => [name, String(place).repeat(100_000)]))`;
const bigSecrets = Object.fromEntries(names.map((name, place) => [name, String(place).repeat(100_000)]));
const bigSum = sum(Buffer.from(Object.values(bigSecrets).join(''))).toString('hex');
const bigChild = {
  secretNames: names,
  file: process.execPath,
  args: ['-p', `crypto.hash('sha256', ${JSON.stringify(names)}.map((name) => process.env[name]).join(''))`],
};

test.concurrent('a daemon killed in the middle of 400 KB of secrets leaves no owner, and a new shim gets all of it', async () => {
  const directory = await prepare('', bigChild);
  const host = daemon(directory, bigExpression, { SINGLETREE_FAILPOINTS: 'supervision.frame.middle=kill' });
  await exited(host);
  expect(host.signalCode).toBe('SIGKILL');
  await gone(directory);
  expect(await kindOf(directory)).toBe('unowned');
  expect(await startShim(directory, bigSecrets)).toEqual({ gone: false });
  expect(await ending(directory)).toMatchObject({ code: 0 });
  expect(outputOf(directory).trim()).toBe(bigSum);
});

test.concurrent(
  `a daemon killed at any moment of it: all of it or nothing (seed ${seed})`,
  async () => {
    const random = randomFrom(seed);
    for (let round = 0; round < (full ? 40 : 4); round += 1) {
      const directory = await prepare('', bigChild);
      const host = daemon(directory, bigExpression);
      await until(() => existsSync(join(directory, 'shim.log')));
      await sleep(random() * 150);
      host.kill('SIGKILL');
      await gone(directory);
      if ((await kindOf(directory)) === 'unowned') continue;
      expect(await ending(directory)).toMatchObject({ code: 0 });
      expect(outputOf(directory).trim()).toBe(bigSum);
    }
  },
  full ? 120_000 : 30_000,
);

test.concurrent.each([
  ['supervision.spawn.before', 'unowned'],
  ['supervision.spawn.after', 'unowned'],
  ['supervision.frame.after', 'exited'],
])('a daemon killed at %s leaves the directory %s, and begun again it ran once', async (point, then) => {
  const directory = await prepare('echo ran');
  await exited(daemon(directory, '{}', { SINGLETREE_FAILPOINTS: `${point}=kill` }));
  await gone(directory);
  expect(await kindOf(directory)).toBe(then);
  await startShim(directory, {});
  expect(await ending(directory)).toMatchObject({ code: 0 });
  expect(outputOf(directory)).toBe('ran\n');
});

test.concurrent.each([
  ['shim.owner.before', 'unowned'],
  ['shim.owner.after', 'dead'],
  ['shim.spawn.before', 'dead'],
  ['shim.spawn.after', 'dead'],
  ['shim.run.before', 'dead'],
  ['shim.run.after', 'dead'],
  ['shim.kill.before', 'dead'],
  ['shim.kill.after', 'dead'],
  ['shim.exit.before', 'dead'],
  ['shim.exit.after', 'exited'],
])('a shim killed at %s leaves the directory %s and no child that lives on', async (point, then) => {
  const script = point.startsWith('shim.exit') ? 'sleep 0.1' : 'echo much; setsid sleep 60 & sleep 60';
  const directory = await prepare(script, { limits: point.startsWith('shim.kill') ? { outputBytes: 1 } : {} });
  const shim = spawnShim(directory, { env: { SINGLETREE_FAILPOINTS: `shim.stranger=kill,${point}=kill` } });
  await exited(shim);
  expect(shim.signalCode).toBe('SIGKILL');
  expect(await kindOf(directory)).toBe(then);
  if (then === 'dead') expect(await sweepDead(directory, markerOfDirectory(directory))).toMatchObject({ survivors: [] });
  expect(living(markerOfDirectory(directory))).toEqual([]);
});

test.concurrent('what a silent child used whose shim was killed: until now while it lives, else up to the last sign of life', async () => {
  const lost = async (): Promise<{ directory: string; child: number }> => {
    const directory = await prepare('exec sleep 60');
    await startShim(directory, {});
    const child: unknown = await until(
      () => existsSync(join(directory, 'run.json')) && JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')).pid,
    );
    await sleep(700);
    process.kill(JSON.parse(readFileSync(join(directory, 'owner'), 'utf8')).pid, 'SIGKILL');
    await until(async () => (await kindOf(directory)) === 'dead');
    return { directory, child: Number(child) };
  };
  const [living, ended] = await Promise.all([lost(), lost()]);
  process.kill(ended.child, 'SIGKILL');
  await gone(ended.directory);
  const swept = await sweepDead(living.directory, markerOfDirectory(living.directory));
  expect(swept.swept).toEqual([living.child]);
  expect(swept.usedMs).toBeGreaterThanOrEqual(700);
  expect(swept.usedMs).toBeLessThan(9_000);
  expect((await sweepDead(ended.directory, markerOfDirectory(ended.directory))).usedMs, 'it said nothing after its start').toBe(0);
});

test.concurrent('a stop that comes while the shim is about to start its child is obeyed', async () => {
  // No shell: one that has just begun may lose a SIGINT, and ends by the next signal.
  const directory = await prepare('', { file: 'sleep', args: ['60'] });
  spawnShim(directory, { env: { SINGLETREE_FAILPOINTS: `shim.spawn.before=hold:${directory}` } });
  await until(() => existsSync(join(directory, 'shim.spawn.before.hit')));
  await requestStop(directory, { kind: 'cancel', hardness: 'interrupt', by: 'test', at: 1 });
  writeFileSync(join(directory, 'shim.spawn.before.go'), '');
  expect(await ending(directory)).toMatchObject({ signal: 'SIGINT', stop: { kind: 'cancel' }, survivors: [] });
});

test.concurrent(
  `shims killed right after the owner appears: each owner is whole, and no child lives on (seed ${seed})`,
  async () => {
    const random = randomFrom(seed);
    const one = async (): Promise<string> => {
      const directory = await prepare('setsid sleep 60 & sleep 60');
      // Resolves when the shim lets go of its pipe, in the moment after the link.
      await startShim(directory, {});
      const owner = JSON.parse(readFileSync(join(directory, 'owner'), 'utf8'));
      expect(owner).toEqual({ who: 'shim', pid: expect.any(Number), startTime: expect.any(Number), bootId: expect.any(String) });
      await sleep(random() < 0.5 ? 0 : random() * 30);
      process.kill(owner.pid, 'SIGKILL');
      await until(async () => (await kindOf(directory)) === 'dead');
      expect(await sweepDead(directory, markerOfDirectory(directory))).toMatchObject({ survivors: [] });
      return directory;
    };
    const directories: string[] = [];
    const count = full ? 250 : 20;
    const lane = async (): Promise<void> => {
      while (directories.length < count) directories.push(await one());
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    expect(directories.flatMap((directory) => living(markerOfDirectory(directory)))).toEqual([]);
    // Not each of them came as far as to record its child: the kills did fall into the moments that are meant.
    expect(directories.filter((directory) => !existsSync(join(directory, 'run.json')))).not.toEqual([]);
  },
  full ? 180_000 : 30_000,
);
