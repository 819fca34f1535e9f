import { create, toJson } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  CancelTaskResponseSchema,
  CreateTaskRequestSchema,
  CreateTaskResponseSchema,
  GetTaskResponseSchema,
  ListModelCallsResponseSchema,
  ListTasksResponseSchema,
  RerunTaskResponseSchema,
  TaskState,
  TerminateTaskResponseSchema,
  UnblockTaskResponseSchema,
  type CancelTaskRequest,
  type CreateTaskRequest,
  type Task,
  type TaskService,
} from '@singletree/protocol';
import type { Engine } from '../engine/engine.ts';
import type { ClientRequest } from '../engine/request.ts';
import { DomainError } from '../errors.ts';
import type { Catalogue } from '../plugins/catalogue.ts';
import type { Command } from '../task/commands.ts';
import { isFinal, type Task as DomainTask, type TaskSpec, type WorkspaceSpec } from '../task/task.ts';
import { callersTrace } from './callers-trace.ts';
import { checkContext, type MissingInHead } from './check-context.ts';
import { findTask } from './find-task.ts';
import { specFrom, type TaskDefaults } from './from-proto.ts';
import { readLedgerToken, readPageToken, writeLedgerToken, writePageToken } from './page-token.ts';
import { readLogs, type LogParts } from './read-logs.ts';
import { modelCallToProto } from './to-proto/model-call.ts';
import { taskToProto } from './to-proto/task.ts';
import { watchTask, type WatchParts } from './watch.ts';
import { wordOf } from './words.ts';

export interface TaskServiceParts extends WatchParts, LogParts {
  readonly engine: Engine;
  readonly plugins: Catalogue;
  readonly defaults: TaskDefaults;
  /** Looks at the workspace while the client still waits: the refusals of a mistyped path belong to the call. Gives it as the task keeps it. */
  readonly checkWorkspace: (workspace: WorkspaceSpec) => Promise<WorkspaceSpec>;
  readonly missingInHead: MissingInHead;
  readonly accepting: () => boolean;
  /** Throws where too much waits to be delivered. */
  readonly room: () => Promise<void>;
}

const pageSize = 50;
const modelCallsPageSize = 200;
const heartbeatMs = 5_000;

/** The caller's trace is no part of what was asked for: a retried call comes with a new span. */
function asSent(request: CreateTaskRequest): ClientRequest {
  const { requestId, traceparent, tracestate, ...content } = toJson(CreateTaskRequestSchema, request);
  return { id: request.requestId, content };
}

