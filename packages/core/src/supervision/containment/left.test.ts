import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { hostCall } from '../host.ts';
import { look } from '../look.ts';
import { markerOf, type Owner } from '../protocol.ts';
import { settle } from '../settle.ts';
import { cgroupHold, cgroupName, makeCgroup } from '../shim/cgroup.ts';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { sweepDead } from '../sweep.ts';
import { root, start, stateId, until } from '../testing.testsuite.ts';
import { probeLevel } from './probe.ts';

const probed = await probeLevel('cgroup', { stateId, path: process.env['PATH'] ?? '' });
const own = cgroupDirectory('self', 'unified') ?? '/';
const markerOfDirectory = (directory: string): string => markerOf(stateId, basename(directory));
const made: string[] = [];
afterAll(async () => {
  for (const directory of made) {
    const hold = cgroupHold(directory);
    hold.kill();
    await until(() => hold.remove());
  }
});

/** A process that nothing but its cgroup names. */
function hiddenIn(name: string): { cgroup: string; child: ChildProcess } {
  const cgroup = join(own, name);
  makeCgroup(cgroup);
  made.push(cgroup);
  const child = spawn('sleep', ['60'], { env: { PATH: '/usr/bin:/bin' }, detached: true, stdio: 'ignore' });
  writeFileSync(join(cgroup, 'cgroup.procs'), String(child.pid));
  return { cgroup, child };
}

/** A directory whose shim was killed and whose child lives on. */
async function abandoned(): Promise<string> {
  const directory = await start('setsid env -i /bin/sleep 60 & sleep 60', { sandbox: 'cgroup' });
  await until(() => existsSync(join(directory, 'run.json')));
  const owner: Owner = JSON.parse(readFileSync(join(directory, 'owner'), 'utf8'));
  process.kill(owner.pid, 'SIGKILL');
  await until(async () => (await look(directory)).kind === 'dead');
  return directory;
}

const named = probed.works ? 'what a shim left in a cgroup' : `what a shim left in a cgroup (not here: ${probed.why})`;
describe.skipIf(!probed.works)(`${named}:`, () => {
  test('is found without its specification too', async () => {
    const directory = await abandoned();
    const cgroup = join(own, cgroupName(markerOfDirectory(directory)));
    const members = readFileSync(join(cgroup, 'cgroup.procs'), 'latin1').trim().split('\n').map(Number);
    writeFileSync(join(directory, 'spec.json'), '{ torn');
    const { swept, survivors } = await sweepDead(directory, markerOfDirectory(directory));
    expect(survivors).toEqual([]);
    expect(swept).toEqual(expect.arrayContaining(members));
    expect(existsSync(cgroup)).toBe(false);
  });

  test('is not looked for where a specification leads to somebody else’s', async () => {
    const { cgroup, child } = hiddenIn(`singletree-${randomUUID()}-0123456789abcdef`);
    const directory = await abandoned();
    const file = join(directory, 'spec.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), cgroup }));
    expect(await sweepDead(directory, markerOfDirectory(directory))).toMatchObject({ survivors: [] });
    expect(existsSync(join(own, cgroupName(markerOfDirectory(directory))))).toBe(false);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    expect(existsSync(cgroup)).toBe(true);
  });

  test('is ended at the start also where its directory is gone, and what is kept is not', async () => {
    const kept = await start('sleep 60', { sandbox: 'cgroup' });
    const stray = hiddenIn(cgroupName(markerOf(stateId, 'gone/1')));
    const empty = join(own, cgroupName(markerOf(stateId, 'gone/2')));
    makeCgroup(empty);
    const settled = await settle({
      root,
      stateId,
      verdict: (directory) => (directory === basename(kept) ? 'keep' : 'stale'),
      now: () => 1,
    });
    expect(settled.filter(({ found }) => found === 'unknown')).toEqual([
      { directory: basename(stray.cgroup), found: 'unknown', swept: [stray.child.pid], survivors: [] },
    ]);
    await until(() => stray.child.signalCode === 'SIGKILL');
    expect([stray.cgroup, empty].filter((path) => existsSync(path))).toEqual([]);
    expect((await look(kept)).kind).toBe('alive');
    await settle({ root, stateId, verdict: () => 'stale', now: () => 1 });
    expect((await look(kept)).kind).toBe('exited');
  });

  test('is not killed whole by a program that is in it itself', async () => {
    const cgroup = join(own, cgroupName(markerOf(stateId, 'stuck/1')));
    const source = JSON.stringify(new URL('../shim/cgroup.ts', import.meta.url).href);
    const program = `
      import { writeFileSync } from 'node:fs';
      import { cgroupHold, makeCgroup } from ${source};
      const [directory, outside] = process.argv.slice(1);
      const hold = cgroupHold(directory);
      makeCgroup(directory);
      writeFileSync(directory + '/cgroup.procs', '0');
      hold.kill();
      console.log('alive', hold.remove());
      writeFileSync(outside + '/cgroup.procs', '0');
      console.log('outside', hold.remove());`;
    const { stdout } = await hostCall(process.execPath, ['--input-type=module', '-e', program, cgroup, own]);
    expect(stdout.toString('utf8')).toBe('alive true\noutside true\n');
    expect(existsSync(cgroup)).toBe(false);
  });
});
