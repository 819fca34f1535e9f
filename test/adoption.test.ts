import { join } from 'node:path';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { processesWithMarker, repository, temporaryFolder, until } from '@singletree/testing';
import type { TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('a daemon that is killed while the agent works adopts it: same attempt, no byte lost, one completion', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const [reached, go] = [join(folder.path, 'reached'), join(folder.path, 'go')];
  daemon.follow([
    { call: { input: 10, output: 5 } },
    { mark: reached },
    { waitFor: go },
    { say: 'still here' },
    { write: { path: 'a.txt', content: 'after\n' } },
    { call: { input: 20, output: 7 } },
    { say: 'Done.' },
  ]);
  const client = await daemon.start();
  const created = await client.tasks.create(aTask(repo.path, { gates: [{ name: 'test', command: 'grep after a.txt' }] }));
  await until(() => existsSync(reached), { what: 'the agent to work' });

  await daemon.kill();
  writeFileSync(go, '');
  const again = await daemon.start();
  const task = await finished(again, created.id);

  expect(task).toMatchObject({
    state: 'completed',
    completion: { outcome: 'success', retryCount: 0, actualInputTokens: 30, actualOutputTokens: 12, turnsPerTask: 2 },
  });
  expect(task.attempts).toHaveLength(1);
  const events: TaskEvent[] = [];
  for await (const event of again.tasks.watch(created.id)) events.push(event);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  const ranges = events.flatMap((event) =>
    event.kind === 'output_recorded' && event.outputRecorded?.source === 'stdout' ? [event.outputRecorded] : [],
  );
  const log = statSync(join(daemon.state, 'processes', created.id, '1', 'harness-0-1', 'stdout.log')).size;
  expect(ranges.map(({ fromOffset }) => fromOffset)).toEqual([0, ...ranges.slice(0, -1).map(({ toOffset }) => toOffset)]);
  expect(ranges.at(-1)?.toOffset).toBe(log);
  expect(processesWithMarker(created.id)).toEqual([]);
});
