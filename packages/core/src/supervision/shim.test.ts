import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readClock, requestStop } from './directory.ts';
import { startShim } from './host.ts';
import { look } from './look.ts';
import type { StopRequest } from './protocol.ts';
import { readStat } from './shim/process-table.ts';
import { ending, prepare, root, said, start, until } from './testing.testsuite.ts';

const stopOf = (kind: StopRequest['kind'], hardness: StopRequest['hardness']): StopRequest => ({ kind, hardness, by: 'test', at: 1 });

describe.concurrent('the ending says what happened', () => {
  test('an exit code, the lengths of both outputs, the times and the memory', async () => {
    const before = Date.now();
    const exit = await ending(await start('echo hello; echo warning >&2; sleep 0.4; exit 3'));
    expect(exit).toMatchObject({ protocol: 2, code: 3, signal: null, lengths: { stdout: 6, stderr: 8 }, swept: [], survivors: [] });
    expect(exit.stop).toBeUndefined();
    expect(exit.spawnError).toBeUndefined();
    expect(exit.durationMs).toBeGreaterThanOrEqual(400);
    expect(exit.startedAt).toBeGreaterThanOrEqual(before);
    expect(exit.endedAt - exit.startedAt).toBeGreaterThanOrEqual(390);
    expect(exit.peakMemoryBytes).toBeGreaterThan(100_000);
  });

  test('a signal of its own', async () => {
    expect(await ending(await start('kill -SEGV $$'))).toMatchObject({ code: null, signal: 'SIGSEGV' });
  });

  test('the CPU time of the child and of what it waited for', async () => {
    const exit = await ending(await start("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; exit 0"));
    expect(exit.cpuMs).toBeGreaterThanOrEqual(20);
  });

  test.each([
    ['a file that does not exist', { file: 'no-such-program', args: [] }, 'ENOENT', 'no-such-program'],
    ['a file that may not be run', { file: '/etc/passwd', args: [] }, 'EACCES', '/etc/passwd'],
    ['a directory that does not exist', { cwd: '/no/such/directory' }, 'ENOENT', '/no/such/directory'],
    ['a directory that is none', { cwd: '/etc/passwd' }, 'ENOTDIR', '/etc/passwd'],
    ['more than the system takes', { env: { HUGE: 'x'.repeat(200_000) } }, 'E2BIG', undefined],
  ])('that nothing could be started: %s', async (_, wanted, code, path) => {
    const directory = await start('true', wanted);
    const exit = await ending(directory);
    expect(exit).toMatchObject({ code: null, signal: null, durationMs: 0, spawnError: { code } });
    expect(exit.spawnError?.path).toBe(path);
    expect(existsSync(join(directory, 'run.json'))).toBe(false);
  });

  test('how the outputs grew', async () => {
    const directory = await start('echo one; sleep 1.2; echo two');
    await ending(directory);
    const clock = await readClock(directory);
    expect(clock.length).toBeGreaterThanOrEqual(2);
    expect(clock[0]!.stdout).toBeLessThan(8);
    expect(clock.at(-1)).toMatchObject({ stdout: 8, stderr: 0 });
    expect(clock.map((line) => line.stdout)).toEqual(clock.map((line) => line.stdout).sort((a, b) => a - b));
    expect(clock.at(-1)!.monotonic - clock[0]!.monotonic).toBeGreaterThanOrEqual(1_200);
  });

  test('that a silent child lives, every 5 s', async () => {
    const directory = await start('sleep 60');
    const clock = await until(async () => {
      const lines = await readClock(directory);
      return lines.length > 1 ? lines : undefined;
    });
    expect(clock[1]!.monotonic - clock[0]!.monotonic).toBeGreaterThanOrEqual(5_000);
    await requestStop(directory, stopOf('kill', 'kill'));
    expect((await ending(directory)).durationMs).toBeLessThan(9_000);
  }, 15_000);
});

describe.concurrent('the child gets', () => {
  test('one log for all that it says, where its order matters', async () => {
    const directory = await start('echo one; echo two >&2; echo three', { oneOutput: true });
    expect((await ending(directory)).lengths).toEqual({ stdout: 14, stderr: 0 });
    expect(said(directory)).toBe('one\ntwo\nthree\n');
  });

  test('its input as a regular file, to the end', async () => {
    const directory = await start('cat; stat -L -c %F /proc/self/fd/0 >&2', { stdin: '-x $(true)\r\n\u001b[0m' });
    await ending(directory);
    expect(said(directory)).toBe('-x $(true)\r\n\u001b[0m');
    expect(said(directory, 'stderr')).toBe('regular file\n');
  });

  test('exactly its environment, its secrets and its marker, and a session of its own', async () => {
    const directory = await prepare('', {
      file: process.execPath,
      args: ['-p', 'JSON.stringify(process.env)'],
      env: { A: '1' },
      secretNames: ['KEY'],
    });
    await startShim(directory, { KEY: 'secret ☃' });
    await ending(directory);
    expect(JSON.parse(said(directory))).toEqual({ A: '1', KEY: 'secret ☃', SINGLETREE_PROCESS: expect.stringContaining('/') });
    expect(readFileSync(join(directory, 'spec.json'), 'utf8')).not.toContain('☃');
  });

  test('none of our descriptors but its three', async () => {
    const directory = await start('ls -l /proc/$$/fd');
    await ending(directory);
    expect(said(directory)).not.toContain('socket:');
    expect(
      said(directory)
        .split('\n')
        .filter((line) => line.includes(root)),
    ).toHaveLength(3);
  });
});

