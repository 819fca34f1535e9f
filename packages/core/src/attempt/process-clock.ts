import { readClock } from '../supervision/directory.ts';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import type { Standing } from './watchdogs/limits.ts';
import { lengthsOf } from './transcript.ts';

/**
 * How long a process has run and been silent. Its shim writes both down by the same monotonic clock, so that a daemon that adopts it does not begin
 * anew; it may see a silence up to a second late, and never early.
 */
export class ProcessClock {
  readonly #directory: string;
  #startedAt: number | undefined;
  #grewAt = 0;
  #lengths: Lengths | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined until the shim has started its child. */
  async standing(): Promise<Standing | undefined> {
    const lengths = lengthsOf(this.#directory);
    const now = monotonicMs();
    if (this.#startedAt === undefined || this.#lengths === undefined) {
      const lines = await readClock(this.#directory);
      this.#startedAt = lines[0]?.monotonic;
      this.#grewAt = lines.find((line) => areEqual(line, lengths))?.monotonic ?? now;
    } else if (!areEqual(this.#lengths, lengths)) this.#grewAt = now;
    this.#lengths = lengths;
    if (this.#startedAt === undefined) return undefined;
    return { elapsedMs: now - this.#startedAt, silentMs: now - this.#grewAt, bytes: Math.max(lengths.stdout, lengths.stderr) };
  }
}

interface Lengths {
  readonly stdout: number;
  readonly stderr: number;
}

function areEqual(one: Lengths, other: Lengths): boolean {
  return one.stdout === other.stdout && one.stderr === other.stderr;
}
