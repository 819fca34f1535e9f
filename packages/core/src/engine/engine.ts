import { createHash } from 'node:crypto';
import { DomainError } from '../errors.ts';
import type { ChangeSet, CommitResult, Store } from '../store/store.ts';
import { isRefusal, type Refusal } from '../task/change.ts';
import type { Command } from '../task/commands.ts';
import { createTask } from '../task/create.ts';
import { decide } from '../task/decide.ts';
import type { Instant, Task, TaskSpec } from '../task/task.ts';

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

/** A request under the id that its client gave it. */
export interface ClientRequest {
  readonly id: string;
  /** What was asked for, as the client sent it: the same content is the same wish, however this daemon would fill it in by now. */
  readonly content: object;
}

type Request = NonNullable<ChangeSet['request']>;

/** Tries of one command against a task that others change at the same time. A conflict means that somebody else got on. */
const mostTries = 50;

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
    const request = asked && { id: asked.id, hash: hashOf(asked.content) };
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
    const request = requestId === undefined ? undefined : { id: requestId, hash: hashOf({ taskId, command }) };
    return await this.execute(taskId, command, undefined, request);
  }

  /** Carries out a command on the task as it is now. A driver presents its fence; a client presents none. */
  async execute(taskId: string, command: Command, fence?: number, request?: Request): Promise<Executed> {
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
        task: decision.task,
        expectedVersion: before.version,
        events: decision.events,
        ...(fence === undefined ? {} : { fence }),
        ...(request ? { request } : {}),
        ...(decision.completion ? { completion: decision.completion, destinations: this.#parts.destinations } : {}),
        ...(command.kind === 'claim' && reserves !== undefined ? { reserve: reserves } : {}),
      });
      if (result === 'fenced') return { kind: 'fenced' };
      if (result === 'committed') return { kind: 'done', task: decision.task };
      // A claim that meets a conflict lost to another claim or to a taken workspace: the dispatcher looks again.
      if (command.kind === 'claim')
        return { kind: 'refused', refusal: { refused: 'stale', message: `task ${taskId} was claimed or its workspace taken` } };
    }
    throw new DomainError('INTERNAL', `command "${command.kind}" met a conflict ${mostTries} times on task ${taskId}`);
  }

  /** The task, as it is now, of a request that has done its work. Asked at each try: the same call may be under way twice at once. */
  async #doneBefore(request: Request | undefined): Promise<Task | undefined> {
    const earlier = request && (await this.#parts.store.request(request.id));
    if (!earlier) return undefined;
    if (earlier.hash !== request.hash) {
      throw new DomainError(
        'REQUEST_ID_REUSED',
        `request id ${request.id} was used before with other content, for task ${earlier.taskId}`,
        {
          hint: 'a request id belongs to one request; use a new one',
          metadata: { request_id: request.id, task_id: earlier.taskId },
        },
      );
    }
    const task = await this.#parts.store.task(earlier.taskId);
    if (!task) throw taskNotFound(earlier.taskId);
    return task;
  }
}

/** The order of keys does not count: clients write a map in any order, and a retried call in another one. */
function hashOf(content: object): string {
  const ordered = JSON.stringify(content, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(ordered).digest('hex');
}

export function taskNotFound(id: string): DomainError {
  return new DomainError('TASK_NOT_FOUND', `there is no task ${id}`, {
    hint: 'list the tasks with: singletree ls',
    metadata: { task_id: id },
  });
}
