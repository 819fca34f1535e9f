import type { Harness } from '@singletree/harness';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { changing } from '../task/ending.ts';
import type { Task } from '../task/task.ts';
import { ProcessClock } from './process-clock.ts';
import type { Rooms } from './rooms.ts';
import type { Metering } from './metering.ts';
import type { Transcript } from './transcript.ts';
import { Unchanged } from './unchanged.ts';
import { stopFor, type Concern } from './watchdogs/concern.ts';
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
  readonly #metering: Metering;

  constructor(task: Task, directory: string, transcript: Transcript, metering: Metering, rooms: Rooms) {
    this.#task = task;
    this.#transcript = transcript;
    this.#metering = metering;
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
      ...this.#metering.found(),
      ...(standing ? [...nearLimits(this.#task, standing), ...this.#hangs(standing)] : []),
      ...this.#idles(),
      ...this.drifts(),
    ];
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
