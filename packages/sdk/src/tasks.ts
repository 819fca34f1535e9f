import { randomUUID } from 'node:crypto';
import type { CallOptions, Client } from '@connectrpc/connect';
import { ModelCallSchema, TaskSchema, TaskService, TaskState, type Task as TaskMessage } from '@singletree/protocol';
import { toRequest, type CreateTask } from './create-task.ts';
import { Bounds, type CallSettings } from './deadline.ts';
import { SingletreeError } from './errors.ts';
import type { Link } from './link.ts';
import { logs, type LogOptions } from './logs.ts';
import type { LogChunk, ModelCall, Task, TaskCompletionEvent, TaskEvent, TaskState as StateWord } from './types.ts';
import { watch, type WatchOptions } from './watch.ts';
import { fromWord } from './words.ts';
import { toPlain } from './write.ts';

export interface ChangeSettings extends CallSettings {
  /** Two calls with the same id change something once. A new id if absent, so that a lost answer never does it twice. */
  readonly requestId?: string | undefined;
}

export interface StopSettings extends ChangeSettings {
  /** Who asks. */
  readonly by?: string | undefined;
  readonly why?: string | undefined;
}

export interface ListSettings extends CallSettings {
  /** Only tasks in one of these states. */
  readonly states?: readonly StateWord[] | undefined;
  /** Most tasks on a page, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface ModelCallSettings extends CallSettings {
  /** Only those of this attempt. */
  readonly attempt?: number | undefined;
  /** Most entries that are asked for at once, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface Page {
  readonly tasks: Task[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}

export interface RunTask extends CreateTask, Omit<WatchOptions, 'afterSequence' | 'signal' | 'timeoutMs'> {
  /** Called once the task is on the daemon's disk. */
  readonly onCreated?: (task: Task) => void | Promise<void>;
  /** Called with each event, in order; the next one waits for it. */
  readonly onProgress?: (event: TaskEvent) => void | Promise<void>;
  /** Cancels the task: `run` rejects with the signal's reason as soon as the daemon has recorded the cancellation. */
  readonly signal?: AbortSignal;
}

/** Creates tasks, looks at them, and stops them. A task may be named by its id or by the beginning of it. */
export class Tasks {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Creates a task. When it resolves, the task is on disk and will be worked on, whatever becomes of this process. */
  async create(task: CreateTask, settings: CallSettings = {}): Promise<Task> {
    const request = toRequest(task, task.requestId ?? randomUUID());
    return this.#change((client, options) => client.createTask(request, options), settings);
  }

  /** Reads a task as it stands now. */
  async get(taskId: string, settings: CallSettings = {}): Promise<Task> {
    const answer = await this.#link.call(TaskService, (client, options) => client.getTask({ taskId }, options), settings);
    return plainTask(answer.task);
  }

  /** All tasks, newest first, page by page. They come without instructions, criteria, context and output of gates. */
  async *list(settings: ListSettings = {}): AsyncGenerator<Task, void, undefined> {
    const bounds = new Bounds(settings);
    for (let pageToken: string | undefined; ;) {
      const page: Page = await this.page({ ...settings, timeoutMs: bounds.timeoutMs, pageToken });
      yield* page.tasks;
      pageToken = page.nextPageToken;
      if (pageToken === undefined) return;
    }
  }

  /** One page of the list. A page may be empty although another follows. */
  async page({ states, pageSize, pageToken, ...settings }: ListSettings & { readonly pageToken?: string | undefined } = {}): Promise<Page> {
    const request = {
      states: (states ?? []).map((state) => fromWord('task state', TaskState, state)),
      pageSize: pageSize ?? 0,
      pageToken: pageToken ?? '',
    };
    const answer = await this.#link.call(TaskService, (client, options) => client.listTasks(request, options), settings);
    return { tasks: answer.tasks.map(plainTask), ...(answer.nextPageToken ? { nextPageToken: answer.nextPageToken } : {}) };
  }