export function taskService(parts: TaskServiceParts): ServiceImpl<typeof TaskService> {
  const { engine, store } = parts;

  const view = async (task: DomainTask, queue?: Awaited<ReturnType<typeof parts.queue>>): Promise<Task> =>
    taskToProto({
      task,
      brief: queue !== undefined,
      traceId: parts.traceIdOf(task),
      waiting: task.state === 'created' ? await (queue ?? (await parts.queue()))(task) : undefined,
      completion: isFinal(task.state) ? await store.completion(task.id) : undefined,
    });

  /** Throws where no new task is taken. */
  const refuseNew = async (): Promise<void> => {
    if (!parts.accepting()) {
      throw new DomainError('SHUTTING_DOWN', 'the daemon is shutting down and takes no new tasks', {
        hint: 'start it again with: singletree up',
      });
    }
    await parts.room();
  };

  /** A client's command on one task, once under a request id. */
  const act = async (request: { taskId: string; requestId: string }, verb: keyof typeof possible, command: Command): Promise<Task> => {
    const found = await findTask(store, request.taskId);
    const executed = await engine.executeOnce(found.id, command, request.requestId === '' ? undefined : request.requestId);
    if (executed.kind !== 'done') throw illegal((await store.task(found.id)) ?? found, verb);
    return await view(executed.task);
  };

  return {
    async createTask(request, { requestHeader }) {
      const specify = async (): Promise<TaskSpec> => {
        await refuseNew();
        const spec = specFrom(request, parts.defaults, parts.plugins);
        const workspace = await parts.checkWorkspace(spec.workspace);
        await checkContext(spec, workspace.path, parts.missingInHead);
        return { ...spec, workspace, ...callersTrace(request, requestHeader) };
      };
      const task = await engine.create(specify, request.requestId === '' ? undefined : asSent(request));
      return create(CreateTaskResponseSchema, { task: await view(task) });
    },

    async getTask(request) {
      return create(GetTaskResponseSchema, { task: await view(await findTask(store, request.taskId)) });
    },

    async listTasks(request) {
      const states = request.states.map((state) => wordOf(TaskState, state)).filter((state) => state !== undefined);
      const limit = request.pageSize === 0 ? pageSize : request.pageSize;
      const before = request.pageToken === '' ? undefined : readPageToken(request.pageToken, states);
      const tasks = await store.tasks({
        limit: limit + 1,
        ...(states.length > 0 ? { states } : {}),
        ...(before === undefined ? {} : { before }),
      });
      const page = tasks.slice(0, limit);
      const last = page.at(-1);
      const queue = await parts.queue();
      return create(ListTasksResponseSchema, {
        tasks: await Promise.all(page.map((task) => view(task, queue))),
        nextPageToken: tasks.length > limit && last ? writePageToken(last.id, states) : '',
      });
    },

    async *watchTask(request, context) {
      const task = await findTask(store, request.taskId);
      const interval = request.heartbeatInterval ? durationMs(request.heartbeatInterval) : heartbeatMs;
      yield* watchTask(task.id, Number(request.afterSequence), interval, context.signal, parts);
    },

    async listModelCalls(request) {
      const task = await findTask(store, request.taskId);
      const { attempt } = request;
      const limit = request.pageSize === 0 ? modelCallsPageSize : request.pageSize;
      const filter = [task.id, attempt ?? null];
      const skip = request.pageToken === '' ? 0 : readLedgerToken(request.pageToken, filter);
      const entries = await store.ledger({ taskId: task.id, ...(attempt === undefined ? {} : { attempt }), skip, limit: limit + 1 });
      return create(ListModelCallsResponseSchema, {
        calls: entries.slice(0, limit).map(modelCallToProto),
        nextPageToken: entries.length > limit ? writeLedgerToken(skip + limit, filter) : '',
      });
    },

    async *readLogs(request, context) {
      const task = await findTask(store, request.taskId);
      yield* readLogs(task.id, request, context.signal, parts);
    },

    async cancelTask(request) {
      return create(CancelTaskResponseSchema, { task: await act(request, 'cancel', stopFor(request, 'cancel')) });
    },

    async terminateTask(request) {
      return create(TerminateTaskResponseSchema, { task: await act(request, 'terminate', stopFor(request, 'terminate')) });
    },

    async unblockTask(request) {
      return create(UnblockTaskResponseSchema, { task: await act(request, 'unblock', { kind: 'unblock' }) });
    },

    async rerunTask(request, { requestHeader }) {
      const old = await findTask(store, request.taskId);
      const specify = async (): Promise<TaskSpec> => {
        await refuseNew();
        if (!isFinal(old.state)) throw illegal(old, 'rerun');
        const { traceparent: _, tracestate: __, ...spec } = old.spec;
        parts.plugins.get(spec.harness); // refused here where the configuration no longer has it
        const workspace = await parts.checkWorkspace(spec.workspace);
        await checkContext(spec, workspace.path, parts.missingInHead);
        return { ...spec, workspace, rerunOf: old.id, ...callersTrace({}, requestHeader) };
      };
      const asked = request.requestId === '' ? undefined : { id: request.requestId, content: { rerun: old.id } };
      return create(RerunTaskResponseSchema, { task: await view(await engine.create(specify, asked)) });
    },
  };
}

/** What a task must be for a command. */
const possible = {
  cancel: 'only a task that is not final can be cancelled',
  terminate: 'only a task that is not final can be terminated',
  unblock: 'only a blocked task can be unblocked',
  rerun: 'only a finished task can be run again',
} as const;

function illegal({ id, state }: DomainTask, command: keyof typeof possible): DomainError {
  return new DomainError('ILLEGAL_TRANSITION', `task ${id} is ${state}; ${possible[command]}`, {
    metadata: { task_id: id, state, command },
  });
}

function stopFor({ by, why }: Pick<CancelTaskRequest, 'by' | 'why'>, stop: 'cancel' | 'terminate'): Command {
  return { kind: 'stop', stop, by: by === undefined || by === '' ? 'client' : by, ...(why === undefined || why === '' ? {} : { why }) };
}
