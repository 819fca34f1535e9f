import { create, type DescService } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import * as protocol from '@singletree/protocol';
import { GetTaskResponseSchema, TaskService, WatchTaskResponseSchema } from '@singletree/protocol';
import { openTestWire, type TestWire, type TestWireOptions } from '../../packages/core/src/rpc/wire.testsuite.ts';
import type { Scope } from '../../packages/core/src/state-folder/tokens.ts';
import { errorIn, type RawAnswer, type Target } from '../support/raw-http.ts';

/** Every service that the packages know. */
export const services: readonly DescService[] = [...Object.values<unknown>(protocol), protocol.reflectionV1alpha.ServerReflection].filter(
  isService,
);

/** What GetTask was asked for: what is refused never comes so far. */
export const reached: string[] = [];
/** The sequences that watches were given. */
export const watched: number[] = [];

/** Why CancelTask was given up. */
export const abandoned: unknown[] = [];

/** The wire without a daemon: GetTask answers, WatchTask says much and never ends, CancelTask never answers, and the others do nothing. */
export function openWire(options: TestWireOptions = {}): Promise<TestWire> {
  return openTestWire((router) => {
    for (const service of services) if (service !== TaskService) router.service(service, {});
    router.service(TaskService, {
      getTask({ taskId: id }) {
        reached.push(id);
        return create(GetTaskResponseSchema);
      },
      // Never answers, and hears when nobody waits any more.
      cancelTask: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            abandoned.push(signal.reason);
            reject(new Error('too late to be told'));
          });
        }),
      async *watchTask(_, { signal }) {
        for (let sequence = 1; !signal.aborted; sequence++) {
          watched.push(sequence);
          yield create(WatchTaskResponseSchema, { events: [{ sequence: BigInt(sequence), taskId: 'x'.repeat(60_000) }] });
          await new Promise(setImmediate);
        }
      },
    });
  }, options);
}

export const taskId = '01890000-0000-7000-8000-000000000000';
export const getTask = '/singletree.v1.TaskService/GetTask';
export const cancelTask = '/singletree.v1.TaskService/CancelTask';
export const watchTask = '/singletree.v1.TaskService/WatchTask';
export const jsonHeaders = { 'content-type': 'application/json', 'connect-protocol-version': '1' };
export const body: string = JSON.stringify({ taskId });

type Way = Target & { readonly name: string };

export function waysInto({ port, path }: { readonly port: number; readonly path: string }): readonly Way[] {
  return [
    { name: 'TCP, HTTP/1.1', version: 1, port },
    { name: 'TCP, h2c', version: 2, port },
    { name: 'the socket, HTTP/1.1', version: 1, path },
    { name: 'the socket, h2c', version: 2, path },
  ];
}

/** What a caller over TCP has to send. */
export function bearer({ port, tokens }: TestWire, scope: Scope = 'admin'): Record<string, string> {
  return { host: `127.0.0.1:${port}`, authorization: `Bearer ${tokens[scope]}` };
}

/** Code and reason of an answer. */
export function told(answer: RawAnswer): readonly [code: string | undefined, reason: string | undefined] {
  const error = errorIn(answer);
  return [error && Code[error.code], error?.infos[0]?.reason];
}

function isService(value: unknown): value is DescService {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'service';
}
