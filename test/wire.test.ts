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
import { curl, curlStream } from './support/curl.ts';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { errorInfosOf, GrpcClient } from './support/grpc.ts';
import { eventsOf } from './support/promises.ts';

/** One daemon, spoken to as strangers do: with stock clients over its unix socket. */

const { createTask, getTask, listTasks, watchTask } = TaskService.method;
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

test('curl creates, watches and gets a task by Connect with JSON', async () => {
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

test('gRPC-Web creates, watches and gets a task', async () => {
  const web = webClient();
  const { task } = await web.createTask({ instructions: 'Do it.', workspace: { path: workspace }, gates });
  const kinds: (string | undefined)[] = [];
  for await (const { events } of web.watchTask({ taskId: task?.id ?? '' })) kinds.push(...events.map(({ kind }) => kind.case));
  expect(kinds.at(-1)).toBe('completed');
  expect((await web.getTask({ taskId: task?.id ?? '' })).task?.state).toBe(TaskState.COMPLETED);
});

describe('an error has its code and exactly one ErrorInfo over every protocol', () => {
  const unknown = '01890000-0000-7000-8000-000000000000';
  const at = (path: string) => ({ instructions: 'Do it.', workspace: { path } });
  test.each([
    [
      'a field that breaks its rule',
      createTask,
      () => ({ ...at(workspace), priority: 5000 }),
      Code.InvalidArgument,
      'INVALID_REQUEST',
      'field',
    ],
    [
      'a rule with a reason of its own',
      createTask,
      () => ({ ...at(workspace), instructions: ' \n' }),
      Code.InvalidArgument,
      'EMPTY_PROMPT',
      'field',
    ],
    ['a NUL', createTask, () => ({ ...at(workspace), instructions: 'é and \0' }), Code.InvalidArgument, 'INVALID_PROMPT', 'offset'],
    ['an unknown harness', createTask, () => ({ ...at(workspace), harness: 'fak' }), Code.InvalidArgument, 'UNKNOWN_HARNESS', 'hint'],
    ['a workspace that is not there', createTask, () => at(join(folder, 'none')), Code.NotFound, 'WORKSPACE_NOT_FOUND', 'path'],
    ['a workspace without git', createTask, () => at(folder), Code.FailedPrecondition, 'NOT_A_GIT_REPOSITORY', 'hint'],
    ['an unknown task', getTask, () => ({ taskId: unknown }), Code.NotFound, 'TASK_NOT_FOUND', 'task_id'],
    ['a bad page token', listTasks, () => ({ pageToken: 'bad' }), Code.InvalidArgument, 'INVALID_PAGE_TOKEN', 'hint'],
  ] as const)('%s', async (_, method, requestOf, code, reason, key) => {
    const request = requestOf();
    const byGrpc = await failureOf(grpc.call<DescMessage, DescMessage>(method, request));
    expect(byGrpc).toMatchObject({ code });
    const infos = [errorInfosOf(byGrpc as ServiceError)];

    const byWeb = ConnectError.from(
      await failureOf(webTransport().unary<DescMessage, DescMessage>(method, undefined, undefined, undefined, request)),
    );
    expect(byWeb.code).toBe(code);
    infos.push(byWeb.findDetails(ErrorInfoSchema));
    expect(byWeb.details, 'and no other detail').toHaveLength(1);

    const byCurl = await curl(socket, method.name, request);
    const { details } = byCurl.body as { details: { type: string; debug: { reason: string } }[] };
    expect(byCurl).toMatchObject({ status: httpStatus[code], body: { code: connectName[code] } });
    expect(details).toMatchObject([{ type: 'google.rpc.ErrorInfo', debug: { reason } }]);

    for (const found of infos) expect(found).toMatchObject([{ reason, domain: 'singletree', metadata: { [key]: expect.any(String) } }]);
  });

  test('a stream that is refused', async () => {
    const byGrpc = await failureOf(sequencesOf(grpc.stream(watchTask, { taskId: unknown })));
    expect(byGrpc).toMatchObject({ code: status.NOT_FOUND });
    expect(errorInfosOf(byGrpc as ServiceError)).toMatchObject([{ reason: 'TASK_NOT_FOUND' }]);
    const byWeb = ConnectError.from(await failureOf(sequencesOf(webClient().watchTask({ taskId: unknown }))));
    expect(byWeb.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'TASK_NOT_FOUND' }]);
    expect(await curlStream(socket, 'WatchTask', { taskId: unknown })).toMatchObject([
      { error: { code: 'not_found', details: [{ type: 'google.rpc.ErrorInfo', debug: { reason: 'TASK_NOT_FOUND' } }] } },
    ]);
  });

  test('JSON that is not UTF-8 is refused at its byte, not mended', async () => {
    const request = Buffer.from(`{"instructions":"caf\xe9","workspace":{"path":"${workspace}"}}`, 'latin1');
    const refused = await curl(socket, 'CreateTask', request);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_argument', details: [{ type: 'google.rpc.ErrorInfo' }] } });
    const { details } = refused.body as { details: { debug: unknown }[] };
    // The byte after é in Latin-1 is the first that cannot go on with a character that has begun.
    expect(details[0]?.debug).toMatchObject({ reason: 'INVALID_PROMPT', metadata: { offset: String(request.indexOf(0xe9) + 1) } });
  });

  test('a protobuf text that is not UTF-8 is refused', async () => {
    const instructionsField = 0x1a;
    const request = Uint8Array.from([instructionsField, 3, 0x61, 0xff, 0x62]);
    expect(await failureOf(grpc.callRaw(createTask, request))).toMatchObject({ code: status.INTERNAL });
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

const httpStatus: Partial<Record<Code, number>> = { [Code.InvalidArgument]: 400, [Code.NotFound]: 404, [Code.FailedPrecondition]: 400 };
const connectName: Partial<Record<Code, string>> = {
  [Code.InvalidArgument]: 'invalid_argument',
  [Code.NotFound]: 'not_found',
  [Code.FailedPrecondition]: 'failed_precondition',
};
