import type { ClientRequest } from './engine/request.ts';
import type { Engine } from './engine/engine.ts';
import type { KillSwitches } from './engine/kill-switches.ts';
import { failpoint } from './failpoints.ts';
import type { Store } from './store/store.ts';
import { waitUntilGone, writeKillSwitches } from './supervision/kill-switch.ts';
import type { KillSwitch } from './task/scopes.ts';

export interface ControlParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly killSwitches: KillSwitches;
  /** Where process directories lie, whose they are, and the file that every shim reads. */
  readonly processes: { readonly root: string; readonly stateId: string; readonly killSwitch: string };
  /** How long what is killed may take to be gone. */
  readonly sweepLimitMs: number;
}

/** What a kill switch has done. */
export interface CarriedOut {
  readonly killSwitch: KillSwitch;
  /** Ids of the tasks that it ended, also of those whose processes are not gone yet. */
  readonly taskIds: readonly string[];
  /** Whether every process of these tasks is gone. */
  readonly complete: boolean;
  /** Those that are not. */
  readonly survivors: readonly { readonly pid: number; readonly taskId: string; readonly command?: string }[];
}

/** Throws kill switches and takes them back: first the row and the stops, by the engine, then the file, then the proof that nothing is left. */
export class Control {
  readonly #parts: ControlParts;
  /** One change at a time, so that the file never tells of rows that are no more. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /**
   * At the daemon's start, before anything is started or adopted: the file is what the rows say, whatever had become of it, and a task that is
   * being driven in a thrown scope is told to stop.
   */
  async restore(): Promise<void> {
    const { store, engine } = this.#parts;
    await this.#writeFile();
    for (const task of await store.leased()) await engine.obeyKillSwitches(task);
  }

  /** Throws a switch. Resolves when all that it hit is gone, or after the limit with what is not. */
  async engage(wish: Omit<KillSwitch, 'at'>, asked?: ClientRequest): Promise<CarriedOut> {
    const { killSwitch, taskIds } = await this.#alone(async () => {
      await failpoint('control.commit.before');
      const engaged = await this.#parts.killSwitches.engage(wish, asked);
      await failpoint('control.commit.after');
      await this.#writeFile(undefined, (moment) => failpoint(`control.file.${moment}`));
      return engaged;
    });
    return { killSwitch, taskIds, ...(await this.#gone(taskIds)) };
  }

  /** Takes a switch back. False: it was not thrown. */
  async release(scope: string, asked?: ClientRequest): Promise<boolean> {
    return await this.#alone(async () => {
      // First out of the file: a shim that were started right after the row is gone must not be killed by what is left of the switch.
      await this.#writeFile(scope);
      try {
        return await this.#parts.killSwitches.release(scope, asked);
      } finally {
        await this.#writeFile();
      }
    });
  }

  async #writeFile(without?: string, around?: (moment: 'before' | 'after') => Promise<void>): Promise<void> {
    const { store, processes } = this.#parts;
    const switches = (await store.killSwitches()).filter(({ scope }) => scope !== without);
    await writeKillSwitches(processes.killSwitch, switches, around);
  }

  async #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => undefined);
    return await done;
  }

  async #gone(taskIds: readonly string[]): Promise<Pick<CarriedOut, 'complete' | 'survivors'>> {
    const { store, processes, sweepLimitMs } = this.#parts;
    const tasks = await Promise.all(taskIds.map((id) => store.task(id)));
    const taskOf = new Map(tasks.flatMap((task) => (task?.processes ?? []).map(({ directory }) => [directory, task?.id ?? ''])));
    const { complete, survivors } = await waitUntilGone({
      ...processes,
      directories: [...taskOf.keys()],
      limitMs: sweepLimitMs,
      isOver: async (directory) => {
        const task = await store.task(taskOf.get(directory) ?? '');
        const process = task?.processes.find((each) => each.directory === directory);
        return process?.state !== 'open' && process?.state !== 'owned';
      },
    });
    return { complete, survivors: survivors.map(({ directory, ...found }) => ({ ...found, taskId: taskOf.get(directory) ?? '' })) };
  }
}
