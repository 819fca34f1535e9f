import { monotonicMs } from './monotonic.ts';
import { residentBytes } from './process-table.ts';
import { findMembers, type ProcessTree } from './tree.ts';

/** The process table costs 10 to 20 µs a process: often enough for a short gate, seldom enough beside fifty agents. */
const firstSampleMs = 250;
const longestSampleMs = 8_000;

/** The most memory that a tree had at any sample. */
export class PeakMemory {
  bytes: number | undefined;
  readonly #tree: ProcessTree;
  #next = { at: monotonicMs() + firstSampleMs, interval: firstSampleMs };

  constructor(tree: ProcessTree) {
    this.#tree = tree;
  }

  /** Takes a sample when it is time for one; on the way it is remembered who belongs to the tree. */
  look(): void {
    const now = monotonicMs();
    if (now < this.#next.at) return;
    const interval = Math.min(this.#next.interval * 2, longestSampleMs);
    this.#next = { at: now + interval, interval };
    const bytes = findMembers(this.#tree, false).reduce((sum, { pid }) => sum + residentBytes(pid), 0);
    if (bytes > 0) this.bytes = Math.max(this.bytes ?? 0, bytes);
  }
}
