import { randomUUID } from 'node:crypto';
import { TaskEventSchema, TaskSchema } from '@singletree/protocol';
import { toPlain, type TaskEvent } from '@singletree/sdk';
import { randomFrom } from '@singletree/testing';
import { Engine, type Executed } from '../../packages/core/src/engine/engine.ts';
import { KillSwitches } from '../../packages/core/src/engine/kill-switches.ts';
import { DomainError } from '../../packages/core/src/errors.ts';
import { uuidv7 } from '../../packages/core/src/ids.ts';
import { eventToProto } from '../../packages/core/src/rpc/to-proto/event.ts';
import { taskToProto } from '../../packages/core/src/rpc/to-proto/task.ts';
import type { Store } from '../../packages/core/src/store/store.ts';
import { aGate, aSpec } from '../../packages/core/src/task/samples.testsuite.ts';
import { killSwitchOf } from '../../packages/core/src/task/scopes.ts';
import { isFinal, type Task } from '../../packages/core/src/task/task.ts';
import { requestLabel } from '../support/checker.ts';
import type { Call, CallResult, History, Sighting, Stream, TaskRecord } from '../support/history.ts';
import { perform, type Draw, type Refs } from './driver.testsuite.ts';
import { happenings, Machine, type Box, type Happening } from './machine.testsuite.ts';

/** What may happen next. `by` decides everything that is left open. */
export interface Move {
  readonly kind:
    | 'create'
    | 'cancel'
    | 'terminate'
    | 'repeat'
    | 'kill switch'
    | 'release'
    | 'unblock'
    | 'claim'
    | 'drive'
    | 'happen'
    | 'late'
    | 'watch'
    | 'crash'
    | 'wait';
  readonly by: number;
}

/** Where the daemon dies: a commit is the only place at which it matters to others whether it came before or after. */
type Doom = 'before a commit' | 'after a commit';

class Dead extends Error {}

/** Clients, a daemon that dies and is started again, and a machine, around the real engine and the real store. */
export class World {
  readonly #store: Store;
  readonly #machine = new Machine();
  readonly #refs: Refs = new Map();
  readonly #calls: Call[] = [];
  readonly #streams: Stream[] = [];
  readonly #sightings: Sighting[] = [];
  /** In the order in which they were seen, by whoever saw them first. */
  readonly #known: string[] = [];
  readonly #engine: Engine;
  readonly #switches: KillSwitches;
  #doom: Doom | undefined;
  #owner = 'daemon 0';
  /** What a driver knew who may be late. */
  #earlier: { taskId: string; fence: number; owner: string } | undefined;
  #deaths = 0;
  #now = Date.UTC(2026, 10, 21, 12);
  /** Tells this world's requests from those of others in the same store. */
  readonly #prefix = randomUUID();

