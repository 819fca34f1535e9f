import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import {
  CreateTaskResponseSchema,
  ErrorInfoSchema,
  GetTaskResponseSchema,
  ListTasksResponseSchema,
  TaskService,
  TaskState,
  WatchTaskResponseSchema,
  type WatchTaskRequestSchema,
} from '@singletree/protocol';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { edge } from './edge.ts';

const logged: string[] = [];
const log = pino({ level: 'error' }, { write: (line: string) => logged.push(line) });
afterEach(() => void logged.splice(0));

let failure: Error | undefined;
const reached: string[] = [];
const transport = createRouterTransport(
  (router) =>
    router.service(TaskService, {
      createTask: () => (reached.push('create'), create(CreateTaskResponseSchema)),
      getTask() {
        if (failure !== undefined) throw failure;
        return create(GetTaskResponseSchema);
      },
      listTasks: () => create(ListTasksResponseSchema),
      async *watchTask() {
        reached.push('watch');
        yield create(WatchTaskResponseSchema);
        if (failure !== undefined) throw failure;
      },
    }),
  { router: { interceptors: [edge({ log, shutdown: new AbortController().signal, slowReaderMs: 1_000 })] } },
);
const client = createClient(TaskService, transport);
afterEach(() => {
  failure = undefined;
  reached.splice(0);
});

/** Code, reason and field of the refusal. */
async function refusal(call: Promise<unknown>): Promise<unknown[]> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error('the call was accepted');
  const [info] = error.findDetails(ErrorInfoSchema);
  return [Code[error.code], info?.reason, info?.metadata['field']];
}

const whole = { instructions: 'do it', workspace: { path: '/src' } };
const gate = (set: object) => ({ name: 'test', command: 'npm test', ...set });

describe('a request that breaks a rule', () => {
  test.each<[string, object, string, string]>([
    ['no instructions', { instructions: '' }, 'EMPTY_PROMPT', 'instructions'],
    ['nothing but white space', { instructions: ' \n\t' }, 'EMPTY_PROMPT', 'instructions'],
    ['no workspace', { workspace: undefined }, 'INVALID_REQUEST', 'workspace'],
    ['a relative workspace', { workspace: { path: 'src' } }, 'INVALID_REQUEST', 'workspace.path'],
    ['two gates of one name', { gates: [gate({}), gate({})] }, 'DUPLICATE_GATE', 'gates'],
    ['a gate without a command', { gates: [gate({ command: '' })] }, 'INVALID_REQUEST', 'gates[0].command'],
    ['a gate of no kind that is known', { gates: [gate({}), gate({ name: 'b', kind: 99 })] }, 'INVALID_REQUEST', 'gates[1].kind'],
    ['a gate without time', { gates: [gate({ timeout: { seconds: 0n } })] }, 'INVALID_LIMIT', 'gates[0].timeout'],
    ['a task without time', { limits: { timeout: { seconds: -1n } } }, 'INVALID_LIMIT', 'limits.timeout'],
    ['no attempt', { limits: { maxAttempts: 0 } }, 'INVALID_LIMIT', 'limits.max_attempts'],
    ['21 attempts', { limits: { maxAttempts: 21 } }, 'INVALID_LIMIT', 'limits.max_attempts'],
    ['no output', { limits: { maxOutputBytes: 0n } }, 'INVALID_LIMIT', 'limits.max_output_bytes'],
    ['a title of two lines', { title: 'a\nb' }, 'INVALID_REQUEST', 'title'],
    ['a label without a name', { labels: { '': 'x' } }, 'INVALID_REQUEST', 'labels[]'],
    ['a request id that is none', { requestId: 'a b' }, 'INVALID_REQUEST', 'request_id'],
    ['an empty criterion', { acceptanceCriteria: ['a', ''] }, 'INVALID_REQUEST', 'acceptance_criteria[1]'],
    ['context of nothing', { context: [{}] }, 'INVALID_REQUEST', 'context[0].source'],
    ['a priority without measure', { priority: 1_001 }, 'INVALID_REQUEST', 'priority'],
  ])('%s', async (_, set, reason, field) => {
    expect(await refusal(client.createTask({ ...whole, ...set }))).toEqual(['InvalidArgument', reason, field]);
    expect(reached).toEqual([]);
  });

  test('a title that is not one line, in words', async () => {
    for (const title of ['a\nb', '\u007f', 'é\t'])
      await expect(client.createTask({ ...whole, title })).rejects.toThrow('title: holds a control character; a title is one line of text');
    await client.createTask({ ...whole, title: 'é ü \u{1f600}' }).catch(() => {});
    expect(reached).toHaveLength(1);
  });

  test('a page token that is too long', async () => {
    expect(await refusal(client.listTasks({ pageToken: 'x'.repeat(1_025) }))).toEqual([
      'InvalidArgument',
      'INVALID_PAGE_TOKEN',
      'page_token',
    ]);
    expect(await refusal(client.listTasks({ states: [TaskState.UNSPECIFIED] }))).toEqual([
      'InvalidArgument',
      'INVALID_REQUEST',
      'states[0]',
    ]);
  });

  test.each<[string, MessageInitShape<typeof WatchTaskRequestSchema>, string]>([
    ['no task', { taskId: '' }, 'task_id'],
    ['a sequence before the first', { taskId: 'ab', afterSequence: -1n }, 'after_sequence'],
    ['a heartbeat without pause', { taskId: 'ab', heartbeatInterval: { nanos: 1 } }, 'heartbeat_interval'],
  ])('of a watch: %s', async (_, request, field) => {
    const watch = client.watchTask(request)[Symbol.asyncIterator]();
    expect(await refusal(watch.next())).toEqual(['InvalidArgument', 'INVALID_REQUEST', field]);
    expect(reached).toEqual([]);
  });

  test('one that breaks none is let through', async () => {
    await client.createTask(whole);
    for await (const message of client.watchTask({ taskId: 'ab' })) expect(message.events).toEqual([]);
    expect(reached).toEqual(['create', 'watch']);
  });
});

describe('an error', () => {
  const calls: [string, () => Promise<unknown>][] = [
    ['of a call', () => client.getTask({ taskId: 'ab' })],
    [
      'in the middle of a stream',
      async () => {
        for await (const _ of client.watchTask({ taskId: 'ab' }));
      },
    ],
  ];

  test.each(calls)('%s is answered with its reason, and a refusal is not logged', async (_, call) => {
    failure = new DomainError('TASK_NOT_FOUND', 'there is no task ab', { metadata: { field: 'task_id' } });
    expect(await refusal(call())).toEqual(['NotFound', 'TASK_NOT_FOUND', 'task_id']);
    expect(logged).toEqual([]);
  });

  test.each(calls)('%s that nobody expected is logged, and says nothing of our insides', async (_, call) => {
    failure = new TypeError('secret is not a function');
    expect(await refusal(call())).toEqual(['Internal', 'INTERNAL', undefined]);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('secret is not a function');
  });
});
