import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { GetTaskResponseSchema, TaskService, WatchTaskResponseSchema } from '@singletree/protocol';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, expect, test } from 'vitest';
import { callSpans } from './call-spans.ts';

const exporter = new InMemorySpanExporter();
const tracer = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }).getTracer('test');
afterEach(() => exporter.reset());

let failure: Error | undefined;
const transport = createRouterTransport(
  (router) =>
    router.service(TaskService, {
      getTask() {
        if (failure !== undefined) throw failure;
        return create(GetTaskResponseSchema);
      },
      async *watchTask() {
        yield create(WatchTaskResponseSchema);
        yield create(WatchTaskResponseSchema);
        if (failure !== undefined) throw failure;
      },
    }),
  { router: { interceptors: [callSpans(tracer)] } },
);
const client = createClient(TaskService, transport);

const spans = () =>
  exporter
    .getFinishedSpans()
    .map(({ name, kind, status, attributes }) => ({ name, kind, isRed: status.code === SpanStatusCode.ERROR, attributes }));

test('a call that is answered', async () => {
  failure = undefined;
  await client.getTask({ taskId: 'a' });
  const name = 'singletree.v1.TaskService/GetTask';
  expect(spans()).toEqual([
    { name, kind: SpanKind.SERVER, isRed: false, attributes: { 'rpc.system.name': 'connectrpc', 'rpc.method': name } },
  ]);
});

test.each([
  [Code.NotFound, 'not_found', false],
  [Code.InvalidArgument, 'invalid_argument', false],
  [Code.Internal, 'internal', true],
  [Code.Unavailable, 'unavailable', true],
  [Code.DeadlineExceeded, 'deadline_exceeded', true],
])('a call that ends with %i: %s', async (code, word, isRed) => {
  failure = new ConnectError('no', code);
  await client.getTask({ taskId: 'a' }).catch(() => undefined);
  expect(spans()).toMatchObject([{ isRed, attributes: { 'rpc.response.status_code': word, 'error.type': word } }]);
});

test('gRPC has its own spelling', async () => {
  const request = {
    service: TaskService,
    method: TaskService.method.getTask,
    header: new Headers({ 'content-type': 'application/grpc+proto' }),
  };
  const ask = (answer: () => Promise<unknown>) => callSpans(tracer)(answer as never)(request as never);
  await ask(async () => ({ stream: false }));
  await ask(() => Promise.reject(new ConnectError('no', Code.NotFound))).catch(() => undefined);
  expect(spans().map(({ attributes }) => [attributes['rpc.system.name'], attributes['rpc.response.status_code']])).toEqual([
    ['grpc', 'OK'],
    ['grpc', 'NOT_FOUND'],
  ]);
});

test('a stream is one span, which ends with it: at its end, with its error, or when its reader goes', async () => {
  failure = undefined;
  let seen = 0;
  for await (const _ of client.watchTask({ taskId: 'a' })) {
    seen += 1;
    expect(spans()).toEqual([]);
  }
  expect(seen).toBe(2);
  expect(spans()).toHaveLength(1);
  failure = new ConnectError('no', Code.Internal);
  const read = async (): Promise<void> => {
    for await (const _ of client.watchTask({ taskId: 'a' })) seen += 1;
  };
  await expect(read()).rejects.toThrow('no');
  expect(spans()[1]).toMatchObject({ isRed: true, attributes: { 'error.type': 'internal' } });
});
