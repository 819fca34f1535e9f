import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DescMessage } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-node';
import { status, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema, Outcome, TaskService, TaskState, WorkspaceMode, type WatchTaskResponse } from '@singletree/protocol';
import { findAddress, type Singletree } from '@singletree/sdk';
import { repository, temporaryFolder, type FakeScript } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { curl, curlStream, hasCurl } from './support/curl.ts';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { errorInfosOf, GrpcClient } from './support/grpc.ts';
import { eventsOf } from './support/promises.ts';

/** One daemon, spoken to as strangers do: with stock clients over its unix socket. */

const { createTask, getTask, listModelCalls, listTasks, watchTask } = TaskService.method;
const script: FakeScript = [{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }];

const stack = new AsyncDisposableStack();
let [address, socket, workspace, folder] = ['', '', '', ''];
let daemon: TestDaemon;
let client: Singletree;
let grpc: GrpcClient;

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow(script);
  client = await daemon.start();
  address = findAddress({ state: daemon.state });
  socket = address.slice('unix:'.length);
  grpc = stack.use(new GrpcClient(address));
});
afterAll(() => stack.disposeAsync());

const gates = [{ name: 'test', command: 'grep after a.txt' }];
const webTransport = () => createGrpcWebTransport({ baseUrl: 'http://localhost', httpVersion: '1.1', nodeOptions: { socketPath: socket } });
const webClient = () => createClient(TaskService, webTransport());

test('grpc-js creates and watches a task', async () => {
  const request = { instructions: 'Do it.', workspace: { path: workspace, mode: WorkspaceMode.WORKTREE }, gates };
  const { task } = await grpc.call(createTask, request);
  expect(task?.state).toBe(TaskState.CREATED);
  const messages: WatchTaskResponse[] = [];
  for await (const message of grpc.stream(watchTask, { taskId: task?.id ?? '' })) messages.push(message);
  const events = messages.flatMap((message) => message.events);
  expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
  expect(events.at(-1)?.kind).toMatchObject({ case: 'completed', value: { outcome: Outcome.SUCCESS, filesChanged: 1 } });
  const { task: final } = await grpc.call(getTask, { taskId: task?.id ?? '' });
  expect(final).toMatchObject({ state: TaskState.COMPLETED, completion: { eventId: task?.id } });
});

test('gRPC-Web creates, watches and gets a task', async () => {
  const web = webClient();
  const { task } = await web.createTask({ instructions: 'Do it.', workspace: { path: workspace }, gates });
  const kinds: (string | undefined)[] = [];
  for await (const { events } of web.watchTask({ taskId: task?.id ?? '' })) kinds.push(...events.map(({ kind }) => kind.case));
  expect(kinds.at(-1)).toBe('completed');
  expect((await web.getTask({ taskId: task?.id ?? '' })).task?.state).toBe(TaskState.COMPLETED);
});

