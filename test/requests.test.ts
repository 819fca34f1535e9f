import { rmSync } from 'node:fs';
import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('a request that comes again is known, whatever the configuration and the machine have become since', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  let client = await daemon.start();
  const request = aTask(workspace, { workspace: { path: workspace, mode: 'in_place' }, requestId: 'the-one', labels: { a: '1', b: '2' } });
  const { id } = await client.tasks.create(request);
  await finished(client, id);

  await daemon.kill();
  daemon.configure({ defaults: { harness: 'fake', timeout: '2h', permissions: 'all' } });
  rmSync(workspace, { recursive: true });
  client = await daemon.start();
  expect((await client.tasks.create({ ...request, labels: { b: '2', a: '1' } })).id).toBe(id);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  expect((await client.tasks.create({ ...request, traceparent })).id).toBe(id);
  await expect(client.tasks.create({ ...request, instructions: 'Do something else.' })).rejects.toMatchObject({
    reason: 'REQUEST_ID_REUSED',
  });
  await expect(client.tasks.create({ ...request, limits: { maxAttempts: 3 } })).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
});
