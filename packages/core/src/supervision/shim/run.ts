import { join } from 'node:path';
import type { ExitRecord, ProcessFile, ProcessSpec, RunRecord, StopRequest } from '../protocol.ts';
import { begin } from './begin.ts';
import { around, failpoint } from './failpoint.ts';
import { placeFile } from './files.ts';
import { FreeSpace } from './free-space.ts';
import { KillSwitch } from './kill-switch.ts';
import { shareMemoryPressure } from './launch.ts';
import { reached } from './limits.ts';
import { Logs } from './logs.ts';
import { endedForMemory, MemoryKills } from './out-of-memory.ts';
import { guard, insist, say } from './persist.ts';
import { childrenCpuMs } from './process-table.ts';
import { readStops } from './requests.ts';
import { Supervised } from './supervised.ts';
import { sweep } from './tree.ts';
import { protocol } from './versions.ts';

/** Runs the child from its start to the end of its tree. Whatever happens after the start, the child is not left without a shim. */
export async function run(directory: string, spec: ProcessSpec, secrets: Record<string, string>, boot: string): Promise<ExitRecord> {
  const logs = await insist(directory, () => new Logs(directory));
  const startedAt = Date.now();
  const killSwitch = new KillSwitch(spec.killSwitch);
  // Nobody looks where no limit asks for it: the working directory may be on a file system that answers slowly.
  const space = new FreeSpace(spec.limits.minFreeBytes === undefined ? [] : [directory, spec.cwd]);
  const unwanted = async (): Promise<StopRequest | undefined> => {
    await space.look();
    const asked = await insist(directory, () => readStops(directory)[0]);
    return asked ?? guard(() => killSwitch.hit()) ?? reachedBefore(spec.limits, space);
  };
  guard(shareMemoryPressure);
  const memoryKills = guard(() => new MemoryKills());
  const begun = await begin(spec, secrets, directory, logs, unwanted);
  if (!('launched' in begun)) {
    const never = { protocol, code: null, signal: null, durationMs: 0, swept: [], survivors: [] } as const;
    return { ...never, lengths: logs.lengths(), startedAt, endedAt: Date.now(), ...begun };
  }
  const { launched, started } = begun;
  const supervised = new Supervised(launched, { directory, spec, logs, killSwitch, space });
  failpoint('shim.spawn.after');

  const ending = supervised.watch();
  const { child, level, refused } = launched;
  const record: RunRecord = { ...child, bootId: boot, sandbox: level, ...(refused.length > 0 && { refused }), startedAt };
  // Nothing depends on it but the speed of a sweep, which finds a child that is recorded nowhere by its marker.
  await placeFile(join(directory, 'run.json' satisfies ProcessFile), JSON.stringify(record), 'replace', around('shim.run')).catch(say);

  const end = await ending;
  const cpuMs = level === 'pid_namespace' ? end.cpuMs : await insist(directory, childrenCpuMs);
  const memoryKill = await insist(directory, () => memoryKills?.since(spec.cgroup));
  const { swept, survivors } = await insist(directory, () => sweep(supervised.tree, spec.graces.sweepMs));
  await insist(directory, () => {
    logs.tell(true);
    logs.sync();
  });
  const { cause } = supervised.stopping;
  const { bytes: peakMemoryBytes } = supervised.memory;
  return {
    protocol,
    code: end.code,
    signal: end.signal,
    ...(cause ? { stop: cause } : endedForMemory(end, memoryKill) && { outOfMemory: true }),
    lengths: logs.lengths(),
    startedAt,
    endedAt: end.at,
    durationMs: Math.round(end.monotonic - started),
    ...(cpuMs !== undefined && { cpuMs }),
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes }),
    swept,
    survivors,
  };
}

/** A limit that leaves the child no room to run in: a disk that is full already. */
function reachedBefore(limits: ProcessSpec['limits'], { bytes: freeBytes }: FreeSpace): StopRequest | undefined {
  const limit = reached(limits, { ranMs: 0, silentMs: 0, hasSpoken: false, longestLog: 0, freeBytes, unvouchedMs: undefined });
  return limit && { ...limit, by: 'shim', at: Date.now() };
}
