import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostCall } from '../host.ts';
import { markerName, markerOf, type SandboxLevel } from '../protocol.ts';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { cgroupHold, cgroupPrefix, makeCgroup } from '../shim/cgroup.ts';
import type { Hold } from '../shim/hold.ts';
import { startInNamespace } from '../shim/namespace.ts';
import { findLiving, isLiving, readTable } from '../shim/process-table.ts';

/** Best first: an agent does not notice its cgroup, in a PID namespace it does. */
export const levels: readonly SandboxLevel[] = ['cgroup', 'pid_namespace', 'marker'];

export type Probed = { readonly works: true } | { readonly works: false; readonly why: string };

export interface ContainmentReport {
  readonly levels: Readonly<Record<SandboxLevel, Probed>>;
  /** The one that `auto` means on this machine. */
  readonly best: SandboxLevel;
}

export interface ProbeOptions {
  /** Of the state folder for which is asked, so that what a probe leaves when it is killed is found again; anything where there is none. */
  readonly stateId: string;
  /** Where programs are looked for. */
  readonly path: string;
  readonly limitMs?: number;
}

/** Tries every level with a process that hides as well as it can. Never rejects. */
export async function probeContainment(options: ProbeOptions): Promise<ContainmentReport> {
  const [cgroup, pid_namespace] = await Promise.all([probeLevel('cgroup', options), probeLevel('pid_namespace', options)]);
  const found = { cgroup, pid_namespace, marker: { works: true } } as const;
  return { levels: found, best: levels.find((level) => found[level].works) ?? 'marker' };
}

/** Tries one level: a child starts another one in a session of its own, with an empty environment, and ends; all of it is killed at once. Never rejects. */
export async function probeLevel(level: SandboxLevel, options: ProbeOptions): Promise<Probed> {
  if (level === 'marker') return { works: true };
  const { limitMs = 10_000 } = options;
  const late = new AbortController();
  const tooLate = sleep(limitMs, `it took longer than ${limitMs} ms`, { signal: late.signal });
  try {
    const why = await Promise.race([level === 'cgroup' ? whyNoCgroup(options) : whyNoNamespace(options), tooLate]);
    return why === undefined ? { works: true } : { works: false, why };
  } catch (error) {
    return { works: false, why: messageOf(error) };
  } finally {
    late.abort();
  }
}

/** What hides: no marker, no session or group in common with anybody, and no parent any more. */
const escape = 'setsid env -i "$(command -v sleep)" 60 </dev/null >/dev/null 2>&1 &';
const canEscape = 'command -v setsid >/dev/null || { echo there is no setsid to try it with >&2; exit 1; };';

/** In and out again, as a shim does it. */
async function whyNoCgroup({ stateId, path, limitMs }: ProbeOptions): Promise<string | undefined> {
  const own = cgroupDirectory('self', 'unified');
  if (own === undefined) return 'no cgroup 2 hierarchy is mounted that shows the cgroup of this program';
  const directory = join(own, `${cgroupPrefix(stateId)}probe-${randomUUID().slice(0, 8)}`);
  const hold = cgroupHold(directory);
  try {
    try {
      makeCgroup(directory);
    } catch (error) {
      return `no cgroup that can be killed can be made below ${own}, in which this program is: ${messageOf(error)}`;
    }
    const script = `${canEscape} echo 0 > "$0/cgroup.procs" && { ${escape} } && echo 0 > "$1/cgroup.procs"`;
    const { code, signal, stderr } = await hostCall('/bin/sh', ['-c', script, directory, own], {
      env: { PATH: path },
      ...(limitMs !== undefined && { timeoutMs: limitMs }),
    });
    if (code !== 0) return `a process cannot move into ${directory} and out again: ${stderr.trim() || (signal ?? `exit ${code}`)}`;
    return await whyNotKilled(hold);
  } finally {
    hold.kill();
    await within(killLimitMs, () => hold.remove());
  }
}

async function whyNoNamespace({ stateId, path }: ProbeOptions): Promise<string | undefined> {
  const [input, output] = [openSync('/dev/null', 'r'), openSync('/dev/null', 'w')];
  try {
    const env = { PATH: path, [markerName]: markerOf(stateId, 'probe') };
    const { ended, hold } = await startInNamespace({ file: '/bin/sh', args: ['-c', `${canEscape} ${escape}`], cwd: '/', env }, [
      input,
      output,
      output,
    ]);
    try {
      const { code } = await ended;
      if (code !== 0) return `a shell in it ended with ${code}`;
      return hold && (await whyNotKilled(hold));
    } finally {
      hold?.kill();
    }
  } finally {
    [input, output].forEach(closeSync);
  }
}

/** How long the kernel may take to end what was killed, on a busy machine. */
const killLimitMs = 5_000;

/** How long a shell may take to start two programs. */
const escapeLimitMs = 2_000;

async function whyNotKilled(hold: Hold): Promise<string | undefined> {
  const members = await within(escapeLimitMs, () => {
    const table = readTable();
    const pids = new Set(hold.members(table));
    const living = table.filter((stat) => pids.has(stat.pid) && isLiving(stat));
    return living.some(({ pid, session }) => session === pid) && living;
  });
  if (members === undefined) return 'a child that left its session and cleared its environment was not found in it';
  hold.kill();
  const gone = await within(killLimitMs, () => ![...members, ...hold.helpers].some(findLiving));
  return gone === undefined ? `a process lived on for ${killLimitMs} ms after it was killed` : undefined;
}

/** What a look finds that finds something, if one does in time. */
async function within<T>(limitMs: number, look: () => T | false): Promise<T | undefined> {
  for (const begun = performance.now(); performance.now() - begun < limitMs; await sleep(5)) {
    const found = look();
    if (found !== false) return found;
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
