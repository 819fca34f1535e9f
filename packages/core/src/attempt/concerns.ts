import type { Harness } from '@singletree/harness';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { changing } from '../task/ending.ts';
import type { Task } from '../task/task.ts';
import { ProcessClock } from './process-clock.ts';
import type { Rooms } from './rooms.ts';
import type { Meter } from './meter.ts';
import type { Transcript } from './transcript.ts';
import { Unchanged } from './unchanged.ts';
import { stopFor, type Concern } from './watchdogs/concern.ts';
import { daemonLimits, tellsTurns } from './watchdogs/daemon-limits.ts';
import { nearLimits, type Standing } from './watchdogs/limits.ts';
import { judge } from './watchdogs/watchdogs.ts';

/** All that may be wrong with an attempt that runs: by its events, by what its process has used up, and by its files. */
export class Concerns {
  readonly #task: Task;
  readonly #transcript: Transcript;
  readonly #clock: ProcessClock;
  readonly #rooms: Rooms;
  readonly #harness: Harness;
  readonly #unchanged: Unchanged | undefined;
  readonly #meter: Meter | undefined;

  /** @param meter where the task is held to what its calls use */
  constructor(task: Task, directory: string, transcript: Transcript, meter: Meter | undefined, rooms: Rooms) {
    this.#task = task;
    this.#transcript = transcript;
    this.#meter = meter;
    this.#clock = new ProcessClock(directory);
    this.#rooms = rooms;
    this.#harness = rooms.plugins.get(task.spec.harness).harness;
    const { warn = Infinity, stop = Infinity } = rooms.watchdogs.unchangedTurns;
    const { taskType } = task.spec;
    const least = taskType !== undefined && changing.includes(taskType) ? Math.min(warn, stop) : Infinity;
    this.#unchanged = least === Infinity ? undefined : new Unchanged(() => rooms.workspaces.glance(task), least, monotonicMs);
  }

  /** What there is now. The same may be found at every look. */
  async look(): Promise<readonly Concern[]> {
    const { watchdogs } = this.#transcript;
    const standing = await this.#clock.standing();
    return [
      ...watchdogs.found,
      ...this.counted(),
      ...(standing ? [...nearLimits(this.#task, standing), ...this.#hangs(standing)] : []),
      ...this.#idles(),
      ...this.drifts(),
    ];
  }

  /** The limits that nobody else can compare. Asked more often than all others, and at once. */
  counted(): readonly Concern[] {
    const turns = tellsTurns(this.#harness.capabilities) ? this.#transcript.watchdogs.turns : 'untold';
    return daemonLimits(this.#task, turns, this.#meter);
  }

  /** What the plugin does not know may hold figures: a CLI whose output has changed must not go on as if all were well. After the end too. */
  drifts(): Concern[] {
    const { first } = this.#transcript.unknown;
    if (first === undefined) return [];
    const { displayName, supportedVersions } = this.#harness;
    const known = `its plugin was checked with ${displayName} ${supportedVersions}`;
    return [
      {
        about: 'unknown_events',
        message: `the harness prints what is not understood, first ${first}: figures may lack something; ${known}`,
      },
    ];
  }

  #hangs({ silentMs }: Standing): Concern[] {
    const { endGraceMs } = this.#rooms.watchdogs;
    if (!this.#transcript.watchdogs.lastWord.isFinal || silentMs < endGraceMs) return [];
    return [
      {
        about: stopFor('end_grace'),
        message: `nothing was written for ${endGraceMs / 1000} s after the final result`,
        stop: 'never_ended',
      },
    ];
  }

  #idles(): Concern[] {
    const { turns } = this.#transcript.watchdogs;
    const count = this.#unchanged?.count(turns.count, turns.sinceChange) ?? 0;
    const { unchangedTurns } = this.#rooms.watchdogs;
    return judge('unchanged_turns', unchangedTurns, count, () => `no file was changed in the last ${count} model calls`);
  }
}
