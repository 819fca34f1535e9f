import { create, type DescService } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  type Health,
  type HealthCheckResponse,
} from '@singletree/protocol';
import { DomainError } from '../errors.ts';

/** Whether the daemon takes calls, for all services alike, and nothing else of it. The empty name stands for the daemon. */
export function healthService(services: readonly DescService[], stopping: AbortSignal): ServiceImpl<typeof Health> {
  const names = ['', ...services.map(({ typeName }) => typeName)];
  const health = (): HealthCheckResponse =>
    create(HealthCheckResponseSchema, { status: stopping.aborted ? ServingStatus.NOT_SERVING : ServingStatus.SERVING });
  return {
    check({ service }) {
      if (names.includes(service)) return health();
      throw new DomainError('SERVICE_NOT_FOUND', `there is no service "${service}"`, { metadata: { service } });
    },

    list: () => create(HealthListResponseSchema, { statuses: Object.fromEntries(names.map((name) => [name, health()])) }),

    async *watch({ service }, { signal }) {
      if (names.includes(service)) {
        const now = health();
        yield now;
        if (now.status === ServingStatus.SERVING) {
          await aborted(AbortSignal.any([signal, stopping]));
          if (!signal.aborted) yield health();
        }
      } else yield create(HealthCheckResponseSchema, { status: ServingStatus.SERVICE_UNKNOWN });
      await aborted(signal);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
