import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import type { ProcessIdentity } from '../supervision/protocol.ts';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { findLiving } from '../supervision/shim/process-table.ts';
import { signalGroup } from '../supervision/shim/tree.ts';
import { LiveFiles } from './live-files.ts';
import type { Meter } from './meter.ts';
import type { Rooms } from './rooms.ts';
import { readSessionFiles } from './session-files.ts';

/**
 * Holds a harness still from the moment in which a limit is reached until its shim has the stop: nothing has to be written down first, so that no call
 * begins meanwhile. Its shim continues what it interrupts. Whoever adopts one that was held finds the same, or lets it go on.
 */
export class Hold implements Disposable {
  readonly #isReached: () => boolean;
  readonly #meter: Meter | undefined;
  readonly #files: LiveFiles | undefined;
  #child: ProcessIdentity | undefined;
  #calls = 0;
  #isHeld = false;

  constructor(isReached: () => boolean, meter: Meter | undefined, plugin: Plugin, rooms: Pick<Rooms, 'environment'>) {
    this.#isReached = isReached;
    this.#meter = meter;
    if (!meter || !plugin.harness.reconcile) return;
    this.#files = new LiveFiles(async () => {
      const { sessionId } = meter;
      if (sessionId === undefined) return;
      try {
        meter.read((await readSessionFiles(plugin, sessionId, rooms.environment)).files);
      } catch (error) {
        // What the events tell counts all the same.
        if (!(error instanceof PluginFailure)) throw error;
      }
      this.look();
    }, monotonicMs);
  }

  [Symbol.dispose](): void {
    this.#files?.[Symbol.dispose]();
  }

  /** What is held, once it is known. One that somebody had held before, for what is true no more, goes on. */
  set child(child: ProcessIdentity) {
    const isNew = this.#child === undefined;
    this.#child = child;
    this.look();
    if (isNew && !this.#isHeld && findLiving(child)?.state === 'T') signalGroup(child, 'SIGCONT');
  }

  /** Something new was told. */
  look(): void {
    const isReached = this.#isReached();
    // One that has come to its end meanwhile may end.
    if (this.#child && isReached !== this.#isHeld) this.#isHeld = signalGroup(this.#child, isReached ? 'SIGSTOP' : 'SIGCONT') && isReached;
    const { calls = 0, isUntold = false } = this.#meter ?? {};
    if (isUntold && !this.#isHeld) this.#files?.look(calls > this.#calls);
    this.#calls = calls;
  }

  /** Throws what kept the files from being read. */
  check(): void {
    this.#files?.check();
  }
}
