import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { requestStop } from '../directory.ts';
import { startShim } from '../host.ts';
import { look } from '../look.ts';
import { markerName, markerOf, type Owner, type RunRecord, type StopRequest } from '../protocol.ts';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { cgroupName } from '../shim/cgroup.ts';
import { startInNamespace } from '../shim/namespace.ts';
import { isLiving, readStat, readTable } from '../shim/process-table.ts';
import { sweepDead } from '../sweep.ts';
import { ending, prepare, root, said, start, stateId, until, type Wanted } from '../testing.testsuite.ts';
import { probeContainment } from './probe.ts';

/** What holds a process beyond the marker, where this machine lets it: real shims, real children, and children that hide. */

const { levels } = await probeContainment({ stateId, path: process.env['PATH'] ?? '' });
const held = (['cgroup', 'pid_namespace'] as const).map((level) => {
  const probed = levels[level];
  return { level, skip: probed.works ? undefined : probed.why, name: probed.works ? level : `${level} (not here: ${probed.why})` };
});
const path = '/usr/local/bin:/usr/bin:/bin';
const own = cgroupDirectory('self', 'unified') ?? '/';

const recordOf = async (directory: string): Promise<RunRecord> =>
  await until(() => existsSync(join(directory, 'run.json')) && JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')));
const cgroupOf = (directory: string): string => join(own, cgroupName(markerOf(stateId, basename(directory))));
const ownerOf = (directory: string): Owner => JSON.parse(readFileSync(join(directory, 'owner'), 'utf8'));
const stopOf = (kind: StopRequest['kind'], hardness: StopRequest['hardness']): StopRequest => ({ kind, hardness, by: 'test', at: 1 });

const given: number[] = [];
/** A number of seconds that nobody else sleeps: by it a process is found that hides from everything else. */
const oddSeconds = (): number => {
  const seconds = 3_600 + given.length + process.pid / 1e6;
  given.push(seconds);
  return seconds;
};
const sleeping = (duration: number): number[] =>
  readTable()
    .filter((stat) => isLiving(stat) && commandOf(stat.pid).includes(`sleep\0${duration}\0`))
    .map(({ pid }) => pid);

// What a failed test has found out that it was not found.
afterAll(() => given.flatMap(sleeping).forEach((pid) => process.kill(pid, 'SIGKILL')));

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

describe.each(held)('$name', ({ level, skip }) => {
  const at = (wanted: Wanted = {}): Wanted => ({ sandbox: level, ...wanted });

  describe.skipIf(skip !== undefined).concurrent('tells the truth of the child', () => {
    test.each([
      ['its exit code, also at once', 'exit 3', { code: 3, signal: null }],
      ['a code that looks like a signal', 'exit 137', { code: 137, signal: null }],
      ['its signal', 'kill -SEGV $$', { code: null, signal: 'SIGSEGV' }],
    ])('%s', async (_, script, expected) => {
      const directory = await start(script, at());
      expect(await ending(directory)).toMatchObject({ ...expected, survivors: [] });
      const run = await recordOf(directory);
      expect(run.sandbox).toBe(level);
      expect(run.refused).toBeUndefined();
      expect(existsSync(cgroupOf(directory))).toBe(false);
    });

    test.each([
      ['a file that does not exist', { file: 'no-such-program', args: [] }, 'ENOENT', 'no-such-program'],
      ['a file that may not be run', { file: '/etc/passwd', args: [] }, 'EACCES', '/etc/passwd'],
      ['more than the system takes', { env: { PATH: path, HUGE: 'x'.repeat(200_000) } }, 'E2BIG', undefined],
    ])('that nothing could be started: %s', async (_, wanted, code, stumbled) => {
      const directory = await start('true', at(wanted));
      const exit = await ending(directory);
      expect(exit).toMatchObject({ code: null, signal: null, spawnError: { code } });
      expect(exit.spawnError?.path).toBe(stumbled);
      expect(existsSync(cgroupOf(directory))).toBe(false);
    });

    test('and gives it its input, environment, secrets, marker, session and no other descriptor', async () => {
      const script =
        'ls -l /proc/self/fd >&2; cat; stat -L -c %F /proc/self/fd/0; env | sort; test "$(cut -d" " -f6 /proc/$$/stat)" = $$ && echo leads';
      const directory = await prepare(script, at({ stdin: '-x $(true)\n', env: { PATH: path, A: '1' }, secretNames: ['KEY'] }));
      await startShim(directory, { KEY: 'secret ☃' });
      await ending(directory);
      expect(said(directory)).toBe(
        `-x $(true)\nregular file\nA=1\nKEY=secret ☃\nPATH=${path}\nPWD=${root}\nSINGLETREE_PROCESS=${stateId}/${basename(directory)}\nleads\n`,
      );
      expect(said(directory, 'stderr')).not.toContain('socket:');
      expect(
        said(directory, 'stderr')
          .split('\n')
          .filter((line) => line.includes(root)),
      ).toHaveLength(3);
    });

    test('and of its CPU time', async () => {
      const exit = await ending(await start("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; exit 0", at()));
      expect(exit.cpuMs).toBeGreaterThanOrEqual(20);
    });
  });

  describe.skipIf(skip !== undefined).concurrent('stops', () => {
    test('a child that listens to SIGINT may say its last words', async () => {
      const directory = await start('trap "echo bye; exit 5" INT; while :; do sleep 0.05; done', at({ graces: { interruptMs: 60_000 } }));
      const { pid } = await recordOf(directory);
      // The record names the child itself, which is a shell.
      expect(commandOf(pid)).toMatch(/^\/bin\/sh\0-c\0trap/);
      await sleep(100);
      await requestStop(directory, stopOf('cancel', 'interrupt'));
      expect(await ending(directory)).toMatchObject({ code: 5, stop: { kind: 'cancel' } });
      expect(said(directory)).toBe('bye\n');
    });

    test('one that ignores SIGINT and SIGTERM is killed', async () => {
      const directory = await start('trap "" INT TERM; echo on; while :; do sleep 60; done', at());
      await until(() => said(directory) === 'on\n');
      await requestStop(directory, stopOf('cancel', 'interrupt'));
      expect(await ending(directory)).toMatchObject({ code: null, signal: 'SIGKILL', stop: { kind: 'cancel' }, survivors: [] });
    });

    test('one that is stopped takes its signal', async () => {
      const directory = await start('trap "exit 6" TERM; kill -STOP $$; sleep 60', at({ graces: { terminateMs: 60_000 } }));
      const { pid } = await recordOf(directory);
      await until(() => readStat(pid)?.state === 'T');
      await requestStop(directory, stopOf('terminate', 'terminate'));
      expect(await ending(directory)).toMatchObject({ code: 6, stop: { kind: 'terminate' } });
    });
  });

  describe.skipIf(skip !== undefined).concurrent('leaves nobody who hides,', () => {
    const hidden = (duration: number): string => `setsid env -i /bin/sleep ${duration} &`;
    /** How processes leave their session, their parent and their environment behind; each sleeps for a time of its own. */
    const artists: Readonly<Record<string, (duration: number) => string>> = {
      'at once': hidden,
      'by a double fork': (duration) => `(setsid env -i /bin/sh -c '(/bin/sleep ${duration} &)' &)`,
      'ignoring what it can': (duration) => `setsid env -i /bin/sh -c 'trap "" HUP INT TERM; /bin/sleep ${duration}; :' &`,
      'and stopped': (duration) => `setsid env -i /bin/sh -c '/bin/sleep ${duration} & kill -STOP $$ $!' &`,
      'thirty at once': (duration) => `i=0; while [ $i -lt 30 ]; do ${hidden(duration)} i=$((i+1)); done`,
    };
    const troupe = (): { durations: Map<string, number>; script: string } => {
      const durations = new Map(Object.keys(artists).map((name) => [name, oddSeconds()]));
      return {
        durations,
        script: Object.values(artists)
          .map((artist, index) => artist([...durations.values()][index]!))
          .join('\n'),
      };
    };
    const onStage = (durations: Map<string, number>): string[] =>
      [...durations].filter(([, each]) => sleeping(each).length > 0).map(([name]) => name);

    test('when the child ends by itself', async () => {
      const { durations, script } = troupe();
      const exit = await ending(await start(`${script}\nexit 0`, at()));
      expect(exit).toMatchObject({ code: 0, survivors: [] });
      expect(exit.swept.length).toBeGreaterThan(30);
      expect(onStage(durations)).toEqual([]);
    });

    test('when it is killed', async () => {
      const { durations, script } = troupe();
      const directory = await start(`${script}\nwhile :; do sleep 60; done`, at());
      await until(() => onStage(durations).length === durations.size);
      await requestStop(directory, stopOf('kill', 'kill'));
      expect(await ending(directory)).toMatchObject({ signal: 'SIGKILL', survivors: [] });
      expect(onStage(durations)).toEqual([]);
    });

    test('of those that fork meanwhile', async () => {
      const duration = oddSeconds();
      const forks = `setsid env -i /bin/sh -c 'i=0; while [ $i -lt 50 ]; do /bin/sleep ${duration} & /bin/sleep 0.02; i=$((i+1)); done' &`;
      const exit = await ending(await start(`${forks} ${forks} sleep 0.2`, at()));
      expect(exit.survivors).toEqual([]);
      expect(sleeping(duration)).toEqual([]);
    });
  });

  test.skipIf(skip !== undefined)('counts the memory of one that hides', async () => {
    const program = 'const held = Buffer.alloc(9e7, 1); setTimeout(() => held.length, 60_000)';
    const directory = await start(`setsid env -i ${process.execPath} -e '${program}' & sleep 2`, at());
    expect((await ending(directory)).peakMemoryBytes).toBeGreaterThan(9e7);
  });

  test.skipIf(skip !== undefined)('of a shim that was killed nobody is left either', async () => {
    const duration = oddSeconds();
    const directory = await start(`setsid env -i /bin/sleep ${duration} & while :; do sleep 60; done`, at());
    await until(() => sleeping(duration).length > 0);
    process.kill(ownerOf(directory).pid, 'SIGKILL');
    await until(async () => (await look(directory)).kind === 'dead');
    expect(await sweepDead(directory, markerOf(stateId, basename(directory)))).toMatchObject({ survivors: [] });
    await until(() => sleeping(duration).length === 0, 2_000);
    expect(existsSync(cgroupOf(directory))).toBe(false);
  });
});

describe.skipIf(!levels.pid_namespace.works)('in a PID namespace, whoever waits for the child inside', () => {
  test('takes it along when it is killed', async () => {
    const directory = await start('while :; do sleep 60; done', { sandbox: 'pid_namespace' });
    const { pid } = await recordOf(directory);
    process.kill(readStat(pid)?.parent ?? 0, 'SIGKILL');
    const exit = await ending(directory);
    expect(exit).toMatchObject({ code: null, signal: 'SIGKILL', survivors: [] });
    expect(exit.stop).toBeUndefined();
    expect(exit.cpuMs).toBeUndefined();
  });

  test('may be killed before it has read all that it was told', async () => {
    const nothing = openSync('/dev/null', 'r+');
    const command = { file: '/bin/sleep', args: ['60'], cwd: '/', env: { PATH: path, [markerName]: `${stateId}/early` } };
    for (let time = 0; time < 5; time += 1) {
      const { ended, hold } = await startInNamespace(command, [nothing, nothing, nothing]);
      hold?.kill();
      expect(await ended).toEqual({ code: null, signal: 'SIGKILL' });
    }
    closeSync(nothing);
  });
});

describe('a level that cannot be had for one process', () => {
  test('is told, and the process runs at the next one', async () => {
    const directory = await start('echo ran; sleep 0.1', { sandbox: 'pid_namespace', env: { PATH: '/nowhere' } });
    expect(await ending(directory)).toMatchObject({ code: 127 });
    expect(await recordOf(directory)).toMatchObject({
      sandbox: 'marker',
      refused: [{ level: 'pid_namespace', why: expect.stringContaining('bwrap') }],
    });
    expect(said(directory)).toBe('ran\n');
  });

  test.each([
    ['that is none', '/tmp/cgroup'],
    ['of somebody else', join(own, 'system.slice')],
    ['that leads elsewhere', `${own}/../singletree`],
  ])('a cgroup %s is neither made nor entered', async (_, cgroup) => {
    const directory = await start('sleep 0.1', { sandbox: 'cgroup', cgroup, env: { PATH: '/bin' } });
    expect(await ending(directory)).toMatchObject({ code: 0 });
    const { sandbox, refused } = await recordOf(directory);
    expect(sandbox).not.toBe('cgroup');
    expect(refused?.[0]).toMatchObject({ level: 'cgroup', why: expect.stringContaining(cgroup) });
    expect(existsSync(cgroup)).toBe(false);
  });

  test.skipIf(!levels.cgroup.works)('a cgroup whose parent is gone is not made anew', async () => {
    const spec = await prepare('sleep 0.1', { sandbox: 'cgroup' });
    const file = join(spec, 'spec.json');
    const cgroup = join(own, 'gone', basename(cgroupOf(spec)));
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), cgroup }));
    await startShim(spec, {});
    expect(await ending(spec)).toMatchObject({ code: 0 });
    expect((await recordOf(spec)).refused?.[0]).toMatchObject({ level: 'cgroup', why: expect.stringContaining('ENOENT') });
    expect(existsSync(join(own, 'gone'))).toBe(false);
  });
});
