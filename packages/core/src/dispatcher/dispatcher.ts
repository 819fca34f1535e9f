import type { Logger } from 'pino';
import { drive } from '../attempt/drive.ts';
import type { Rooms } from '../attempt/rooms.ts';
import { StepFailure } from '../attempt/step-failure.ts';
import { DomainError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { Predictor } from '../prediction/predictor.ts';
import { advised } from '../task/advice.ts';
import { isFinal, type Task, type TaskState } from '../task/task.ts';
import { waitingFor, type WaitingFor } from '../task/waiting.ts';
import { BlockedTasks } from './blocked-tasks.ts';

export interface DispatcherParts {
  readonly rooms: Rooms;
  readonly predictor: Predictor;
  /** This daemon's start id: the owner of every lease that it takes. */
  readonly owner: string;
  readonly concurrency: { readonly total: number; readonly perHarness: Readonly<Record<string, number>> };
  readonly monotonicMs: () => number;
  readonly log: Logger;
}

/** Waiting tasks looked at at a time. */
const roundSize = 100;
/** The longest sleep of the loop: hints and due times wake it earlier. */
const idleMs = 30_000;
/** The wait before a drive that failed for a reason of the machine's is tried again: 1 s, 2 s, 4 s, … */
const retryFirstMs = 1_000;
const retryMostMs = 60_000;
/** Failures of a drive, not the machine's, after which the task is given up: about half a minute. */
const mostFailures = 5;

/** The only loop over tasks: takes over what an earlier daemon was driving, claims what is due while slots are free, and drives it. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #blocked: BlockedTasks;
  /** Tasks being driven by this daemon, with their harness. */
  readonly #driving = new Map<string, { readonly harness: string; readonly done: Promise<void> }>();
  #draining = false;
  #stopped = false;
  #wake: () => void = () => undefined;
  #hinted = false;
  #loop: Promise<void> | undefined;
  /** The round of claims that is under way, or the last one. */
  #round: Promise<unknown> = Promise.resolve();
  #stopListening: readonly (() => void)[] = [];

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#blocked = new BlockedTasks(parts);
  }

  /** Goes on with every leased task first, whatever the limits say: its process may be running. */
  async start(): Promise<void> {
    const { store, engine } = this.#parts.rooms;
    for (const task of await store.leased()) {
      const taken = await engine.execute(task.id, { kind: 'take_over', owner: this.#parts.owner });
      if (taken.kind === 'done') this.#drive(taken.task);
    }
    this.#stopListening = [
      store.onCommit((taskId, state) => this.#heard(taskId, state)),
      // What a kill switch held is due again once that is taken back.
      store.onControl(() => this.#hint()),
    ];
    this.#loop = this.#run();
  }

  /** Claims nothing more. What runs goes on. */
  drain(): void {
    this.#draining = true;
    this.#hint();
  }

  /** Claims nothing more and ends what runs. A task of which nothing has been started yet goes back into the queue. */
  async end(by: string): Promise<void> {
    const { store, engine, now } = this.#parts.rooms;
    this.drain();
    await this.#round;
    for (const { id } of await store.leased()) {
      const release = { kind: 'release', message: `${by}: nothing had been started yet`, notBefore: now() } as const;
      const released = await engine.execute(id, release);
      if (released.kind !== 'done') await engine.execute(id, { kind: 'stop', stop: 'terminate', by });
    }
  }

  /** Resolves once nothing is driven any more. For a loop that is drained: it has no claim under way then. */
  async idle(): Promise<void> {
    for (await this.#round; this.#driving.size > 0;) await Promise.all([...this.#driving.values()].map(({ done }) => done));
  }

  /** Ends the loop. Drives are left where they are: their processes live on, and the next daemon looks at what they left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stopListening of this.#stopListening) stopListening();
    this.#hint();
    await this.#loop;
  }

  /** The queue at this moment, as a function that says why a task waits. */
  async queue(): Promise<(task: Task) => Promise<WaitingFor | undefined>> {
    const { store, now } = this.#parts.rooms;
    const due = (await store.due(now(), roundSize)).map(({ id }) => id);
    const common = {
      killSwitches: await store.killSwitches(),
      draining: this.#draining,
      running: this.#driving.size,
      limit: this.#parts.concurrency.total,
      runningByHarness: this.#runningByHarness(),
      limitByHarness: new Map(Object.entries(this.#parts.concurrency.perHarness)),
    };
    return async (task) => {
      const { reserves } = task.spec.workspace;
      const holder = reserves === undefined ? undefined : await store.workspaceHolder(reserves);
      const place = due.indexOf(task.id);
      const ahead = place < 0 ? due.length : place;
      return waitingFor(task, { ...common, ahead, ...(holder === undefined ? {} : { workspaceHolder: holder }) }, now());
    };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#hinted = false;
      let pauseMs = idleMs;
      try {
        if (!this.#draining) {
          const blockedMs = await this.#blocked.look(); // first: what goes on is due
          const round = this.#claim();
          this.#round = round.catch(() => undefined);
          pauseMs = Math.min(blockedMs, await round);
        }
      } catch (error) {
        this.#parts.log.error({ err: error }, 'a round of claims failed');
        pauseMs = retryFirstMs;
      }
      await this.#sleep(pauseMs);
    }
  }

  /** Claims what fits, and says how long there is nothing to do. */
  async #claim(): Promise<number> {
    const { store, engine, now } = this.#parts.rooms;
    const at = now();
    // A claim may fill a harness, whose other tasks then no longer stand before somebody else's: asked again until nothing fits.
    for (let progress = true; progress;) {
      progress = false;
      for (const task of await store.due(at, roundSize, this.#fullHarnesses())) {
        if (this.#driving.size >= this.#parts.concurrency.total) return idleMs;
        if (this.#stopped || this.#draining || this.#driving.has(task.id) || this.#fullHarnesses().includes(task.spec.harness)) continue;
        const estimate = await this.#parts.predictor.estimate(task.spec);
        await failpoint('dispatcher.claim.before');
        const claimed = await engine.execute(task.id, { kind: 'claim', owner: this.#parts.owner, ...(estimate ? { estimate } : {}) });
        await failpoint('dispatcher.claim.after');
        if (claimed.kind !== 'done') continue;
        this.#drive(claimed.task);
        progress = true;
      }
    }
    // What was due and did not fit waits for a slot: the end of a drive wakes the loop.
    const due = await store.nextDue(at);
    return due === undefined ? idleMs : Math.min(idleMs, Math.max(0, due - now()));
  }

  #drive(task: Task): void {
    const done = this.#driveUntilGivenBack(task).finally(() => {
      this.#driving.delete(task.id);
      this.#hint();
    });
    this.#driving.set(task.id, { harness: task.spec.harness, done });
  }

  /**
   * A drive that throws has met a fault of the machine or of ours: it is begun again, later and later. What is not the machine's is
   * tried only so often, and a stop waits for no retry: then the task is given up, which ends whatever runs.
   */
  async #driveUntilGivenBack(task: Task): Promise<void> {
    const { rooms, log } = this.#parts;
    let givingUp: StepFailure | undefined;
    for (let failures = 0, waitMs = retryFirstMs; !this.#stopped; waitMs = Math.min(waitMs * 2, retryMostMs)) {
      try {
        return await drive(task.id, task.fence, rooms, givingUp);
      } catch (error) {
        if (this.#stopped) return;
        log.error({ err: error, task: task.id, retryMs: waitMs }, 'a task could not be driven on');
        const failure = new StepFailure('internal', advised('internal', `the task could not be driven on: ${messageOf(error)}`), {
          cause: error,
        });
        if (!isOfTheMachine(error)) failures += 1;
        if (failures === mostFailures) givingUp = failure;
        else await this.#pause(task.id, waitMs);
        // A store that cannot be read now is read again by the next try: nobody else would drive the task before the next start.
        const now = await rooms.store.task(task.id).catch(() => task);
        if (!now || isFinal(now.state)) return; // only its workspace could not be closed: the next start tries that again
        if (now.stop) givingUp ??= failure;
      }
    }
  }

  /** Waits, unless something happens to the task. */
  async #pause(taskId: string, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopListening = this.#parts.rooms.store.onCommit((changed) => changed === taskId && resolve());
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    stopListening();
  }

  #fullHarnesses(): string[] {
    const running = this.#runningByHarness();
    return Object.entries(this.#parts.concurrency.perHarness).flatMap(([harness, limit]) =>
      (running.get(harness) ?? 0) >= limit ? [harness] : [],
    );
  }

  #runningByHarness(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { harness } of this.#driving.values()) counts.set(harness, (counts.get(harness) ?? 0) + 1);
    return counts;
  }

  /** A task may be due, or a client's command has ended one that nobody drives: its workspace is closed by the same path as ever. */
  #heard(taskId: string, state: TaskState): void {
    if (state === 'blocked') this.#blocked.hint();
    if (state === 'created' || state === 'in_review' || state === 'blocked') this.#hint();
    if (isFinal(state) && !this.#driving.has(taskId))
      this.#close(taskId).catch((error: unknown) => this.#parts.log.error({ err: error, task: taskId }, 'a workspace could not be closed'));
  }

  async #close(taskId: string): Promise<void> {
    const task = await this.#parts.rooms.store.task(taskId);
    if (task && !this.#driving.has(taskId)) this.#drive(task);
  }

  #hint(): void {
    this.#hinted = true;
    this.#wake();
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#hinted || this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }
}

/** Faults that pass when the machine has again what it lacks. */
const machineCodes = ['EAGAIN', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EROFS'];

function isOfTheMachine(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DomainError && /^STOR(AGE|E)_/.test(error.reason)) return true;
  if ('code' in error && machineCodes.some((code) => code === error.code)) return true;
  return isOfTheMachine(error.cause);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
