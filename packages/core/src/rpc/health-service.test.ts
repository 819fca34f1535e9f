import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { ErrorInfoSchema, Health, HealthCheckResponse_ServingStatus as Status, TaskService } from '@singletree/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { pino } from 'pino';
import { edge } from './edge.ts';
import { healthService } from './health-service.ts';

let stopping: AbortController;
beforeEach(() => (stopping = new AbortController()));
const interceptors = [edge({ log: pino({ level: 'silent' }), shutdown: new AbortController().signal, slowReaderMs: 1_000 })];
const client = () => {
  const service = healthService([TaskService], stopping.signal);
  return createClient(
    Health,
    createRouterTransport((router) => router.service(Health, service), { router: { interceptors } }),
  );
};

describe('health', () => {
  test.each(['', 'singletree.v1.TaskService'])('of "%s" is that calls are taken, until the daemon stops', async (service) => {
    const health = client();
    expect(await health.check({ service })).toMatchObject({ status: Status.SERVING });
    stopping.abort();
    expect(await health.check({ service })).toMatchObject({ status: Status.NOT_SERVING });
  });

  test('of what is not served is not known', async () => {
    const error = await client()
      .check({ service: 'singletree.v1.None' })
      .then(undefined, (thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.NotFound });
    expect(error instanceof ConnectError && error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'SERVICE_NOT_FOUND' }]);
  });

  test('of all is listed', async () => {
    const { statuses } = await client().list({});
    expect(statuses).toMatchObject({ '': { status: Status.SERVING }, 'singletree.v1.TaskService': { status: Status.SERVING } });
  });

  test('is watched until it changes, and until the caller has enough', async () => {
    const gone = new AbortController();
    const seen: Status[] = [];
    const watch = (async () => {
      for await (const { status } of client().watch({}, { signal: gone.signal })) {
        seen.push(status);
        if (status === Status.SERVING) stopping.abort();
        else gone.abort();
      }
    })();
    await expect(watch).rejects.toMatchObject({ code: Code.Canceled });
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });

  test('of what is not served is watched in vain, and not refused', async () => {
    const gone = new AbortController();
    const watch = client().watch({ service: 'none' }, { signal: gone.signal })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ status: Status.SERVICE_UNKNOWN });
    gone.abort();
    await expect(watch.next()).rejects.toMatchObject({ code: Code.Canceled });
  });
});
