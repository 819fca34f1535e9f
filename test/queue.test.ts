import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder, until, type FakeScript } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

/** More than the dispatcher looks at in one go. */
const many = 110;
const limited = 'fake_cumulative';

test('however many tasks wait for a full harness, those of another one run', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const [hangs, mark] = [join(folder, 'hangs.json'), join(folder, 'mark')];
  writeFileSync(hangs, JSON.stringify([{ hang: true }] satisfies FakeScript));
  const configuration = (total: number) => ({
    concurrency: { total, per_harness: { [limited]: 1 } },
    harnesses: { [limited]: { plugin: '@singletree/testing/fake-cumulative-harness', options: { script: hangs } } },
  });
  const daemon = stack.use(new TestDaemon({ folder, configuration: configuration(1) }));
  let client = await daemon.start();

  // While this one has the only slot, the queue fills.
  daemon.follow([{ mark }, { hang: true }]);
  await client.tasks.create(aTask(workspace));
  await until(() => existsSync(mark), { what: 'the first task to run' });
  const task = aTask(workspace, { harness: limited, priority: 9 });
  await Promise.all(Array.from({ length: many }, () => client.tasks.create(task)));
  const other = await client.tasks.create(aTask(workspace));

  // Then one round finds room for one of the many, and must see past the rest of them.
  await daemon.kill();
  daemon.configure(configuration(3));
  daemon.follow([]);
  client = await daemon.start();
  expect((await finished(client, other.id)).state).toBe('completed');
  expect((await client.tasks.page({ states: ['created'], pageSize: 1000 })).tasks).toHaveLength(many - 1);
});

test('where as many wait as may, new ones are refused, and taken again when there is room', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const mark = join(folder, 'mark');
  const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 1, max_waiting: 2 } } }));
  daemon.follow([{ mark }, { hang: true }]);
  const client = await daemon.start();
  await client.tasks.create(aTask(workspace));
  await until(() => existsSync(mark), { what: 'the first task to run' });
  const task = aTask(workspace);
  const waiting = [await client.tasks.create({ ...task, requestId: 'one' }), await client.tasks.create(task)];
  await expect(client.tasks.create(task)).rejects.toMatchObject({
    code: 'resource_exhausted',
    reason: 'QUEUE_FULL',
    metadata: { limit: '2' },
  });
  // It was taken before, so that it is no new one.
  expect((await client.tasks.create({ ...task, requestId: 'one' })).id).toBe(waiting[0]?.id);
  await client.tasks.cancel(waiting[1]?.id ?? '');
  expect((await client.tasks.create(task)).state).toBe('created');
});