  /** `store` may hold tasks of worlds before this one, all of them final. */
  constructor(store: Store) {
    this.#store = store;
    const now = (): number => this.#now;
    const parts = { store: this.#mortal(store), now, newId: uuidv7(now), destinations: [] };
    this.#engine = new Engine(parts);
    this.#switches = new KillSwitches(parts);
  }

  get deaths(): number {
    return this.#deaths;
  }

  async play(moves: readonly Move[]): Promise<void> {
    // Two at once now and then: what the store does with both is part of what is tried.
    for (let at = 0; at < moves.length; at += 1) {
      const [move, other] = [moves[at]!, moves[at + 1]];
      this.#now += move.by % 50;
      if (other && move.by % 4 === 0) at += 1;
      const both = other && move.by % 4 === 0 ? [move, other] : [move];
      const ends = await Promise.allSettled(both.map((each) => this.#play(each)));
      let hasDied = false;
      for (const end of ends) {
        if (end.status === 'fulfilled') continue;
        if (!(end.reason instanceof Dead)) throw end.reason;
        hasDied = true;
      }
      if (hasDied) await this.#restart(move.by);
    }
  }

  /** Nobody disturbs any more: every task comes to its end. Throws if one does not. */
  async settle(): Promise<void> {
    await this.#restart(0);
    for (const { scope } of await this.#store.killSwitches()) await this.#switches.release(scope);
    await this.#writeKillSwitch();
    const open = new Set(this.#known);
    for (let round = 0; open.size > 0; round += 1) {
      if (round > 400) throw new Error(`tasks go on for ever: ${[...open].join(', ')}`);
      this.#now += 60_000;
      const draw = drawFrom(round);
      for (const task of await this.#store.due(this.#now, 100)) await this.#claim(task);
      for (const id of open) {
        const task = await this.#taskOf(id);
        if (isFinal(task.state)) open.delete(id);
        if (task.state === 'blocked')
          await this.#engine.execute(id, round > 100 ? { kind: 'expire', since: task.since } : { kind: 'unblock' });
        for (let step = 0; step < 4; step += 1) await this.#drive(id, draw);
      }
      for (const box of this.#machine.boxes.values())
        this.#machine.happen(box, draw(2) === 0 ? 'ends well' : whatHappens(box, draw), this.#now);
    }
    await this.#restart(0);
  }

  async history(): Promise<History> {
    const tasks: TaskRecord[] = [];
    for (const id of this.#known) {
      const task = await this.#taskOf(id);
      const seen = toPlain(TaskSchema, taskToProto({ task, traceId: '', completion: await this.#store.completion(id) }));
      tasks.push({ task: seen, readings: [await this.#eventsOf(task, 0), await this.#eventsOf(task, 0)] });
    }
    const boxes = [...this.#machine.boxes.values()];
    const ours = new Set(this.#known);
    const leased = (await this.#store.leased()).filter(({ id }) => ours.has(id));
    return {
      calls: this.#calls,
      streams: this.#streams,
      sightings: this.#sightings,
      tasks,
      starts: this.#machine.starts,
      left: {
        leases: leased.map(({ id, state }) => ({ taskId: id, state })),
        openDirectories: boxes.flatMap(({ name, state }) => (state === 'unowned' || state === 'running' ? [name] : [])),
        worktrees: [],
        processes: boxes.flatMap(({ name, state }) => (state === 'running' ? [{ pid: 7, command: name }] : [])),
        outputs: new Map(boxes.flatMap(({ name, said, role }) => (role === 'harness' ? [[outputOf(name), said]] : []))),
        refs: this.#refs,
      },
    };
  }

  async #play({ kind, by }: Move): Promise<void> {
    const draw = drawFrom(by);
    const id = this.#known[by % this.#known.length];
    switch (kind) {
      case 'create':
        return await this.#create(`request ${this.#prefix} ${draw(6)}`, draw);
      case 'repeat': {
        const call = this.#calls[by % this.#calls.length];
        if (call?.kind === 'create') await this.#create(call.requestId, draw);
        else if (call?.taskId !== undefined && call.kind !== 'kill_switch') await this.#stop(call.kind, call.taskId, call.requestId);
        return;
      }
      case 'cancel':
      case 'terminate':
        if (id !== undefined) await this.#stop(kind, id, `${kind} ${this.#prefix} ${by}`);
        return;
      case 'kill switch':
        await this.#switches.engage(
          { scope: scopes[by % scopes.length]!, by: 'a person' },
          { id: `on ${this.#prefix} ${by}`, content: { on: by } },
        );
        return await this.#writeKillSwitch();
      case 'release':
        await this.#switches.release(scopes[by % scopes.length]!, { id: `off ${this.#prefix} ${by}`, content: { off: by } });
        return await this.#writeKillSwitch();
      case 'unblock':
        if (id !== undefined) await this.#engine.executeOnce(id, { kind: 'unblock' }, undefined);
        return;
      case 'claim': {
        const due = await this.#store.due(this.#now, 100);
        const task = due[by % due.length];
        // A claim that was about to be made when the switch was thrown comes too late.
        if (!task) return id === undefined ? undefined : await this.#claim(await this.#taskOf(id));
        return await this.#claim(task);
      }
      case 'drive':
        return id === undefined ? undefined : await this.#drive(id, draw);
      case 'happen': {
        const running = [...this.#machine.boxes.values()].filter(({ state }) => state === 'running');
        const box = running[by % running.length];
        return box && this.#machine.happen(box, whatHappens(box, draw), this.#now);
      }
      case 'late':
        return await this.#writeLate(draw);
      case 'watch':
        return id === undefined ? undefined : await this.#watch(id, draw);
      case 'crash':
        if (draw(3) === 0) throw new Dead();
        this.#doom = draw(2) === 0 ? 'before a commit' : 'after a commit';
        return;
      case 'wait':
        this.#now += by % 100_000;
        this.#machine.obeyKillSwitch(this.#now);
    }
  }

  /** Labels, and so the content, hang on the request alone: the same id is the same wish. */
  async #create(requestId: string, draw: Draw): Promise<void> {
    const group = requestId.length % 2 === 0 ? 'even' : 'odd';
    const labels = { [requestLabel]: requestId, group };
    const gates = [aGate('test'), aGate('lint', { required: false })];
    const limits = { timeoutMs: 3_600_000, maxOutputBytes: 10_000, maxAttempts: 3, blockedLimitMs: 3_600_000 };
    // What the configuration has become since: the same request gives the same task all the same.
    const spec = aSpec({ title: requestId, setup: ['npm ci'], gates, limits, labels, priority: draw(3), harness: 'fake' });
    await this.#call(
      { kind: 'create', requestId },
      async () => await this.#engine.create(() => spec, { id: requestId, content: { labels } }),
    );
  }

  async #stop(kind: 'cancel' | 'terminate', taskId: string, requestId: string): Promise<void> {
    await this.#call({ kind, taskId, requestId }, async () => {
      const executed = await this.#engine.executeOnce(taskId, { kind: 'stop', stop: kind, by: 'a client' }, requestId);
      if (executed.kind === 'done') return executed.task;
      throw new DomainError('ILLEGAL_TRANSITION', `it is ${executed.kind}`);
    });
  }

  /** A call whose daemon dies in its middle is one whose answer is lost. */
  async #call(asked: Pick<Call, 'kind' | 'requestId' | 'taskId'>, work: () => Promise<Task>): Promise<void> {
    const begin = this.#now;
    const answer = (result: CallResult): void => void this.#calls.push({ ...asked, begin, end: this.#now, result });
    try {
      const task = await work();
      this.#see(task);
      answer({ kind: 'answered', taskId: task.id, state: task.state });
    } catch (error) {
      if (error instanceof DomainError && error.reason === 'ILLEGAL_TRANSITION') return answer({ kind: 'refused', reason: error.reason });
      answer({ kind: 'unknown', why: String(error) });
      throw error;
    }
  }

  async #claim(task: Task): Promise<void> {
    const held = killSwitchOf(task, await this.#store.killSwitches());
    const { kind } = await this.#engine.execute(task.id, { kind: 'claim', owner: this.#owner });
    const stillHeld = killSwitchOf(task, await this.#store.killSwitches());
    if (kind === 'done' && held && stillHeld)
      throw new Error(`task ${task.id} was claimed although the kill switch ${held.scope} is thrown`);
  }

  async #drive(id: string, draw: Draw): Promise<void> {
    const task = await this.#taskOf(id);
    if (!task.lease || isFinal(task.state)) return;
    this.#earlier ??= { taskId: id, fence: task.fence, owner: this.#owner };
    const command = perform(task, this.#machine, this.#refs, this.#now, draw);
    if (command) notFenced(await this.#engine.execute(id, command, task.fence));
  }

  /** A driver of a daemon that is dead, or that has lost the task since: nothing of what it says may count. */
  async #writeLate(draw: Draw): Promise<void> {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    if (!earlier) return;
    const task = await this.#taskOf(earlier.taskId);
    if (!task.lease || task.lease.owner === earlier.owner) return;
    const command = perform(task, new Proxy(this.#machine, harmless), new Map(), this.#now, draw) ?? { kind: 'judged' };
    const { kind } = await this.#engine.execute(task.id, command, earlier.fence);
    if (kind !== 'fenced') throw new Error(`a driver with the old fence ${earlier.fence} of task ${task.id} was heard: ${kind}`);
  }

  async #watch(id: string, draw: Draw): Promise<void> {
    const task = await this.#taskOf(id);
    this.#see(task);
    const afterSequence = draw(task.sequence + 1);
    this.#streams.push({ taskId: id, afterSequence, events: await this.#eventsOf(task, afterSequence), whole: isFinal(task.state) });
  }

  /** As a daemon starts: what is leased is taken over, what no task needs is ended, and the file is written from the rows. */
  async #restart(by: number): Promise<void> {
    this.#doom = undefined;
    this.#deaths += 1;
    this.#owner = `daemon ${this.#deaths}`;
    await this.#writeKillSwitch();
    // Calls whose answer was lost may have made tasks.
    for (const requestId of new Set(this.#calls.flatMap((call) => (call.kind === 'create' ? [call.requestId] : [])))) {
      const request = await this.#store.request(requestId);
      if (request && 'taskId' in request) this.#see(await this.#taskOf(request.taskId));
    }
    const leased = (await this.#store.leased()).filter(({ id }) => this.#known.includes(id));
    const kept = new Set(leased.map(({ id, attempts }) => `${id}/${attempts.length}`));
    for (const box of this.#machine.boxes.values()) {
      if (kept.has(box.name.slice(0, box.name.lastIndexOf('/')))) continue;
      this.#machine.revoke(box);
      this.#machine.stop(box, 'kill', this.#now);
    }
    for (const { id } of leased) {
      await this.#engine.execute(id, { kind: 'take_over', owner: this.#owner });
      await this.#engine.obeyKillSwitches(await this.#taskOf(id));
    }
    // The next death may come at any commit of the first seconds.
    if (by % 5 === 1) this.#doom = 'after a commit';
  }

  async #writeKillSwitch(): Promise<void> {
    this.#machine.killSwitch = (await this.#store.killSwitches()).map(({ scope }) => scope);
    this.#machine.obeyKillSwitch(this.#now);
  }

  #see({ id, state }: Task): void {
    if (!this.#known.includes(id)) this.#known.push(id);
    this.#sightings.push({ taskId: id, state });
  }

  async #taskOf(id: string): Promise<Task> {
    const task = await this.#store.task(id);
    if (!task) throw new Error(`task ${id} is lost`);
    return task;
  }

  async #eventsOf(task: Task, after: number): Promise<TaskEvent[]> {
    const completion = await this.#store.completion(task.id);
    const events = await this.#store.events(task.id, after, 100_000);
    return events.map((event) => toPlain(TaskEventSchema, eventToProto(event, { task, traceId: '', completion })));
  }

  /** A store at whose commits the daemon dies: what was committed is on disk, and nobody was told. */
  #mortal(store: Store): Store {
    const dying = async <T>(commit: () => Promise<T>): Promise<T> => {
      const doom = this.#doom;
      this.#doom = undefined;
      if (doom === 'before a commit') throw new Dead();
      const result = await commit();
      if (doom === 'after a commit') throw new Dead();
      return result;
    };
    return new Proxy(store, {
      get: (target, key: keyof Store) => {
        if (key === 'commit') return (change: Parameters<Store['commit']>[0]) => dying(() => target.commit(change));
        if (key === 'commitControl') return (change: Parameters<Store['commitControl']>[0]) => dying(() => target.commitControl(change));
        return target[key].bind(target);
      },
    });
  }
}

/** Of the kill switch. `all` would leave little to happen. */
const scopes = ['label=group=even', 'label=group=odd', 'harness=fake', 'model=none'] as const;

/** A machine on which nothing can be done: for a driver that is heard by nobody. */
const harmless: ProxyHandler<Machine> = {
  get(machine, key) {
    const value: unknown = Reflect.get(machine, key, machine);
    if (key === 'box' && typeof value === 'function') return (name: string) => ({ ...(machine.boxes.get(name) ?? machine.box(name)) });
    return typeof value === 'function' ? () => undefined : value;
  },
};

function whatHappens({ role }: Box, draw: Draw): Happening {
  return happenings[role][draw(happenings[role].length)]!;
}

function notFenced(executed: Executed): void {
  if (executed.kind === 'fenced') throw new Error('the driver of the living daemon is fenced');
}

function drawFrom(seed: number): Draw {
  const random = randomFrom(seed);
  return (choices) => Math.floor(random() * choices);
}

/** `TASK/ATTEMPT/harness-0-1` → `TASK/ATTEMPT/stdout`. */
function outputOf(name: string): string {
  return `${name.slice(0, name.lastIndexOf('/'))}/stdout`;
}
