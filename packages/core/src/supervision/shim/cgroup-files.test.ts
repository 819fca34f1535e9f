import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cgroupDirectory, memoryKillsAround, memoryKillsIn, unifiedMounts } from './cgroup-files.ts';
import { isCgroupOf } from './cgroup.ts';
import { endedForMemory, MemoryKills } from './out-of-memory.ts';

const made: string[] = [];
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true })));

/** A made-up machine: its process folder, and cgroup file systems below `at`. */
function machine(mounts: readonly string[], cgroup: string, files: Readonly<Record<string, string>> = {}): { proc: string; at: string } {
  const at = mkdtempSync(join(tmpdir(), 'singletree-cgroup-'));
  made.push(at);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), text);
  };
  write('proc/self/mountinfo', mounts.map((line, index) => `${index + 20} 1 0:${index} ${line.replaceAll('AT', at)}\n`).join(''));
  for (const who of ['self', '42']) write(`proc/${who}/cgroup`, cgroup);
  for (const [path, text] of Object.entries(files)) write(path, text);
  return { proc: join(at, 'proc'), at };
}

const root = '/ / rw,relatime shared:1 - ext4 /dev/vda rw';
const unified = '/ AT/sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const hybrid = [
  root,
  '/ AT/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
  '/ AT/sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
  '/ AT/sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
];

describe('the directory of a cgroup', () => {
  test.each([
    ['version 2', [root, unified], '0::/user.slice/a.scope\n', 'unified', 'sys/fs/cgroup/user.slice/a.scope'],
    ['version 2, at its root', [root, unified], '0::/\n', 'unified', 'sys/fs/cgroup'],
    ['both versions', hybrid, '4:memory:/m\n1:cpu,cpuacct:/c\n0::/u\n', 'unified', 'sys/fs/cgroup/unified/u'],
    ['both versions, memory', hybrid, '4:memory:/m\n1:cpu,cpuacct:/c\n0::/u\n', 'memory', 'sys/fs/cgroup/memory/m'],
    ['controllers that share a hierarchy', [root, '/ AT/c rw - cgroup cgroup rw,cpu,memory'], '3:cpu,memory:/m\n', 'memory', 'c/m'],
    ['a container that sees a part', ['/docker/1 AT/c ro - cgroup2 cgroup2 rw'], '0::/docker/1/a\n', 'unified', 'c/a'],
    ['a container at the top of its part', ['/docker/1 AT/c ro - cgroup2 cgroup2 rw'], '0::/docker/1\n', 'unified', 'c'],
    ['a mount point with a blank', ['/ AT/a\\040b rw - cgroup2 cgroup2 rw'], '0::/x\n', 'unified', 'a b/x'],
    ['a path with a colon', [unified], '0::/a:b\n', 'unified', 'sys/fs/cgroup/a:b'],
  ] as const)('%s', (_, mounts, cgroup, hierarchy, expected) => {
    const { proc, at } = machine(mounts, cgroup);
    expect(cgroupDirectory('self', hierarchy, proc)).toBe(join(at, expected));
    expect(cgroupDirectory(42, hierarchy, proc)).toBe(join(at, expected));
  });

  test.each([
    ['nothing is mounted', [root], '0::/a\n', 'unified'],
    ['the mount shows another part', ['/docker/1 AT/c ro - cgroup2 cgroup2 rw'], '0::/docker/12\n', 'unified'],
    ['it lies outside of what the mount shows', [unified.replace('/ AT', '/a AT')], '0::/../b\n', 'unified'],
    ['version 2 has no memory hierarchy', [unified], '0::/a\n', 'memory'],
    ['version 1 has no unified one', hybrid.slice(0, 3), '4:memory:/m\n', 'unified'],
  ] as const)('is not known where %s', (_, mounts, cgroup, hierarchy) => {
    expect(cgroupDirectory('self', hierarchy, machine(mounts, cgroup).proc)).toBeUndefined();
  });

  test('a machine that shows no processes has none', () => {
    expect(cgroupDirectory('self', 'unified', '/nowhere')).toBeUndefined();
    expect(unifiedMounts('/nowhere')).toEqual([]);
  });
});

