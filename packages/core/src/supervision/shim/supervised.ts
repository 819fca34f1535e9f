import type { ProcessSpec } from '../protocol.ts';
import type { Ended, Started } from './child.ts';
import type { FreeSpace } from './free-space.ts';
import type { KillSwitch } from './kill-switch.ts';
import { reached } from './limits.ts';
import type { Logs } from './logs.ts';
import { monotonicMs } from './monotonic.ts';
import { PeakMemory } from './peak-memory.ts';
import { guard } from './persist.ts';
import { readStops } from './requests.ts';
import { Silence } from './silence.ts';
import { Stopping } from './stopping.ts';
import type { ProcessTree } from './tree.ts';
import { Unvouched } from './vouch.ts';

const tickMs = 100;
/** Stops, kill switch and free disk: of 256 MiB, one that writes 1 GB a second leaves little in that time. */
const otherPollMs = 250;

export interface End extends Ended {
  readonly at: number;
  readonly monotonic: number;
}

/** What is told of a child to those who look after it. */
export interface Surroundings {
  readonly directory: string;
  readonly spec: ProcessSpec;
  readonly logs: Logs;
  readonly killSwitch: KillSwitch;
  readonly space: FreeSpace;
}

/** A running child: what it may use, what it has used, and who wants its end. */
export class Supervised {
  readonly tree: ProcessTree;
  readonly stopping: Stopping;
  readonly memory: PeakMemory;
  readonly #around: Surroundings;
  readonly #ended: Promise<End>;
  readonly #started = monotonicMs();
  readonly #silence = new Silence(this.#started);
  readonly #unvouched: Unvouched | undefined;

  constructor({ child, ended, hold }: Started, around: Surroundings) {
    this.#around = around;
    const { promise, resolve } = Promise.withResolvers<End>();
    this.#ended = promise;
    const end = (how: Ended): void => resolve({ ...how, at: Date.now(), monotonic: monotonicMs() });
    void ended.then(end);
    const tree = { id: around.spec.id, known: new Map<number, number>(), leader: child, ...(hold && { hold }) };
    this.tree = tree;
    // Killed, and still no exit: it hangs in the kernel. The ending names it as a survivor.
    this.stopping = new Stopping(tree, around.spec.graces, () => end({ code: null, signal: null }));
    this.memory = new PeakMemory(tree);
    const { unsupervisedMs } = around.spec.limits;
    this.#unvouched = unsupervisedMs === undefined ? undefined : new Unvouched(around.directory, this.#started, unsupervisedMs);
  }

  /** Looks after the child until it has ended. */
  async watch(): Promise<End> {
    const { logs, space } = this.#around;
    const requests = [() => this.#obeyStops(), () => this.#obeyKillSwitch()];
    const every = (ms: number, looks: readonly (() => void)[]): NodeJS.Timeout => setInterval(() => looks.forEach(guard), ms);
    const timers = [
      every(tickMs, [() => this.#enforce(), () => logs.tell(), () => this.memory.look()]),
      every(otherPollMs, [...requests, () => void space.look()]),
    ];
    // What was asked for while the child was being started has waited long enough.
    [() => logs.tell(), ...requests].forEach(guard);
    const end = await this.#ended;
    timers.forEach(clearInterval);
    return end;
  }

  /** The limits, and the next step of a stop. */
  #enforce(): void {
    const { spec, logs, space } = this.#around;
    const now = monotonicMs();
    const { stdout, stderr } = logs.lengths();
    this.#silence.look(stdout + stderr, now);
    const limit = reached(spec.limits, {
      ranMs: now - this.#started,
      silentMs: this.#silence.ms,
      hasSpoken: this.#silence.hasSpoken,
      longestLog: Math.max(stdout, stderr),
      freeBytes: space.bytes,
      unvouchedMs: this.#unvouched?.ms(now),
    });
    if (limit) this.stopping.request({ ...limit, by: 'shim', at: Date.now() });
    this.stopping.escalate(now);
  }

  #obeyStops(): void {
    for (const stop of readStops(this.#around.directory)) this.stopping.request(stop);
  }

  #obeyKillSwitch(): void {
    const stop = this.#around.killSwitch.hit();
    if (stop) this.stopping.request(stop);
  }
}
