import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readClock, vouch } from './directory.ts';
import { startShim } from './host.ts';
import { look } from './look.ts';
import type { ExitRecord, ProcessSpec } from './protocol.ts';
import { daemon, ending, prepare, said, spawnShim, start, until } from './testing.testsuite.ts';

/** What a limit may take beyond itself: the graces of these tests, and what a loaded machine adds. */
const latestMs = 400 + 4_000;
const chatter = 'while :; do echo .; sleep 0.05; done';

/** The limit acted at its time: never early, and soon after. */
function expectStopped(exit: ExitRecord, kind: string, atMs: number): void {
  expect(exit).toMatchObject({ stop: { kind, by: 'shim', hardness: 'interrupt' }, survivors: [] });
  expect(exit.durationMs).toBeGreaterThanOrEqual(atMs);
  expect(exit.durationMs).toBeLessThan(atMs + latestMs);
}

describe.concurrent('time', () => {
  test.each(['SIGKILL', 'SIGSTOP'] as const)('holds while the daemon has got %s', async (signal) => {
    const directory = await prepare('sleep 60 & setsid sleep 60 & sleep 60', { limits: { timeoutMs: 700 } });
    const host = daemon(directory);
    await until(async () => (await look(directory)).kind === 'alive');
    host.kill(signal);
    expectStopped(await ending(directory), 'timeout', 700);
    host.kill('SIGKILL');
  });

  test.each<[kind: string, limits: ProcessSpec['limits'], script: string]>([
    ['timeout', { timeoutMs: 400, attemptTimeoutMs: 600, stallMs: 5_000 }, chatter],
    ['attempt_timeout', { timeoutMs: 600, attemptTimeoutMs: 400, stallMs: 5_000 }, chatter],
    ['first_output', { timeoutMs: 5_000, firstOutputMs: 400, stallMs: 100 }, 'sleep 60'],
    ['stall', { timeoutMs: 5_000, firstOutputMs: 100, stallMs: 400 }, 'echo .; sleep 60'],
    ['stall', { timeoutMs: 5_000, firstOutputMs: 100, stallMs: 400 }, 'echo . >&2; sleep 60'],
  ])('%s by %o', async (kind, limits, script) => {
    expectStopped(await ending(await start(script, { limits })), kind, 400);
  });

  test('stands still for nobody who changes the clock', async () => {
    const endings = [86_400_000, -86_400_000].map(async (jumpMs) => {
      const directory = await prepare('echo .; sleep 60', { limits: { timeoutMs: 800, stallMs: 60_000 } });
      // Its first look at the clock is the start of the child.
      const jump = `const now = Date.now; let from; Date.now = () => now() + (performance.now() > (from ??= performance.now() + 300) ? ${jumpMs} : 0);`;
      spawnShim(directory, { nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(jump)}`] });
      const exit = await ending(directory);
      expectStopped(exit, 'timeout', 800);
      expect(Math.abs(exit.endedAt - exit.startedAt), 'the clock did jump').toBeGreaterThan(80_000_000);
    });
    await Promise.all(endings);
  });

  test('a child that goes on talking is not silent, however long the limit is over', async () => {
    const directory = await start(`for i in 1 2 3 4 5 6 7 8; do echo .; sleep 0.25; done`, {
      limits: { firstOutputMs: 1_000, stallMs: 1_000 },
    });
    expect((await ending(directory)).stop).toBeUndefined();
  });

  test('silence counts from the last word', async () => {
    const directory = await start('for i in 1 2 3 4 5 6; do echo .; sleep 0.1; done; exec sleep 60', { limits: { stallMs: 700 } });
    const exit = await ending(directory);
    const clock = await readClock(directory);
    expect(exit.stop).toMatchObject({ kind: 'stall' });
    // 500 ms at least until the last word, whatever the machine does.
    expect(exit.durationMs).toBeGreaterThanOrEqual(1_200);
    expect(clock.at(-1)).toMatchObject({ stdout: 12 });
  });

  test('a shim that stood still finds a child that talked, and one that stood still with it', async () => {
    const talking = await start('for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo .; sleep 0.25; done', {
      limits: { stallMs: 2_500 },
    });
    const resting = await start('echo .; sleep 2; echo .', { limits: { stallMs: 2_500 } });
    const pids = await Promise.all(
      [talking, resting].map((directory) =>
        until(async () => {
          const seen = await look(directory);
          return seen.kind === 'alive' && seen.run && said(directory) !== '' ? { shim: seen.owner.pid, child: seen.run.pid } : undefined;
        }),
      ),
    );
    const [, rest] = pids;
    // Until each shim has heard the first word.
    await sleep(300);
    for (const { shim } of pids) process.kill(shim, 'SIGSTOP');
    if (rest) process.kill(-rest.child, 'SIGSTOP');
    await sleep(3_000);
    for (const { shim } of pids) process.kill(shim, 'SIGCONT');
    await sleep(400);
    if (rest) process.kill(-rest.child, 'SIGCONT');
    expect((await ending(talking)).stop).toBeUndefined();
    expect(await ending(resting)).toMatchObject({ code: 0 });
  });
});

describe.concurrent('room', () => {
  test('output: a flood is frozen and ended at once', async () => {
    const directory = await start('trap "" INT TERM; setsid yes & yes >&2', {
      limits: { outputBytes: 100_000 },
      graces: { interruptMs: 60_000 },
    });
    const exit = await ending(directory);
    expect(exit).toMatchObject({ signal: 'SIGKILL', stop: { kind: 'output_limit', by: 'shim' } });
    expect(Math.max(exit.lengths.stdout, exit.lengths.stderr)).toBeGreaterThan(100_000);
    expect(said(directory).length).toBe(exit.lengths.stdout);
  });

  test('a disk that is full already: nothing is started', async () => {
    const directory = await start('echo started', { limits: { minFreeBytes: 2 ** 60 } });
    expect(await ending(directory)).toMatchObject({
      code: null,
      signal: null,
      durationMs: 0,
      stop: { kind: 'disk_full', hardness: 'kill', by: 'shim' },
    });
    expect(existsSync(join(directory, 'run.json'))).toBe(false);
  });

  test('a disk that fills: what fills it is stopped, and has no time to go on', async () => {
    const cwd = mkdtempSync('/dev/shm/singletree-disk-');
    try {
      const { bavail, bsize } = statfsSync(cwd);
      const script = 'trap "" INT TERM; sleep 0.3; head -c 16777216 /dev/zero > filling; while :; do date +%s >> later; sleep 0.05; done';
      const directory = await start(script, {
        cwd,
        limits: { minFreeBytes: bavail * bsize - 8 * 2 ** 20 },
        graces: { interruptMs: 60_000 },
      });
      const exit = await ending(directory);
      expect(exit).toMatchObject({ signal: 'SIGKILL', stop: { kind: 'disk_full', by: 'shim' }, survivors: [] });
      expect(exit.durationMs).toBeGreaterThanOrEqual(300);
      expect(exit.durationMs).toBeLessThan(300 + 1_250 + latestMs);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});

describe.concurrent('a process that needs the daemon', () => {
  test('ends when nobody vouches for it any more', async () => {
    const directory = await prepare('sleep 60', { limits: { unsupervisedMs: 1 } });
    await vouch(directory, process.hrtime.bigint() + 60_000_000_000n);
    await startShim(directory, {});
    await until(() => existsSync(join(directory, 'run.json')));
    const last = process.hrtime.bigint() + 500_000_000n;
    await vouch(directory, last);
    expect((await ending(directory)).stop).toMatchObject({ kind: 'unsupervised', by: 'shim' });
    expect(process.hrtime.bigint()).toBeGreaterThan(last);
  });

  test('nor for which nobody ever vouched', async () => {
    expectStopped(await ending(await start('sleep 60', { limits: { unsupervisedMs: 300 } })), 'unsupervised', 300);
  });

  test('lives as long as somebody does', async () => {
    const directory = await start('sleep 1.5; exit 9', { limits: { unsupervisedMs: 2_000 } });
    const vouching = setInterval(() => void vouch(directory, process.hrtime.bigint() + 2_000_000_000n), 100);
    const exit = await ending(directory);
    clearInterval(vouching);
    expect(exit).toMatchObject({ code: 9 });
    expect(exit.stop).toBeUndefined();
  });

  test('that stood still together with it is not ended before the daemon could vouch again', async () => {
    const directory = await prepare('sleep 5; exit 9', { limits: { unsupervisedMs: 1_500 } });
    const vouchNow = (): Promise<void> => vouch(directory, process.hrtime.bigint() + 1_500_000_000n);
    await vouchNow();
    await startShim(directory, {});
    const { pid } = await until(async () => {
      const seen = await look(directory);
      return seen.kind === 'alive' && seen.run ? seen.owner : undefined;
    });
    await vouchNow();
    process.kill(pid, 'SIGSTOP');
    await sleep(3_000);
    process.kill(pid, 'SIGCONT');
    await sleep(200);
    await vouchNow();
    const vouching = setInterval(() => void vouchNow(), 100);
    const exit = await ending(directory);
    clearInterval(vouching);
    expect(exit).toMatchObject({ code: 9 });
    expect(exit.stop).toBeUndefined();
  });
});
