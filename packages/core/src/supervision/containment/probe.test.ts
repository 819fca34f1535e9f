import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { cgroupPrefix } from '../shim/cgroup.ts';
import { living, stateId } from '../testing.testsuite.ts';
import { chooseContainment, ContainmentRefused, heldBy } from './choose.ts';
import { probeContainment, probeLevel } from './probe.ts';

const path = '/usr/local/bin:/usr/bin:/bin';
const here = await probeContainment({ stateId, path });
const own = cgroupDirectory('self', 'unified');

describe('a probe', () => {
  test('says of each level whether it works or why not, and which is best', () => {
    expect(Object.keys(here.levels)).toEqual(['cgroup', 'pid_namespace', 'marker']);
    for (const probed of Object.values(here.levels)) expect(probed.works || probed.why.length > 10).toBe(true);
    expect(here.levels.marker).toEqual({ works: true });
    expect(here.levels[here.best]).toEqual({ works: true });
  });

  test('leaves nothing', () => {
    expect(living()).toEqual([]);
    expect(own === undefined ? [] : readdirSync(own).filter((name) => name.startsWith(cgroupPrefix(stateId)))).toEqual([]);
  });

  test('of a namespace without bubblewrap names it', async () => {
    expect(await probeLevel('pid_namespace', { stateId, path: '/nowhere' })).toEqual({
      works: false,
      why: expect.stringContaining('bwrap'),
    });
  });

  test('does not take for held what it has not seen hidden', async () => {
    expect(await probeLevel('cgroup', { stateId, path: '/nowhere' })).toMatchObject({ works: false });
  });

  test('ends in time', async () => {
    const begun = performance.now();
    expect(await probeLevel('pid_namespace', { stateId, path, limitMs: 1 })).toMatchObject({ works: false });
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});

describe('the choice', () => {
  test('is the best level, with what is better and not to be had', async () => {
    const chosen = await chooseContainment('auto', { stateId, path });
    expect(chosen.level).toBe(here.best);
    expect(chosen.unavailable.every(({ why }) => why.length > 10)).toBe(true);
    expect(chosen.cgroup).toBe(here.best === 'cgroup' ? own : undefined);
  });

  test('falls on the marker where nothing else works', async () => {
    const chosen = await chooseContainment('auto', { stateId, path: '/nowhere' });
    expect(chosen).toMatchObject({ level: 'marker', unavailable: [{ level: 'cgroup' }, { level: 'pid_namespace' }] });
  });

  test('tries nothing where the marker is asked for', async () => {
    expect(await chooseContainment('marker', { stateId, path })).toEqual({ level: 'marker', unavailable: [] });
  });

  test.each(['cgroup', 'pid_namespace'] as const)('refuses %s by name where it does not work, and says why', async (level) => {
    const refusal = await chooseContainment(level, { stateId, path: '/nowhere' }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ContainmentRefused);
    expect(refusal).toMatchObject({
      reason: 'CONTAINMENT_UNAVAILABLE',
      message: expect.stringContaining(`supervision.containment is ${level}`),
    });
  });

  test('is what a specification says', () => {
    expect(heldBy({ level: 'marker' }, 'state/task/1/gate-0-1')).toEqual({ sandbox: 'marker' });
    expect(heldBy({ level: 'cgroup', cgroup: '/sys/fs/cgroup/a' }, 'state/x')).toEqual({
      sandbox: 'cgroup',
      cgroup: expect.stringMatching(/^\/sys\/fs\/cgroup\/a\/singletree-state-[0-9a-f]{16}$/),
    });
  });
});