describe.concurrent('stopping', () => {
  test('a child that listens to SIGINT may say its last words', async () => {
    const directory = await start('trap "echo bye; exit 5" INT; while :; do sleep 0.05; done', { graces: { interruptMs: 60_000 } });
    await until(() => existsSync(join(directory, 'run.json')));
    await sleep(100);
    await requestStop(directory, stopOf('cancel', 'interrupt'));
    expect(await ending(directory)).toMatchObject({ code: 5, stop: { kind: 'cancel', by: 'test' } });
    expect(said(directory)).toBe('bye\n');
  });

  test('one that ignores SIGINT and SIGTERM is killed, with what left its session', async () => {
    const directory = await start('trap "" INT TERM; (trap "" INT TERM; setsid sh -c "echo \\$\\$; sleep 60") & sleep 60; sleep 60');
    const grandchild = Number(await until(() => said(directory).trim()));
    await requestStop(directory, stopOf('cancel', 'interrupt'));
    const exit = await ending(directory);
    expect(exit).toMatchObject({ code: null, signal: 'SIGKILL', stop: { kind: 'cancel' }, survivors: [] });
    expect(exit.durationMs).toBeGreaterThanOrEqual(400);
    expect(readStat(grandchild)?.state ?? 'Z').toBe('Z');
  });

  test('a stopped child is continued, so that it can take its signal', async () => {
    const directory = await start('trap "exit 6" TERM; kill -STOP $$; sleep 60', { graces: { terminateMs: 60_000 } });
    await until(async () => {
      const seen = await look(directory);
      return seen.kind === 'alive' && seen.run && readStat(seen.run.pid)?.state === 'T';
    });
    await requestStop(directory, stopOf('terminate', 'terminate'));
    expect(await ending(directory)).toMatchObject({ code: 6, stop: { kind: 'terminate' } });
  });

  test('the first one is the cause, a later one makes it harder', async () => {
    const directory = await start('trap "echo ouch" INT; while :; do sleep 0.05; done', {
      graces: { interruptMs: 60_000, terminateMs: 60_000 },
    });
    await until(() => existsSync(join(directory, 'run.json')));
    await requestStop(directory, stopOf('cancel', 'interrupt'));
    await until(() => said(directory).includes('ouch'));
    await requestStop(directory, stopOf('kill', 'kill'));
    expect(await ending(directory)).toMatchObject({ signal: 'SIGKILL', stop: { kind: 'cancel' } });
  });

  test('one that is there before the child keeps it from being started', async () => {
    const directory = await prepare('echo started');
    await requestStop(directory, stopOf('cancel', 'interrupt'));
    await startShim(directory, {});
    expect(await ending(directory)).toMatchObject({ code: null, signal: null, durationMs: 0, stop: { kind: 'cancel' } });
    expect(said(directory)).toBe('');
    expect(existsSync(join(directory, 'run.json'))).toBe(false);
  });

  test('one that finds the child ended by itself is no cause', async () => {
    const directory = await start('sleep 0.3; exit 8');
    const { owner, run } = await until(async () => {
      const seen = await look(directory);
      return seen.kind === 'alive' && seen.run ? { owner: seen.owner, run: seen.run } : undefined;
    });
    // The shim finds both at once when it goes on: a child that has ended, and a stop.
    process.kill(owner.pid, 'SIGSTOP');
    await until(() => readStat(run.pid)?.state === 'Z');
    await requestStop(directory, stopOf('cancel', 'interrupt'));
    await sleep(300);
    process.kill(owner.pid, 'SIGCONT');
    const exit = await ending(directory);
    expect(exit).toMatchObject({ code: 8 });
    expect(exit.stop).toBeUndefined();
  });
});

describe.concurrent('what the child leaves behind is ended with it', () => {
  test.each([
    ['a background child that holds the output', 'sleep 60 & echo $!'],
    ['one in a session of its own', 'setsid sh -c "echo \\$\\$; exec sleep 60" & sleep 0.2'],
    ['a double fork', '(setsid sh -c "sh -c \\"echo \\\\\\$\\\\\\$; exec sleep 60\\" &" &); sleep 0.3'],
    ['one that ignores every signal it can', '(trap "" HUP INT TERM; sh -c "echo \\$\\$; exec sleep 60") & sleep 0.2'],
    ['one that cleared its environment and left, once it was seen', 'env -i setsid sh -c "echo \\$\\$; exec sleep 60" & sleep 0.7'],
    ['a stopped one', 'sh -c "echo \\$\\$; kill -STOP \\$\\$" & sleep 0.2'],
  ])('%s', async (_, script) => {
    const directory = await start(script);
    const exit = await ending(directory);
    const pid = Number(said(directory).trim());
    expect(pid).toBeGreaterThan(1);
    expect(exit).toMatchObject({ code: 0, survivors: [] });
    expect(exit.swept).toContain(pid);
    expect(readStat(pid)?.state ?? 'Z').toBe('Z');
    expect(exit.durationMs).toBeLessThan(2_000);
  });

  test('children that fork while they are being killed', async () => {
    const directory = await start('f() { while :; do setsid sleep 60 & sleep 0.01; done; }; f & f & f & sleep 0.3');
    expect((await ending(directory)).survivors).toEqual([]);
  });
});

test('a shim lives through the signals that a terminal or a shutdown sends', async () => {
  const directory = await start('sleep 0.6; exit 4');
  const seen = await look(directory);
  if (seen.kind !== 'alive') throw new Error(`the shim is ${seen.kind}`);
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.kill(seen.owner.pid, signal);
  expect(await ending(directory)).toMatchObject({ code: 4, signal: null });
});
