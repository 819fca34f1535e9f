import { createHash } from 'node:crypto';
import { DomainError } from '../errors.ts';
import type { CommitResult, Store } from '../store/store.ts';
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
export type Executed = { readonly kind: 'done'; readonly task: Task } | { readonly kind: 'refused'; readonly refusal: Refusal } | { readonly kind: 'fenced' };

/** Tries of one command against a task that others change at the same time. A conflict means that somebody else got on. */
const mostTries = 50;

/** The only writer of task state: load, decide, commit. Holds no state of its own, runs no loop. */
export class Engine {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Creates a task. The same request id with the same content gives the task that it made the first time. */
  async create(spec: TaskSpec, requestId?: string): Promise<Task> {
    const { store, now, newId } = this.#parts;
    // The caller's trace is no part of what was asked for: a retried call comes with a new span.
    const hash = createHash('sha256')
      .update(JSON.stringify({ ...spec, traceparent: undefined }))
      .digest('hex');
    for (let tries = 0; tries < mostTries; tries++) {
      const earlier = requestId === undefined ? undefined : await store.request(requestId);
      if (earlier && requestId !== undefined) return await this.#replay(earlier, hash, requestId);
      const { task, events } = createTask(newId(), spec, now());
      const result = await store.commit({ task, expectedVersion: 0, events, ...(requestId === undefined ? {} : { request: { id: requestId, hash } }) });
      if (result === 'committed') return task;
    }
    throw new DomainError('INTERNAL', 'the task could not be stored: every try met a conflict');
  }

  /** Carries out a command on the task as it is now. A driver presents its fence; a client presents none. */
  async execute(taskId: string, command: Command, fence?: number): Promise<Executed> {
    for (let tries = 0; tries < mostTries; tries++) {
      const before = await this.#parts.store.task(taskId);
      if (!before) throw taskNotFound(taskId);
      if (fence !== undefined && before.fence !== fence) return { kind: 'fenced' };
      const decision = decide(before, command, this.#parts.now());
      if (isRefusal(decision)) return { kind: 'refused', refusal: decision };
      const result: CommitResult = await this.#parts.store.commit({
        task: decision.task,
        expectedVersion: before.version,
        events: decision.events,
        ...(fence === undefined ? {} : { fence }),
        ...(decision.completion ? { completion: decision.completion, destinations: this.#parts.destinations } : {}),
        ...(command.kind === 'claim' && before.spec.workspace.mode === 'in_place' ? { reserve: before.spec.workspace.path } : {}),
      });
      if (result === 'fenced') return { kind: 'fenced' };
      if (result === 'committed') return { kind: 'done', task: decision.task };
      // A claim that meets a conflict lost to another claim or to a taken workspace: the dispatcher looks again.
      if (command.kind === 'claim') return { kind: 'refused', refusal: { refused: 'stale', message: `task ${taskId} was claimed or its workspace taken` } };
    }
    throw new DomainError('INTERNAL', `command "${command.kind}" met a conflict ${mostTries} times on task ${taskId}`);
  }

  async #replay(earlier: { hash: string; taskId: string }, hash: string, requestId: string): Promise<Task> {
    if (earlier.hash !== hash) {
      throw new DomainError('REQUEST_ID_REUSED', `request id ${requestId} was used before with other content, for task ${earlier.taskId}`, {
        hint: 'a request id belongs to one request; use a new one',
        metadata: { request_id: requestId, task_id: earlier.taskId },
      });
    }
    const task = await this.#parts.store.task(earlier.taskId);
    if (!task) throw taskNotFound(earlier.taskId);
    return task;
  }
}

export function taskNotFound(id: string): DomainError {
  return new DomainError('TASK_NOT_FOUND', `there is no task ${id}`, { hint: 'list the tasks with: singletree ls', metadata: { task_id: id } });
}
