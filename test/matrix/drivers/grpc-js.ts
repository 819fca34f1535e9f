import { readFileSync } from 'node:fs';
import { status, type ServiceError } from '@grpc/grpc-js';
import { TaskService } from '@singletree/protocol';
import { errorInfosOf, GrpcClient } from '../../support/grpc.ts';
import type { Open } from './client.ts';

const { createTask, getTask, watchTask } = TaskService.method;

/** Google's own client for Node: gRPC, which is HTTP/2. */
export const openGrpcJs: Open = (_, { address, ca_file: authority, token }) => {
  const ca = authority === undefined ? undefined : readFileSync(authority);
  const client = new GrpcClient(address.replace(/^https?:\/\//, ''), { ca, token });
  return {
    getTask: (taskId) => client.call(getTask, { taskId }),
    createTask: (request) => client.call(createTask, request),
    watchTask(request, { signal, timeoutMs } = {}) {
      const stream = client.stream(watchTask, request, timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs });
      signal?.addEventListener('abort', () => stream.cancel());
      return stream;
    },
    refused(error) {
      if (!isServiceError(error)) throw error;
      return { code: status[error.code], infos: errorInfosOf(error) };
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
};

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'details' in error && 'code' in error && typeof error.code === 'number';
}
