import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, status, type Deadline, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema, StatusSchema, TaskService, type ErrorInfo, type TaskEvent } from '@singletree/protocol';
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcTarget, type Daemon } from './daemon.ts';

const options = {
  // A daemon that is started again is back in a second; grpc-js would look after it every two minutes in the end.
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A machine that is switched off says no word.
  'grpc.keepalive_time_ms': 20_000,
};

/** grpc-js with the messages of @singletree/protocol: method descriptors say path, input and output. */
export class DaemonClient implements Disposable {
  readonly #client: Client;
  readonly #metadata: Metadata;

  constructor(daemon: Daemon) {
    const { target, credentials, metadata } = grpcTarget(daemon);
    this.#client = new Client(target, credentials, options);
    this.#metadata = metadata;
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    deadline: Deadline,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(...wireOf(method), create(method.input, request), this.#metadata, { deadline }, (error, answer) =>
        answer === undefined ? reject(error ?? new Error('neither answer nor error')) : resolve(answer),
      );
    });
  }

  /** To leave the loop cancels the call. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    deadline: Deadline,
  ): AsyncGenerator<MessageShape<O>> {
    const call = this.#client.makeServerStreamRequest(...wireOf(method), create(method.input, request), this.#metadata, { deadline });
    try {
      yield* call as AsyncIterable<MessageShape<O>>;
    } finally {
      call.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function wireOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O> | DescMethodServerStreaming<I, O>,
): [path: string, serialize: (message: MessageShape<I>) => Buffer, deserialize: (bytes: Buffer) => MessageShape<O>] {
  return [
    `/${method.parent.typeName}/${method.name}`,
    (message) => Buffer.from(toBinary(method.input, message)),
    (bytes) => fromBinary(method.output, bytes),
  ];
}

/** The events of a task, each once and in order, up to the final one. */
export async function* watch(client: DaemonClient, taskId: string, deadline: Deadline = Infinity): AsyncGenerator<TaskEvent> {
  for (let afterSequence = 0n; ; await sleep(200)) {
    try {
      for await (const { events } of client.stream(TaskService.method.watchTask, { taskId, afterSequence }, deadline)) {
        for (const event of events) {
          afterSequence = event.sequence;
          yield event;
          if (event.kind.case === 'completed') return;
        }
      }
    } catch (error) {
      // The daemon is gone or going: the next one has the same events.
      if (!isServiceError(error) || (error.code !== status.UNAVAILABLE && error.code !== status.ABORTED)) throw error;
    }
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

/** Why the daemon refused. Absent if the error is not the daemon's: no connection, a deadline. */
export function refusal({ metadata }: ServiceError): { message: string; info: ErrorInfo | undefined } | undefined {
  const [trailer] = metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(trailer)) return undefined;
  const { message, details } = fromBinary(StatusSchema, trailer);
  return { message, info: details[0] && anyUnpack(details[0], ErrorInfoSchema) };
}
