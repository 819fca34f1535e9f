import { create, toJson } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  CancelTaskResponseSchema,
  CreateTaskRequestSchema,
  CreateTaskResponseSchema,
  GetTaskResponseSchema,
  ListTasksResponseSchema,
  TaskState,
  type CreateTaskRequest,
  type Task,
  type TaskService,
} from '@singletree/protocol';
import type { ClientRequest, Engine } from '../engine/engine.ts';
import { DomainError } from '../errors.ts';
import type { Catalogue } from '../plugins/catalogue.ts';
import { isFinal, type Task as DomainTask, type TaskSpec, type WorkspaceSpec } from '../task/task.ts';
import { checkContext, type MissingInHead } from './check-context.ts';
import { findTask } from './find-task.ts';
import { specFrom, type TaskDefaults } from './from-proto.ts';
import { readPageToken, writePageToken } from './page-token.ts';
import { taskToProto } from './to-proto/task.ts';
import { watchTask, type WatchParts } from './watch.ts';
import { wordOf } from './words.ts';

export interface TaskServiceParts extends WatchParts {
  readonly engine: Engine;
  readonly plugins: Catalogue;
  readonly defaults: TaskDefaults;
  /** Looks at the workspace while the client still waits: the refusals of a mistyped path belong to the call. Gives it as the task keeps it. */
  readonly checkWorkspace: (workspace: WorkspaceSpec) => Promise<WorkspaceSpec>;
  readonly missingInHead: MissingInHead;
  readonly accepting: () => boolean;
}

const pageSize = 50;
const heartbeatMs = 5_000;

/** The caller's trace is no part of what was asked for: a retried call comes with a new span. */
function asSent(request: CreateTaskRequest): ClientRequest {
  const { requestId, traceparent, ...content } = toJson(CreateTaskRequestSchema, request);
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

  return {
    async createTask(request) {
      const specify = async (): Promise<TaskSpec> => {
        if (!parts.accepting())
          throw new DomainError('SHUTTING_DOWN', 'the daemon is shutting down and takes no new tasks', {
            hint: 'start it again with: singletree up',
          });
        const spec = specFrom(request, parts.defaults, parts.plugins);
        const workspace = await parts.checkWorkspace(spec.workspace);
        await checkContext(spec, workspace.path, parts.missingInHead);
        return { ...spec, workspace };
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

    async cancelTask(request) {
      const found = await findTask(store, request.taskId);
      const by = request.by === undefined || request.by === '' ? 'client' : request.by;
      const command = {
        kind: 'stop' as const,
        stop: 'cancel' as const,
        by,
        ...(request.why === undefined || request.why === '' ? {} : { why: request.why }),
      };
      const executed = await engine.executeOnce(found.id, command, request.requestId === '' ? undefined : request.requestId);
      if (executed.kind !== 'done') {
        throw new DomainError('ILLEGAL_TRANSITION', `task ${found.id} is ${found.state}; only a task that is not final can be cancelled`, {
          metadata: { task_id: found.id, state: found.state, command: 'cancel' },
        });
      }
      return create(CancelTaskResponseSchema, { task: await view(executed.task) });
    },
  };
}
