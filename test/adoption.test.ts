import { join } from 'node:path';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { processesWithMarker, repository, temporaryFolder, until } from '@singletree/testing';
import type { TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test.concurrent.each(['killed', 'told to stop'])(
  'a daemon that is %s leaves the agent at work: same attempt, no byte lost, one completion',
  async (end) => {
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

    await (end === 'killed' ? daemon.kill() : daemon.stop());
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
  },
);

test.concurrent.each(['kill', 'stop'] as const)(
  'a checkout that is cut off (%s) is made again, and what was left of it is gone',
  async (end) => {
    await using folder = await temporaryFolder();
    await using repo = await repository({
      files: { 'a.txt': 'before\n', 'large.bin': 'large\n', '.gitattributes': '*.bin filter=slow\n' },
    });
    await using daemon = new TestDaemon({ folder: folder.path });
    const first = join(folder.path, 'first');
    // As a large file that is fetched: slow the first time, there the second.
    await repo.git('config', 'filter.slow.smudge', `mkdir ${first} && sleep 300; cat`);
    daemon.follow([{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
    const client = await daemon.start();
    const created = await client.tasks.create(aTask(repo.path, { gates: [{ name: 'whole', command: 'cat large.bin' }] }));
    await until(() => existsSync(first), { what: 'the checkout to begin' });

    await daemon[end]();
    const left = processesWithMarker(created.id).length;
    expect(left > 0, 'who stops in good order leaves nobody in the checkout').toBe(end === 'kill');
    const task = await finished(await daemon.start(), created.id);

    expect(task, task.failure?.message).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 1 } });
    expect(processesWithMarker(created.id)).toEqual([]);
    const worktrees = async (): Promise<number> => (await repo.git('worktree', 'list')).trimEnd().split('\n').length;
    await until(async () => (await worktrees()) === 1, { what: 'the worktree to be removed, and none beside it' });
  },
);