const unknown = '01890000-0000-7000-8000-000000000000';
const at = (path: string) => ({ instructions: 'Do it.', workspace: { path } });
/** What is asked, and the key of the metadata that says most. */
const refusals = [
  {
    what: 'a field that breaks its rule',
    method: createTask,
    request: () => ({ ...at(workspace), priority: 5000 }),
    code: Code.InvalidArgument,
    reason: 'INVALID_REQUEST',
    key: 'field',
  },
  {
    what: 'a rule with a reason of its own',
    method: createTask,
    request: () => ({ ...at(workspace), instructions: ' \n' }),
    code: Code.InvalidArgument,
    reason: 'EMPTY_PROMPT',
    key: 'field',
  },
  {
    what: 'a NUL',
    method: createTask,
    request: () => ({ ...at(workspace), instructions: 'é and \0' }),
    code: Code.InvalidArgument,
    reason: 'INVALID_PROMPT',
    key: 'offset',
  },
  {
    what: 'an unknown harness',
    method: createTask,
    request: () => ({ ...at(workspace), harness: 'fak' }),
    code: Code.InvalidArgument,
    reason: 'UNKNOWN_HARNESS',
    key: 'hint',
  },
  {
    what: 'a workspace that is not there',
    method: createTask,
    request: () => at(join(folder, 'none')),
    code: Code.NotFound,
    reason: 'WORKSPACE_NOT_FOUND',
    key: 'path',
  },
  {
    what: 'a workspace without git',
    method: createTask,
    request: () => at(folder),
    code: Code.FailedPrecondition,
    reason: 'NOT_A_GIT_REPOSITORY',
    key: 'hint',
  },
  {
    what: 'an unknown task',
    method: getTask,
    request: () => ({ taskId: unknown }),
    code: Code.NotFound,
    reason: 'TASK_NOT_FOUND',
    key: 'task_id',
  },
  {
    what: 'a bad page token',
    method: listTasks,
    request: () => ({ pageToken: 'bad' }),
    code: Code.InvalidArgument,
    reason: 'INVALID_PAGE_TOKEN',
    key: 'hint',
  },
  {
    what: 'the usage ledger of an unknown task',
    method: listModelCalls,
    request: () => ({ taskId: unknown }),
    code: Code.NotFound,
    reason: 'TASK_NOT_FOUND',
    key: 'task_id',
  },
];

describe('an error has its code and exactly one ErrorInfo', () => {
  test.each(refusals)('over gRPC and gRPC-Web: $what', async ({ method, request, code, reason, key }) => {
    const info = { reason, domain: 'singletree', metadata: { [key]: expect.any(String) } };
    const byGrpc = await failureOf(grpc.call<DescMessage, DescMessage>(method, request()));
    expect(byGrpc).toMatchObject({ code });
    expect(errorInfosOf(byGrpc as ServiceError)).toMatchObject([info]);
    const byWeb = ConnectError.from(
      await failureOf(webTransport().unary<DescMessage, DescMessage>(method, undefined, undefined, undefined, request())),
    );
    expect(byWeb.code).toBe(code);
    expect(byWeb.details, 'and no other detail').toHaveLength(1);
    expect(byWeb.findDetails(ErrorInfoSchema)).toMatchObject([info]);
  });

  test('over gRPC and gRPC-Web: a stream that is refused', async () => {
    const byGrpc = await failureOf(sequencesOf(grpc.stream(watchTask, { taskId: unknown })));
    expect(byGrpc).toMatchObject({ code: status.NOT_FOUND });
    expect(errorInfosOf(byGrpc as ServiceError)).toMatchObject([{ reason: 'TASK_NOT_FOUND' }]);
    const byWeb = ConnectError.from(await failureOf(sequencesOf(webClient().watchTask({ taskId: unknown }))));
    expect(byWeb.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'TASK_NOT_FOUND' }]);
  });
});

test('a protobuf text that is not UTF-8 is refused', async () => {
  const instructionsField = 0x1a;
  const request = Uint8Array.from([instructionsField, 3, 0x61, 0xff, 0x62]);
  expect(await failureOf(grpc.callRaw(createTask, request))).toMatchObject({ code: status.INVALID_ARGUMENT });
});

