import type { Logger } from 'pino';
import type { Rooms } from '../attempt/rooms.ts';
import { blockedLeftMs, blockedStep } from '../task/blocked.ts';
import type { Instant, Task } from '../task/task.ts';

export interface BlockedTasksParts {
  readonly rooms: Pick<Rooms, 'store' | 'engine' | 'plugins' | 'now'>;
  readonly monotonicMs: () => number;
  readonly log: Logger;
}

/** An answer of a probe that is older than this is asked for again. */
const probeAgeMs = 5 * 60_000;
/** The longest time between two looks while a task is blocked: the wall clock may jump, and somebody else may have asked a harness. */
const lookMs = 30_000;
const pageSize = 100;

interface Seen {
  readonly since: Instant;
  readonly endsAt: number;
}

/** Sees to blocked tasks: lets go on what can, and fails what has waited for too long. */
export class BlockedTasks {
  readonly #parts: BlockedTasksParts;
  /**
   * When this daemon first saw a task blocked as it is now, and by its monotonic clock when that ends. A wall clock that jumps ends nothing
   * early; the time while no daemon was there counts by the wall clock.
   */
  #seen: ReadonlyMap<string, Seen> = new Map();
  /** Tasks whose harness is being asked. */
  readonly #asking = new Set<string>();
  /** Of the next look, monotonic. */
  #dueAt = 0;
  #hinted = false;

  constructor(parts: BlockedTasksParts) {
    this.#parts = parts;
  }

  /** A task has been blocked: look at the next opportunity. */
  hint(): void {
    this.#hinted = true;
  }

  /** Does what is due, and says for how long nothing is. */
  async look(): Promise<number> {
    const { monotonicMs } = this.#parts;
    if (this.#hinted || monotonicMs() >= this.#dueAt) {
      this.#hinted = false;
      this.#dueAt = 0; // one that fails is made again
      this.#dueAt = await this.#lookAtAll();
    }
    return this.#hinted ? 0 : Math.max(0, this.#dueAt - monotonicMs());
  }

  /** When to look again. */
  async #lookAtAll(): Promise<number> {
    const seen = new Map<string, Seen>();
    let waitMs = Number.POSITIVE_INFINITY;
    for (let before: string | undefined, more = true; more;) {
      const page = await this.#parts.rooms.store.tasks({
        states: ['blocked'],
        limit: pageSize,
        ...(before === undefined ? {} : { before }),
      });
      for (const task of page) {
        const limit = this.#limitOf(task);
        if (limit) seen.set(task.id, limit);
        waitMs = Math.min(waitMs, await this.#see(task, limit));
      }
      before = page.at(-1)?.id;
      more = page.length === pageSize;
    }
    this.#seen = seen;
    return this.#parts.monotonicMs() + waitMs;
  }

  /** Does what is due for one, and says how long it then waits. */
  async #see(task: Task, limit: Seen | undefined): Promise<number> {
    const leftMs = limit && limit.endsAt - this.#parts.monotonicMs();
    const step = blockedStep(task, this.#parts.rooms.now(), leftMs);
    switch (step.kind) {
      case 'wait':
        return Math.min(step.ms ?? lookMs, lookMs);
      case 'probe':
        void this.#probe(task, step.last);
        return leftMs === undefined || step.last ? lookMs : Math.min(leftMs, lookMs);
      case 'unblock':
      case 'expire':
        await this.#end(task, step.kind);
        return Number.POSITIVE_INFINITY;
    }
  }

  #limitOf(task: Task): Seen | undefined {
    const known = this.#seen.get(task.id);
    if (known?.since === task.since) return known;
    const leftMs = blockedLeftMs(task, this.#parts.rooms.now());
    return leftMs === undefined ? undefined : { since: task.since, endsAt: this.#parts.monotonicMs() + leftMs };
  }

  /** Beside the loop: a CLI may take long to answer. */
  async #probe(task: Task, last: boolean): Promise<void> {
    if (this.#asking.has(task.id)) return;
    this.#asking.add(task.id);
    try {
      const ready = await this.#isReady(task);
      if (ready || last) await this.#end(task, ready ? 'unblock' : 'expire');
    } catch (error) {
      this.#parts.log.error({ err: error, task: task.id }, 'a blocked task could not be looked at');
    } finally {
      this.#asking.delete(task.id);
    }
  }

  /** Whether there is nothing to wait for any more: a harness that is missing by now is told by the step that misses it. */
  async #isReady({ id, spec }: Task): Promise<boolean> {
    const { rooms, log } = this.#parts;
    try {
      const probe = await rooms.plugins
        .all()
        .find((plugin) => plugin.id === spec.harness)
        ?.probe(probeAgeMs);
      return probe?.status !== 'unauthenticated';
    } catch (error) {
      log.warn({ err: error, task: id }, 'a harness could not be asked whether it is ready');
      return false;
    }
  }

  /** Refused where the task has gone on meanwhile. */
  async #end(task: Task, kind: 'unblock' | 'expire'): Promise<void> {
    await this.#parts.rooms.engine.execute(task.id, kind === 'unblock' ? { kind } : { kind, since: task.since });
  }
}
