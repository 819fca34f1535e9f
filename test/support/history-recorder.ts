import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import {
  ControlService,
  ModelCallSchema,
  TaskEventSchema,
  TaskSchema,
  TaskService,
  WorkspaceMode,
  type Task as TaskMessage,
} from '@singletree/protocol';
import { toPlain, type Task, type TaskEvent } from '@singletree/sdk';
import type { FakeStep, OtlpReceiver } from '@singletree/testing';
import { requestLabel } from './checker.ts';
import { errorInfosOf, GrpcClient } from './grpc.ts';
import type { Call, CallResult, History, Left, Sighting, Start, StopCall, Stream, TaskRecord } from './history.ts';

const { createTask, getTask, listModelCalls, listTasks, cancelTask, terminateTask, unblockTask, watchTask } = TaskService.method;
const { engageKillSwitch, releaseKillSwitch } = ControlService.method;
/** A daemon that lives but never answers is a lost answer too. */
const callLimitMs = 10_000;
/** Between two tries of one client; there are many of them. */
const retryMs = 100;

export interface TaskWish {
  readonly title: string;
  readonly workspace: string;
  readonly inPlace?: boolean;
  readonly setup?: readonly string[];
  readonly gates?: readonly { readonly name: string; readonly command: string }[];
  readonly maxAttempts?: number;
  readonly timeoutMs?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * The clients of a test, and their record. They speak gRPC by another library and try each call once, so that what is lost is known to be lost:
 * the SDK would try again by itself.
 */
export class Recorder {
  readonly #state: string;
  readonly #startsFile: string;
  readonly #calls: Call[] = [];
  readonly #streams: Stream[] = [];
  readonly #sightings: Sighting[] = [];
  #seenEvents = 0;

  /** `startsFile` lies outside of the state folder: what happens to that must not change what is told here. */
  constructor({ state, startsFile }: { state: string; startsFile: string }) {
    this.#state = state;
    this.#startsFile = startsFile;
  }

  /** The command by which a process of a task, whichever, tells that it was started. */
  get startCommand(): string {
    return `echo "$SINGLETREE_PROCESS" >> '${this.#startsFile}'`;
  }

  /** The step by which the fake agent does. */
  get startStep(): FakeStep {
    return { run: this.startCommand };
  }

  /** Events that came by the streams until now. */
  get seenEvents(): number {
    return this.#seenEvents;
  }

  get calls(): readonly Call[] {
    return this.#calls;
  }

  /** One try. */
  async create(wish: TaskWish, requestId: string): Promise<CallResult> {
    const { title, workspace, inPlace = false, setup = [], gates = [], maxAttempts, timeoutMs, labels = {} } = wish;
    const request = {
      requestId,
      title,
      instructions: 'Do it.',
      workspace: { path: workspace, ...(inPlace ? { mode: WorkspaceMode.IN_PLACE } : {}) },
      setup: [...setup],
      gates: [...gates],
      labels: { ...labels, [requestLabel]: requestId },
      limits: {
        ...(maxAttempts === undefined ? {} : { maxAttempts }),
        ...(timeoutMs === undefined ? {} : { timeout: { seconds: BigInt(Math.floor(timeoutMs / 1000)), nanos: (timeoutMs % 1000) * 1e6 } }),
      },
    };
    return await this.#record({ kind: 'create', requestId }, (client) => client.call(createTask, request));
  }

  /** Tries until there is an answer or a refusal, under one request id. Undefined: refused. */
  async createForSure(wish: TaskWish, requestId: string = randomUUID()): Promise<string | undefined> {
    const result = await untilKnown(() => this.create(wish, requestId));
    return result.kind === 'answered' ? result.taskId : undefined;
  }

  /** One try. */
  async stop(kind: StopCall, taskId: string, requestId: string = randomUUID()): Promise<CallResult> {
    const request = { taskId, requestId, by: 'a client', why: 'chaos' };
    return await this.#record({ kind, requestId, taskId }, (client) =>
      kind === 'cancel' ? client.call(cancelTask, request) : client.call(terminateTask, request),
    );
  }

  async stopForSure(kind: StopCall, taskId: string): Promise<CallResult> {
    const requestId = randomUUID();
    return await untilKnown(() => this.stop(kind, taskId, requestId));
  }

  /** Throws a kill switch, with as many tries as it takes. */
  async engage(scope: string): Promise<void> {
    const request = { scope, requestId: randomUUID(), by: 'a client', why: 'chaos' };
    const begin = Date.now();
    const { taskIds } = await this.#untilAnswered((client) => client.call(engageKillSwitch, request));
    for (const taskId of taskIds) {
      const result = { kind: 'answered', taskId, state: 'in_progress' } as const;
      this.#calls.push({ kind: 'kill_switch', taskId, requestId: request.requestId, begin, end: Date.now(), result });
    }
  }

  async release(scope: string): Promise<void> {
    const request = { scope, requestId: randomUUID() };
    await this.#untilAnswered((client) => client.call(releaseKillSwitch, request));
  }

