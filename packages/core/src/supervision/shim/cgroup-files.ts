import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { hasCode } from './error-code.ts';

/** Where the kernel tells of processes and mounts. Passed in so that a test can give a made-up folder. */
export const realProc = '/proc';

/** The cgroup of a process as a directory. `unified`: of version 2. `memory`: of version 1, by its memory controller. Absent where none is mounted that shows it. */
export function cgroupDirectory(pid: number | 'self', hierarchy: 'unified' | 'memory', proc = realProc): string | undefined {
  const path = cgroupPath(read(join(proc, String(pid), 'cgroup')) ?? '', hierarchy);
  if (path === undefined) return undefined;
  for (const mount of mounts(proc, hierarchy)) {
    // In a container the mount may show a part of the hierarchy only.
    const root = mount.root === '/' ? '' : mount.root;
    if (path === root || path.startsWith(`${root}/`)) return resolve(mount.point, `.${path.slice(root.length)}`);
  }
  return undefined;
}

/** Where cgroups of version 2 are mounted. */
export function unifiedMounts(proc = realProc): string[] {
  return mounts(proc, 'unified').map(({ point }) => point);
}

/**
 * How often the kernel killed in the process's cgroup, or below it, for want of memory; by the nearest cgroup that counts. Absent where none does.
 */
export function memoryKillsAround(pid: number | 'self', proc = realProc): number | undefined {
  const first = cgroupDirectory(pid, 'memory', proc);
  if (first !== undefined) return counter(join(first, 'memory.oom_control'));
  const tops = unifiedMounts(proc);
  for (let directory = cgroupDirectory(pid, 'unified', proc); directory !== undefined; directory = dirname(directory)) {
    const kills = memoryKillsIn(directory);
    if (kills !== undefined || tops.includes(directory) || directory === '/') return kills;
  }
  return undefined;
}

/** The same of one cgroup of version 2. Absent where it has no memory controller of its own. */
export function memoryKillsIn(directory: string): number | undefined {
  return counter(join(directory, 'memory.events'));
}

function counter(path: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(read(path) ?? '')?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Lines of /proc/PID/cgroup: `id:controllers:path`; version 2 has the id 0 and no controllers. */
function cgroupPath(text: string, hierarchy: 'unified' | 'memory'): string | undefined {
  for (const line of text.split('\n')) {
    const [, id, controllers = '', path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy === 'unified' ? id === '0' && controllers === '' : controllers.split(',').includes('memory')) return path;
  }
  return undefined;
}

/** Lines of mountinfo: `id parent device root point options … - type source options`. */
function mounts(proc: string, hierarchy: 'unified' | 'memory'): { root: string; point: string }[] {
  const text = read(join(proc, 'self', 'mountinfo')) ?? '';
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const wanted = hierarchy === 'unified' ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes('memory');
    return wanted && root !== undefined && point !== undefined ? [{ root: unescape(root), point: unescape(point) }] : [];
  });
}

/** Blanks and the like stand as three octal digits. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM', 'ENODEV')) return undefined;
    throw error;
  }
}
