import { memoryKillsAround, memoryKillsIn, realProc } from './cgroup-files.ts';
import type { Ended } from './child.ts';

/** Whose counter tells that the kernel killed for want of memory: that of the child's own cgroup, or of one in which others are too. */
export type MemoryKill = 'own' | 'shared';

/** Counters of the kernel's memory killer, from before the child is started. */
export class MemoryKills {
  readonly #proc: string;
  readonly #before: number | undefined;

  constructor(proc: string = realProc) {
    this.#proc = proc;
    this.#before = memoryKillsAround('self', proc);
  }

  /** @param cgroup the child's own, made for it, where it has one. Not removed yet: it takes its counter with it. */
  since(cgroup: string | undefined): MemoryKill | undefined {
    if (cgroup !== undefined && (memoryKillsIn(cgroup) ?? 0) > 0) return 'own';
    const now = memoryKillsAround('self', this.#proc);
    return now !== undefined && this.#before !== undefined && now > this.#before ? 'shared' : undefined;
  }
}

/** A shell that ends because what it ran was killed says so by this code. */
const shellWasKilled = 137;

/**
 * Whether a child that nobody had asked to stop ended for want of memory. A counter that others share says so only together with the
 * signal itself; and none of them if the child went on after the kill and ended otherwise.
 */
export function endedForMemory({ code, signal }: Pick<Ended, 'code' | 'signal'>, kill: MemoryKill | undefined): boolean {
  return kill !== undefined && (signal === 'SIGKILL' || (kill === 'own' && code === shellWasKilled));
}
