import { DomainError } from '../errors.ts';
import type { CommitResult, Store } from '../store/store.ts';
import { isRefusal, type Refusal } from '../task/change.ts';
import type { Command, CommandKind } from '../task/commands.ts';
import { createTask } from '../task/create.ts';
import { decide } from '../task/decide.ts';
import { killSwitchOf, scopesOf } from '../task/scopes.ts';
import type { Instant, Task, TaskSpec } from '../task/task.ts';
import { changeSetOf } from './change-set.ts';
import { isKilled, killing } from './kill.ts';
import { assertSame, hashed, type ClientRequest, type HashedRequest } from './request.ts';

export interface EngineParts {
  readonly store: Store;
  readonly now: () => Instant;
  readonly newId: () => string;
  /** Where completions go; an empty list means that export is off. */
  readonly destinations: readonly string[];
}

/** What became of a command. `fenced`: somebody else drives the task now; stop and write nothing. */
export type Executed =
  | { readonly kind: 'done'; readonly task: Task }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'fenced' };

/** Tries of one command against a task that others change at the same time. A conflict means that somebody else got on. */
export const mostTries = 50;

/** After these something may run that did not run before: they are refused where a kill switch hits the task. */
const startsSomething: readonly CommandKind[] = ['claim', 'open_process', 'start'];

/** The only writer of task state: load, decide, commit. Holds no state of its own, runs no loop. */
export class Engine {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /**
   * Creates a task. The same request id with the same content gives the task that it made the first time, and nothing of the request is
   * looked at again: `specify` makes of it what the configuration and the machine are today, and refuses it by throwing.
   */
  async create(specify: () => TaskSpec | Promise<TaskSpec>, asked?: ClientRequest): Promise<Task> {
    const { store, now, newId } = this.#parts;
    const request = asked && hashed(asked);
    let spec: TaskSpec | undefined;
    for (let tries = 0; tries < mostTries; tries++) {
      const earlier = await this.#doneBefore(request);
      if (earlier) return earlier;
      spec ??= await specify();
      const { task, events } = createTask(newId(), spec, now());
      const result = await store.commit({ task, expectedVersion: 0, events, ...(request ? { request } : {}) });
      if (result === 'committed') return task;
    }
    throw new DomainError('INTERNAL', 'the task could not be stored: every try met a conflict');
  }

  /** A client's command that may come twice: under a request id that has done its work already it changes nothing more. */
  async executeOnce(taskId: string, command: Command, requestId: string | undefined): Promise<Executed> {
    const request = requestId === undefined ? undefined : hashed({ id: requestId, content: { taskId, command } });
    return await this.execute(taskId, command, undefined, request);
  }

  /** Carries out a command on the task as it is now. A driver presents its fence; a client presents none. */
  async execute(taskId: string, command: Command, fence?: number, request?: HashedRequest): Promise<Executed> {
    for (let tries = 0; tries < mostTries; tries++) {
      const earlier = await this.#doneBefore(request);
      if (earlier) return { kind: 'done', task: earlier };
      const before = await this.#parts.store.task(taskId);
      if (!before) throw taskNotFound(taskId);
      if (fence !== undefined && before.fence !== fence) return { kind: 'fenced' };
      const { reserves } = before.spec.workspace;
      const decision = decide(before, command, this.#parts.now());
      if (isRefusal(decision)) return { kind: 'refused', refusal: decision };
      const result: CommitResult = await this.#parts.store.commit({
        ...changeSetOf(before, decision, this.#parts.destinations),
        ...(fence === undefined ? {} : { fence }),
        ...(request ? { request } : {}),
        ...(startsSomething.includes(command.kind) ? { unlessKilled: scopesOf(decision.task) } : {}),
        ...(command.kind === 'claim' && reserves !== undefined ? { reserve: reserves } : {}),
      });
      if (result === 'fenced') return { kind: 'fenced' };
      if (result === 'committed') {
        // What it said of itself, its model for one, may have brought it under a switch that was thrown before.
        if (hasNewScope(before, decision.task)) await this.obeyKillSwitches(decision.task);
        return { kind: 'done', task: decision.task };
      }
      if (result === 'killed') {
        await this.obeyKillSwitches(before);
        return { kind: 'refused', refusal: { refused: 'stale', message: `a kill switch holds task ${taskId}` } };
      }
      // A claim that meets a conflict lost to another claim or to a taken workspace: the dispatcher looks again.
      if (command.kind === 'claim')
        return { kind: 'refused', refusal: { refused: 'stale', message: `task ${taskId} was claimed or its workspace taken` } };
    }
    throw new DomainError('INTERNAL', `command "${command.kind}" met a conflict ${mostTries} times on task ${taskId}`);
  }

  /** Stops a task that is being driven although a kill switch hits it. One that waits is held by the claim that it is refused. */
  async obeyKillSwitches(task: Task): Promise<void> {
    if (!task.lease || isKilled(task)) return;
    const thrown = killSwitchOf(task, await this.#parts.store.killSwitches());
    if (thrown) await this.execute(task.id, killing(thrown));
  }

  /** The task, as it is now, of a request that has done its work. Asked at each try: the same call may be under way twice at once. */
  async #doneBefore(request: HashedRequest | undefined): Promise<Task | undefined> {
    const earlier = request && (await this.#parts.store.request(request.id));
    if (!earlier) return undefined;
    assertSame(request, earlier);
    if (!('taskId' in earlier)) throw new Error(`bug: request ${request.id} has the content of a task's and has changed none`);
    const task = await this.#parts.store.task(earlier.taskId);
    if (!task) throw taskNotFound(earlier.taskId);
    return task;
  }
}

function hasNewScope(before: Task, after: Task): boolean {
  const known = scopesOf(before);
  return scopesOf(after).some((scope) => !known.includes(scope));
}

export function taskNotFound(id: string): DomainError {
  return new DomainError('TASK_NOT_FOUND', `there is no task ${id}`, {
    hint: 'list the tasks with: singletree ls',
    metadata: { task_id: id },
  });
}
