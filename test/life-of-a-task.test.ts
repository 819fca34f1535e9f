import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('a task goes all the way: attempt, gate, completion event', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  daemon.follow([{ call: { input: 10, output: 5 } }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
  const client = await daemon.start();

  const created = await client.tasks.create(aTask(repo.path, { gates: [{ name: 'test', command: 'grep after a.txt' }] }));
  const task = await finished(client, created.id);

  expect(task.state).toBe('completed');
  expect(task.completion).toMatchObject({
    outcome: 'success',
    harness: 'fake',
    actualInputTokens: 10,
    actualOutputTokens: 5,
    qualityGatePassed: true,
    qualityGatesRun: ['test'],
    filesChanged: 1,
    retryCount: 0,
    turnsPerTask: 1,
    summary: 'Done.',
  });
});
