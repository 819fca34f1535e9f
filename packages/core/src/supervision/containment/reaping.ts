import { setTimeout as sleep } from 'node:timers/promises';
import { hostCall } from '../host.ts';
import { isLiving, readStat } from '../shim/process-table.ts';

/** `parent` is who inherits orphans: process 1, or one that has asked the kernel for them. */
export type Reaping =
  | { readonly kind: 'reaps'; readonly parent: number; readonly tookMs: number }
  | { readonly kind: 'does_not_reap'; readonly parent: number; readonly waitedMs: number }
  | { readonly kind: 'cannot_tell'; readonly why: string };

/** Some look for the dead only every second or two. */
const patienceMs = 5_000;
const pollMs = 20;

/**
 * Whether whoever inherits orphans waits for them: else each process that loses its parent stays in the process table when it ends, until
 * there is room for no more. Makes one that ends at once, and looks. Never rejects.
 */
export async function probeReaping(limitMs: number = patienceMs): Promise<Reaping> {
  try {
    // The middle one ends at once; the orphan lives just long enough to be seen.
    const { stdout, stderr } = await hostCall('/bin/sh', ['-c', '(sleep 0.1 </dev/null >/dev/null 2>&1 & echo $!)'], {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      timeoutMs: limitMs,
    });
    const pid = Number(stdout.toString('latin1'));
    const orphan = pid > 0 ? readStat(pid) : undefined;
    if (orphan === undefined) return { kind: 'cannot_tell', why: `no orphan could be made and seen: ${stderr.trim() || 'it was gone'}` };
    const { startTime, parent } = orphan;
    let deadSince: number | undefined;
    for (const begun = performance.now(); ; await sleep(pollMs)) {
      const now = performance.now();
      const stat = readStat(pid);
      if (stat?.startTime !== startTime) return { kind: 'reaps', parent, tookMs: Math.round(now - (deadSince ?? now)) };
      if (!isLiving(stat)) deadSince ??= now;
      else if (now - begun > limitMs) return { kind: 'cannot_tell', why: `the orphan ${pid} did not end within ${limitMs} ms` };
      if (deadSince !== undefined && now - deadSince > limitMs) return { kind: 'does_not_reap', parent, waitedMs: limitMs };
    }
  } catch (error) {
    return { kind: 'cannot_tell', why: error instanceof Error ? error.message : String(error) };
  }
}
