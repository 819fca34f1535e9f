import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { newestAttempt, type LimitStop, type Task } from '../task/task.ts';
import { Hold } from './hold.ts';
import { LiveFiles } from './live-files.ts';
import { Meter } from './meter.ts';
import type { Rooms } from './rooms.ts';
import { readSessionFiles } from './session-files.ts';
import type { Transcript } from './transcript.ts';
import type { Concern } from './watchdogs/concern.ts';
import { daemonLimits, isMetered, tellsTurns } from './watchdogs/daemon-limits.ts';

/** What an attempt is held to that only a daemon can count, as its harness's words come in. */
export class Metering implements Disposable {
  /** Where the task is held to what its calls use. */
  readonly meter: Meter | undefined;
  readonly hold: Hold;
  readonly #task: Task;
  readonly #transcript: Transcript;
  readonly #plugin: Plugin;
  readonly #files: LiveFiles | undefined;
  #calls = 0;

  /**
   * From now on it hears all that the transcript hears.
   *
   * @param environment where the session's files are found; undefined where somebody else reads them
   */
  constructor(
    task: Task,
    directory: string,
    transcript: Transcript,
    plugin: Plugin,
    rooms: Pick<Rooms, 'prices' | 'now'>,
    environment?: Rooms['environment'],
  ) {
    const attempt = newestAttempt(task);
    if (!attempt) throw new Error(`bug: task ${task.id} has no attempt to count`);
    this.#task = task;
    this.#transcript = transcript;
    this.#plugin = plugin;
    this.meter = isMetered(task) ? new Meter(attempt, plugin, transcript.fold, rooms, task.spec.limits) : undefined;
    if (this.meter) transcript.onEvent = (event) => this.meter?.add(event);
    this.hold = new Hold(directory, () => this.found().some(({ stop }) => stop !== undefined));
    this.#files = this.meter && environment && plugin.harness.reconcile ? this.#reading(this.meter, environment) : undefined;
  }

  [Symbol.dispose](): void {
    this.#files?.[Symbol.dispose]();
  }

  /** Something new was told. */
  look(): void {
    this.hold.look();
    const { calls = 0, isUntold = false } = this.meter ?? {};
    if (isUntold && !this.hold.isHeld) this.#files?.look(calls > this.#calls);
    this.#calls = calls;
  }

  /** Throws what kept the session's files from being read. */
  check(): void {
    this.#files?.check();
  }

  /** Limits that are near, or reached. */
  found(): readonly Concern[] {
    const turns = tellsTurns(this.#plugin.harness.capabilities) ? this.#transcript.watchdogs.turns : 'untold';
    return daemonLimits(this.#task, turns, this.meter);
  }

  /** What is to be said of this stop by now. */
  why(stop: LimitStop | undefined): string | undefined {
    return this.found().find((concern) => stop !== undefined && concern.stop === stop)?.message;
  }

  #reading(meter: Meter, environment: Rooms['environment']): LiveFiles {
    return new LiveFiles(async () => {
      const { sessionId } = meter;
      if (sessionId === undefined) return;
      try {
        meter.read((await readSessionFiles(this.#plugin, sessionId, environment)).files);
      } catch (error) {
        // What the events tell counts all the same.
        if (!(error instanceof PluginFailure)) throw error;
      }
      this.look();
    }, monotonicMs);
  }
}
