import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CreateTaskRequestSchema, ErrorInfo, GetTaskResponse, WatchTaskRequestSchema, WatchTaskResponse } from '@singletree/protocol';
import type { MatrixProtocol, MatrixTransport } from '../cases.ts';
import type { MatrixTarget } from '../daemon.ts';

/** One way to the daemon: a library that speaks a protocol over a transport. */
export interface Way {
  readonly client: string;
  readonly protocol: MatrixProtocol;
  readonly transport: MatrixTransport;
}

/** A refusal, in the words of gRPC. */
export interface Refused {
  /** Such as `DEADLINE_EXCEEDED`. */
  readonly code: string;
  readonly infos: readonly ErrorInfo[];
}

/** What the cases need of a library. */
export interface MatrixClient extends Disposable {
  getTask(taskId: string): Promise<GetTaskResponse>;
  createTask(request: MessageInitShape<typeof CreateTaskRequestSchema>): Promise<unknown>;
  /** `signal` and `timeoutMs` in the way in which users of the library say them. */
  watchTask(
    request: MessageInitShape<typeof WatchTaskRequestSchema>,
    settings?: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
  ): AsyncIterable<WatchTaskResponse>;
  /** What the library threw. */
  refused(error: unknown): Refused;
}

/** Opens a client for a way that its library has. */
export type Open = (way: Way, target: MatrixTarget) => MatrixClient;