describe.skipIf(!hasCurl)('curl, by Connect with JSON', () => {
  test('creates, watches and gets a task', async () => {
    const request = { instructions: 'Do it.', workspace: { path: workspace }, gates };
    const created = await curl(socket, 'CreateTask', request);
    expect(created).toMatchObject({ status: 200, body: { task: { state: 'TASK_STATE_CREATED', instructions: 'Do it.' } } });
    const { task } = created.body as { task: { id: string } };
    const messages = await curlStream(socket, 'WatchTask', { taskId: task.id });
    const end = messages.pop();
    expect(end, 'the end of the stream, without an error').toEqual({});
    const events = messages.flatMap((message) => (message as { events?: { sequence: string; completed?: unknown }[] }).events ?? []);
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)).toMatchObject({ completed: { outcome: 'OUTCOME_SUCCESS', qualityGatesRun: ['test'] } });
    expect(await curl(socket, 'GetTask', { taskId: task.id })).toMatchObject({
      status: 200,
      body: { task: { state: 'TASK_STATE_COMPLETED', completion: { outcome: 'OUTCOME_SUCCESS', eventId: task.id } } },
    });
  });

  test.each(refusals)('is told the code and one ErrorInfo: $what', async ({ method, request, code, reason, key }) => {
    const refused = await curl(socket, method.name, request());
    expect(refused).toMatchObject({ status: code === Code.NotFound ? 404 : 400, body: { code: connectName[code] } });
    const { details } = refused.body as { details: unknown[] };
    expect(details).toMatchObject([{ type: 'google.rpc.ErrorInfo', debug: { reason, metadata: { [key]: expect.any(String) } } }]);
  });

  test('is told that a stream is refused', async () => {
    expect(await curlStream(socket, 'WatchTask', { taskId: unknown })).toMatchObject([
      { error: { code: 'not_found', details: [{ type: 'google.rpc.ErrorInfo', debug: { reason: 'TASK_NOT_FOUND' } }] } },
    ]);
  });

  test('gets JSON that is not UTF-8 refused at its byte, not mended', async () => {
    const request = Buffer.from(`{"instructions":"caf\xe9","workspace":{"path":"${workspace}"}}`, 'latin1');
    const refused = await curl(socket, 'CreateTask', request);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    // The byte after é in Latin-1 is the first that cannot go on with a character that has begun.
    const metadata = { offset: String(request.indexOf(0xe9) + 1) };
    const { details } = refused.body as { details: unknown[] };
    expect(details).toMatchObject([{ type: 'google.rpc.ErrorInfo', debug: { reason: 'INVALID_PROMPT', metadata } }]);
  });

  test.each([
    ['permissions', 'read'],
    ['permisions', 'PERMISSION_MODE_READ'],
    ['limit', { maxAttempts: 1 }],
  ])('has no restriction dropped that was misspelt: %s: %j', async (field, value) => {
    const refused = await curl(socket, 'CreateTask', { instructions: 'Do it.', workspace: { path: workspace }, [field]: value });
    expect(refused).toMatchObject({
      status: 400,
      body: { code: 'invalid_argument', message: expect.stringMatching(new RegExp(field.slice(0, 5), 'i')) },
    });
    expect(refused.body).toMatchObject({ details: [{ debug: { reason: 'INVALID_REQUEST' } }] });
  });
});

test('many watchers, early, late and afterwards, each get every event once and in order', async () => {
  const go = join(folder, 'go');
  daemon.follow([{ say: 'one' }, { waitFor: go }, { repeat: { times: 40, steps: [{ say: 'more' }, { call: { input: 1, output: 1 } }] } }]);
  const { id } = await client.tasks.create(aTask(workspace));
  const watchers: Promise<number[]>[] = [];
  const watch = (count: number): void => {
    for (let n = 0; n < count; n++) {
      watchers.push(sequencesOf(grpc.stream(watchTask, { taskId: id })));
      watchers.push(eventsOf(client, id).then((events) => events.map(({ sequence }) => sequence)));
      watchers.push(sequencesOf(webClient().watchTask({ taskId: id })));
    }
  };
  watch(8);
  for await (const event of client.tasks.watch(id)) {
    if (event.kind === 'text') break;
  }
  watch(8);
  writeFileSync(go, '');
  watch(4);
  const { lastSequence } = await finished(client, id);
  watch(2);

  expect(lastSequence).toBeGreaterThan(80);
  const every = Array.from({ length: lastSequence }, (_, index) => index + 1);
  for (const sequences of await Promise.all(watchers)) expect(sequences).toEqual(every);
});

async function sequencesOf(stream: AsyncIterable<WatchTaskResponse>): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { events } of stream) sequences.push(...events.map(({ sequence }) => Number(sequence)));
  return sequences;
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    (answer) => expect.fail(`it was not refused: ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );
}

const connectName: Partial<Record<Code, string>> = {
  [Code.InvalidArgument]: 'invalid_argument',
  [Code.NotFound]: 'not_found',
  [Code.FailedPrecondition]: 'failed_precondition',
};
