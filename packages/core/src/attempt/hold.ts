import type { ProcessIdentity } from '../supervision/protocol.ts';
import { childIn } from '../supervision/look.ts';
import { findLiving } from '../supervision/shim/process-table.ts';
import { signalGroup } from '../supervision/shim/tree.ts';

/**
 * Holds a harness still from the moment in which a limit is reached until its shim has the stop: nothing has to be written down first, so that no call
 * begins meanwhile. Its shim continues what it interrupts. Whoever adopts one that was held finds the same, or lets it go on.
 */
export class Hold {
  readonly #directory: string;
  readonly #isReached: () => boolean;
  #child: ProcessIdentity | undefined;
  #isHeld = false;
  #hasBegun = false;

  constructor(directory: string, isReached: () => boolean) {
    this.#directory = directory;
    this.#isReached = isReached;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Something new was told. */
  look(): void {
    const isReached = this.#isReached();
    // One that has come to its end meanwhile may end.
    if (isReached !== this.#isHeld) this.#isHeld = this.#signal(isReached ? 'SIGSTOP' : 'SIGCONT') && isReached;
  }

  /** Somebody else has held it, who has read no more than is known here by now. */
  join(): void {
    this.#isHeld = true;
    this.look();
  }

  /** All is known that was told before: one that somebody had held then, for what is true no more, goes on. */
  begin(): void {
    this.look();
    if (this.#hasBegun || !this.#found) return;
    this.#hasBegun = true;
    if (!this.#isHeld && findLiving(this.#found)?.state === 'T') this.#signal('SIGCONT');
  }

  #signal(signal: 'SIGSTOP' | 'SIGCONT'): boolean {
    return this.#found !== undefined && signalGroup(this.#found, signal);
  }

  get #found(): ProcessIdentity | undefined {
    return (this.#child ??= childIn(this.#directory));
  }
}
