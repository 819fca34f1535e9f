import type { ProcessIdentity } from '../protocol.ts';
import type { ProcessStat } from './process-table.ts';

/** What the kernel holds a process tree together with, so that nothing in it can hide by leaving its session or clearing its environment. */
export interface Hold {
  /** Processes of ours that serve the holding alone: no members, and gone when the hold is. */
  readonly helpers: readonly ProcessIdentity[];
  /** Pids of members. What descends from these may be left out. */
  members(table: Iterable<ProcessStat>): Iterable<number>;
  /** Kills all of it at once, whatever it forks meanwhile. */
  kill(): void;
  /** Takes away what was made for it. False: the kernel says that somebody is still in it, if only on the way out. */
  remove(): boolean;
}

/** A process cannot be held in this way. Nothing was started, so another way may be tried. */
export class Unheld extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