  /**
   * The events of a task, first those of the past, each exactly once and in order; ends after the final one. A cut stream is taken up again
   * by itself, also when the daemon is started again meanwhile. Leaving the loop ends the watch, not the task.
   */
  watch(taskId: string, options: WatchOptions = {}): AsyncGenerator<TaskEvent, void, undefined> {
    return watch(this.#link, taskId, options);
  }

  /**
   * What the processes of a task wrote, in the order in which they ran: setup, harness and gates of each attempt. Ends at the end of the
   * logs, or with `follow` of the task; a cut stream is then taken up again where it was. Untrusted bytes: they may hold anything.
   */
  logs(taskId: string, options: LogOptions = {}): AsyncGenerator<LogChunk, void, undefined> {
    return logs(this.#link, taskId, options);
  }

  /**
   * The usage ledger of a task: its model calls by attempt, in the order in which they were made, and what a harness counts beyond them. The
   * entries of an attempt that has ended add up to its `usage`; of one that runs they are what its harness has told so far.
   */
  async *modelCalls(
    taskId: string,
    { attempt, pageSize, ...settings }: ModelCallSettings = {},
  ): AsyncGenerator<ModelCall, void, undefined> {
    const bounds = new Bounds(settings);
    for (let pageToken = ''; ;) {
      const request = { taskId, pageSize: pageSize ?? 0, pageToken, ...(attempt === undefined ? {} : { attempt }) };
      const page = await this.#link.call(TaskService, (client, options) => client.listModelCalls(request, options), bounds);
      for (const call of page.calls) yield toPlain(ModelCallSchema, call);
      pageToken = page.nextPageToken;
      if (pageToken === '') return;
    }
  }

  /** Asks a task to end. Resolves when that is on disk; the task is cancelled when its processes are gone. */
  async cancel(taskId: string, { by, why, requestId = randomUUID(), ...settings }: StopSettings = {}): Promise<Task> {
    const request = { taskId, requestId, by, why };
    return this.#change((client, options) => client.cancelTask(request, options), settings);
  }

  /** Ends a task at once, without asking its harness. Resolves when that is on disk; the task is cancelled when its processes are gone. */
  async terminate(taskId: string, { by, why, requestId = randomUUID(), ...settings }: StopSettings = {}): Promise<Task> {
    const request = { taskId, requestId, by, why };
    return this.#change((client, options) => client.terminateTask(request, options), settings);
  }

  /** Lets a blocked task go on from where it was blocked, without waiting for what blocked it. */
  async unblock(taskId: string, { requestId = randomUUID(), ...settings }: ChangeSettings = {}): Promise<Task> {
    return this.#change((client, options) => client.unblockTask({ taskId, requestId }, options), settings);
  }

  /** Does a finished task again: resolves with a new task of the same content, whose `rerunOf` is the old one. */
  async rerun(taskId: string, { requestId = randomUUID(), ...settings }: ChangeSettings = {}): Promise<Task> {
    return this.#change((client, options) => client.rerunTask({ taskId, requestId }, options), settings);
  }

  /**
   * Creates a task, watches it and resolves with its completion event, whatever the outcome. If the signal aborts, the task is cancelled.
   * If the daemon is lost for good, or a callback throws, the promise rejects and the task goes on: look for it with `get` or `watch`.
   * A task that becomes blocked is waited for, up to its `blockedLimitMs`, unless `whenBlocked` is `throw`.
   */
  async run({ onCreated, onProgress, signal, ...settings }: RunTask): Promise<TaskCompletionEvent> {
    signal?.throwIfAborted();
    const task = await this.create(settings);
    try {
      await onCreated?.(task);
      for await (const event of this.watch(task.id, { ...settings, ...(signal ? { signal } : {}) })) {
        await onProgress?.(event);
        if (event.kind === 'completed') return event.completed;
        signal?.throwIfAborted();
      }
    } catch (error) {
      if (signal?.aborted) await this.#cancelUnfinished(task.id);
      throw error;
    }
    throw new SingletreeError(`the events of task ${task.id} ended without a completion event`, { code: 'internal' });
  }

  /** A call that a request id makes safe to repeat, and that answers with the task. */
  async #change(
    call: (client: Client<typeof TaskService>, options: CallOptions) => Promise<{ readonly task?: TaskMessage | undefined }>,
    settings: CallSettings,
  ): Promise<Task> {
    return plainTask((await this.#link.change(TaskService, call, settings)).task);
  }

  async #cancelUnfinished(taskId: string): Promise<void> {
    try {
      await this.cancel(taskId, { why: 'the client aborted its run' });
    } catch (error) {
      // The task was faster: there is nothing left to cancel.
      if (!(error instanceof SingletreeError && error.reason === 'ILLEGAL_TRANSITION')) throw error;
    }
  }
}

function plainTask(task: TaskMessage | undefined): Task {
  if (!task) throw new SingletreeError('the daemon answered without a task', { code: 'internal' });
  return toPlain(TaskSchema, task);
}