describe('what may be killed by a path that stands in a file', () => {
  const { proc, at } = machine([root, unified], '0::/\n');
  const marker = 'state/task/1/gate-0-1';
  const name = 'singletree-state-e4b376c364686f95';

  test('is below a mount of version 2 and named after the very marker', () => {
    expect(isCgroupOf(marker, join(at, 'sys/fs/cgroup', name), proc)).toBe(true);
    expect(isCgroupOf(marker, join(at, 'sys/fs/cgroup/system.slice/a.service', name), proc)).toBe(true);
  });

  test.each([
    ['another marker’s', `AT/sys/fs/cgroup/singletree-state-0000000000000000`],
    ['one above it', 'AT/sys/fs/cgroup'],
    ['anywhere else', `AT/${name}`],
    ['a path that only looks so', `AT/sys/fs/cgroup/../../../${name}`],
    ['beside the mount', `AT/sys/fs/cgroup-2/${name}`],
    ['with more behind it', `AT/sys/fs/cgroup/${name}/cgroup.kill`],
    ['not absolute', name],
  ])('is not %s', (_, path) => {
    expect(isCgroupOf(marker, path.replace('AT', at), proc)).toBe(false);
  });
});

describe('the counter of the memory killer', () => {
  test.each([
    [
      'version 1',
      hybrid,
      '4:memory:/m\n0::/u\n',
      { 'sys/fs/cgroup/memory/m/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n' },
      3,
    ],
    ['version 2', [unified], '0::/a/b\n', { 'sys/fs/cgroup/a/b/memory.events': 'low 0\noom 9\noom_kill 2\noom_group_kill 7\n' }, 2],
    ['the nearest that counts', [unified], '0::/a/b/c\n', { 'sys/fs/cgroup/a/memory.events': 'oom_kill 1\n' }, 1],
    ['none, up to the mount', [unified], '0::/a/b\n', { 'memory.events': 'oom_kill 5\n' }, undefined],
    ['none in an old kernel', hybrid, '4:memory:/m\n', { 'sys/fs/cgroup/memory/m/memory.oom_control': 'oom_kill_disable 0\n' }, undefined],
    ['no memory controller', [], '0::/a\n', {}, undefined],
  ] as const)('%s', (_, mounts, cgroup, files, expected) => {
    expect(memoryKillsAround('self', machine(mounts, cgroup, files).proc)).toBe(expected);
  });

  test('rises: shared says so, and the child’s own says more', () => {
    const events = 'sys/fs/cgroup/a/memory.events';
    const { proc, at } = machine([unified], '0::/a\n', { [events]: 'oom_kill 4\n', 'own/memory.events': 'oom_kill 0\n', 'none/x': '' });
    const kills = new MemoryKills(proc);
    expect(kills.since(join(at, 'own'))).toBeUndefined();
    writeFileSync(join(at, events), 'oom_kill 5\n');
    expect(kills.since(undefined)).toBe('shared');
    expect(kills.since(join(at, 'none'))).toBe('shared');
    writeFileSync(join(at, 'own/memory.events'), 'oom_kill 1\n');
    expect(kills.since(join(at, 'own'))).toBe('own');
    expect(memoryKillsIn(join(at, 'own'))).toBe(1);
  });

  test('that appears only later says nothing', () => {
    const { proc, at } = machine([unified], '0::/a\n');
    const kills = new MemoryKills(proc);
    mkdirSync(join(at, 'sys/fs/cgroup/a'), { recursive: true });
    writeFileSync(join(at, 'sys/fs/cgroup/a/memory.events'), 'oom_kill 5\n');
    expect(kills.since(undefined)).toBeUndefined();
  });
});

test.each([
  [{ code: null, signal: 'SIGKILL' }, 'shared', true],
  [{ code: null, signal: 'SIGKILL' }, 'own', true],
  [{ code: null, signal: 'SIGKILL' }, undefined, false],
  [{ code: 137, signal: null }, 'own', true],
  [{ code: 137, signal: null }, 'shared', false],
  [{ code: 0, signal: null }, 'own', false],
  [{ code: 1, signal: null }, 'own', false],
  [{ code: null, signal: 'SIGTERM' }, 'own', false],
] as const)('an ending %o with the counter %s is for want of memory: %s', (ended, kill, expected) => {
  expect(endedForMemory(ended, kill)).toBe(expected);
});