  /** For a task that waits for a person. One that does not is left as it is. */
  async unblock(taskId: string): Promise<void> {
    const request = { taskId, requestId: randomUUID() };
    await untilKnown(() => this.#try((client) => client.call(unblockTask, request)));
  }

  /**
   * Watches a task to its end, across the deaths of the daemon: each stream that is cut is a record of its own, and the next one goes on after
   * its last event. Resolves when a stream has ended in good order, or `signal` says that nobody is interested any more.
   */
  async watch(taskId: string, { after = 0, signal, onEvent }: WatchWish = {}): Promise<void> {
    const isOver = (): boolean => signal?.aborted === true;
    for (let last = after; !isOver();) {
      const events: TaskEvent[] = [];
      const stream = { taskId, afterSequence: last, events, whole: false };
      this.#streams.push(stream);
      try {
        using client = this.#client();
        for await (const message of client.stream(watchTask, { taskId, afterSequence: BigInt(last) })) {
          for (const event of message.events.map((each) => toPlain(TaskEventSchema, each))) {
            events.push(event);
            this.#seenEvents += 1;
            onEvent?.(event);
          }
          if (isOver()) return;
        }
        stream.whole = true;
        return;
      } catch (error) {
        if (!isLost(error)) throw error;
      }
      last = events.at(-1)?.sequence ?? last;
      await sleep(retryMs);
    }
  }

  /** The task as it is now; undefined where no answer came. */
  async get(taskId: string): Promise<Task | undefined> {
    try {
      using client = this.#client();
      const { task } = await client.call(getTask, { taskId });
      return task && this.#seen(task);
    } catch (error) {
      if (isLost(error)) return undefined;
      throw error;
    }
  }

  /** Every task with all its events. Read twice, before and after a restart, it tells what does not last. */
  async readAll(): Promise<TaskRecord[]> {
    using client = this.#client();
    const records: TaskRecord[] = [];
    for (let pageToken = ''; ;) {
      const page = await client.call(listTasks, { pageSize: 1000, pageToken });
      for (const { id } of page.tasks) {
        const { task } = await client.call(getTask, { taskId: id });
        if (!task) throw new Error(`task ${id} is listed and not there`);
        const events: TaskEvent[] = [];
        for await (const message of client.stream(watchTask, { taskId: id }))
          events.push(...message.events.map((each) => toPlain(TaskEventSchema, each)));
        const { calls } = await client.call(listModelCalls, { taskId: id, pageSize: 1000 });
        records.push({ task: this.#seen(task), readings: [events], ledger: calls.map((each) => toPlain(ModelCallSchema, each)) });
      }
      pageToken = page.nextPageToken;
      if (pageToken === '') return records;
    }
  }

  history(tasks: readonly TaskRecord[], more: { readonly receiver?: OtlpReceiver; readonly left?: Left } = {}): History {
    return {
      calls: this.#calls,
      streams: this.#streams,
      sightings: this.#sightings,
      tasks,
      starts: this.starts(),
      ...(more.receiver ? { deliveries: more.receiver.requests.filter(({ path }) => path === '/v1/traces') } : {}),
      ...(more.left ? { left: more.left } : {}),
    };
  }

  /** What the processes have told of their starts until now. */
  starts(): Start[] {
    return linesOf(this.#startsFile).map((line) => {
      const [, taskId = '', attempt = '', process = ''] = line.split('/');
      return { taskId, attempt: Number(attempt), process };
    });
  }

  async #untilAnswered<T>(call: (client: GrpcClient) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        using client = this.#client();
        return await call(client);
      } catch (error) {
        if (!isLost(error)) throw error;
        await sleep(retryMs);
      }
    }
  }

  #client(): GrpcClient {
    return new GrpcClient(addressIn(this.#state));
  }

  async #record(
    asked: Pick<Call, 'kind' | 'requestId' | 'taskId'>,
    call: (client: GrpcClient) => Promise<{ task?: TaskMessage | undefined }>,
  ): Promise<CallResult> {
    const begin = Date.now();
    const result = await this.#try(call);
    this.#calls.push({ ...asked, begin, end: Date.now(), result });
    return result;
  }

  async #try(call: (client: GrpcClient) => Promise<{ task?: TaskMessage | undefined }>): Promise<CallResult> {
    try {
      using client = this.#client();
      const late = AbortSignal.timeout(callLimitMs);
      const tooLate = new Promise<never>((_, reject) => late.addEventListener('abort', () => reject(new Late())));
      const { task } = await Promise.race([call(client), tooLate]);
      if (!task) throw new Error('the daemon answered without a task');
      const { id, state } = this.#seen(task);
      return { kind: 'answered', taskId: id, state };
    } catch (error) {
      if (isLost(error)) return { kind: 'unknown', why: String(error) };
      const [info] = isServiceError(error) ? errorInfosOf(error) : [];
      if (!info) throw error;
      return { kind: 'refused', reason: info.reason };
    }
  }

  #seen(message: TaskMessage): Task {
    const task = toPlain(TaskSchema, message);
    this.#sightings.push({ taskId: task.id, state: task.state });
    return task;
  }
}

export interface WatchWish {
  readonly after?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TaskEvent) => void;
}

class Late extends Error {}

class NoDaemon extends Error {}

async function untilKnown(attempt: () => Promise<CallResult>): Promise<CallResult> {
  for (;;) {
    const result = await attempt();
    if (result.kind !== 'unknown') return result;
    await sleep(retryMs);
  }
}

function addressIn(state: string): string {
  try {
    const content: unknown = JSON.parse(readFileSync(join(state, 'address.json'), 'utf8'));
    if (typeof content === 'object' && content !== null && 'address' in content && typeof content.address === 'string')
      return content.address;
  } catch (cause) {
    throw new NoDaemon('there is no address yet', { cause });
  }
  throw new NoDaemon('the address is not whole');
}

/** Whether nobody can tell if the call was carried out. */
function isLost(error: unknown): boolean {
  if (error instanceof Late || error instanceof NoDaemon) return true;
  const lost: readonly number[] = [status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED, status.UNKNOWN];
  return isServiceError(error) && (lost.includes(error.code) || (error.code === status.INTERNAL && errorInfosOf(error).length === 0));
}

function isServiceError(error: unknown): error is Parameters<typeof errorInfosOf>[0] {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
