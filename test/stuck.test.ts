import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder, until } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { expectNoProcessOf, expectPromisesKept } from './support/promises.ts';

test.concurrent('a harness that is gone from the configuration ends its task by name, with the agent that still ran', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const reached = join(folder.path, 'reached');
  daemon.follow([{ mark: reached }, { waitFor: join(folder.path, 'never') }]);
  const { id } = await (await daemon.start()).tasks.create(aTask(repo.path));
  await until(() => existsSync(reached), { what: 'the agent to work', timeoutMs: 30_000 });

  await daemon.kill();
  daemon.configure({ defaults: { harness: 'claude_code' }, harnesses: { fake: undefined } });
  const client = await daemon.start();
  const task = await finished(client, id);

  expect(task).toMatchObject({ state: 'failed', failure: { reason: 'invalid_configuration', message: expect.stringContaining('"fake"') } });
  await expectNoProcessOf(id);
});

test.concurrent('an attempt whose process directory was removed is lost, swept and tried again', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const reached = join(folder.path, 'reached');
  daemon.follow({
    runs: [
      [{ mark: reached }, { waitFor: join(folder.path, 'never') }],
      [{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }],
    ],
  });
  const client = await daemon.start();
  const { id } = await client.tasks.create(aTask(repo.path));
  await until(() => existsSync(reached), { what: 'the agent to work', timeoutMs: 30_000 });
  await until(async () => (await client.tasks.get(id)).attempts[0]?.state === 'started', {
    what: 'the attempt to be recorded as started',
    timeoutMs: 30_000,
  });

  rmSync(join(daemon.state, 'processes', id, '1'), { recursive: true });
  const task = await finished(client, id);

  expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', retryCount: 1, retriesByCause: { lost: 1 } } });
  expect(task.attempts.map(({ state }) => state)).toEqual(['lost', 'ended']);
  // What was recorded of the first attempt has no log any more to be compared with.
  await expectPromisesKept(client, { ...task, attempts: task.attempts.slice(1) }, daemon.state, { isRead: false });
});

test.concurrent('an agent that stops its own supervisor does not get away from a cancel', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const reached = join(folder.path, 'reached');
  daemon.follow([{ run: "kill -STOP $(awk '{print $4}' /proc/$PPID/stat)" }, { mark: reached }, { waitFor: join(folder.path, 'never') }]);
  const client = await daemon.start();
  const { id } = await client.tasks.create(aTask(repo.path));
  await until(() => existsSync(reached), { what: 'the agent to have stopped its shim', timeoutMs: 30_000 });

  await client.tasks.cancel(id);
  const task = await finished(client, id, 20_000);

  expect(task.state).toBe('cancelled');
  await expectNoProcessOf(id);
});
