import { rmSync } from 'node:fs';
import { TaskService } from '@singletree/protocol';
import { findAddress } from '@singletree/sdk';
import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { GrpcClient } from './support/grpc.ts';

test('a request that comes again is known, whatever the configuration and the machine have become since', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  let client = await daemon.start();
  const request = aTask(workspace, { workspace: { path: workspace, mode: 'in_place' }, requestId: 'the-one', labels: { a: '1', b: '2' } });
  const { id } = await client.tasks.create(request);
  await finished(client, id);

  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  using grpc = new GrpcClient(findAddress({ state: daemon.state }), { metadata: { traceparent } });
  const called = await grpc.call(TaskService.method.createTask, { instructions: 'Do it.', workspace: { path: workspace } });
  expect(called.task, 'the trace of the call, by its metadata').toMatchObject({ traceparent, traceId: '0af7651916cd43dd8448eb211c80319c' });
  await finished(client, called.task?.id ?? '');

  await daemon.kill();
  daemon.configure({ defaults: { harness: 'fake', timeout: '2h', permissions: 'all' } });
  rmSync(workspace, { recursive: true });
  client = await daemon.start();
  expect((await client.tasks.create({ ...request, labels: { b: '2', a: '1' } })).id).toBe(id);
  expect((await client.tasks.create({ ...request, traceparent, tracestate: 'vendor=1' })).id).toBe(id);
  await expect(client.tasks.create({ ...request, instructions: 'Do something else.' })).rejects.toMatchObject({
    reason: 'REQUEST_ID_REUSED',
  });
  await expect(client.tasks.create({ ...request, limits: { maxAttempts: 3 } })).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
});
