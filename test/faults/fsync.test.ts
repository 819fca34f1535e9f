import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomFrom, repository, seedOf, temporaryFolder, until } from '@singletree/testing';
import { expect, test, vi } from 'vitest';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { wantTasks } from '../support/faults-load.ts';
import { hasStrace, unlessTraced } from '../support/faults-record.ts';
import { expectPromisesKept } from '../support/promises.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** Of the daemon alone, and of its database's log alone: one sync is one commit. */
const onCommit = ({ state }: TestDaemon, fault: string): string[] => {
  const where = ['-P', join(state, 'singletree.db-wal'), '-e', 'trace=fsync,fdatasync', '-e', `inject=fsync,fdatasync:${fault}`];
  return ['strace', '-D', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', ...where];
};

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const random = randomFrom(seedOf('syncs that fail'));
/** Syncs before the one that fails: the agents have been started by then. */
const syncs = Array.from({ length: full ? 20 : 2 }, () => 40 + Math.floor(random() * 40));
const slowMs = full ? 500 : 200;

test.skipIf(!hasStrace).concurrent.each(syncs)(
  `a sync of the database that fails ends the daemon; the next one has all that was acknowledged and adopts the agents: sync %i${unlessTraced}`,
  async (nth) => {
    await using folder = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    await using daemon = new TestDaemon({ folder: folder.path, configuration: { concurrency: { total: 2 } } });
    const go = join(folder.path, 'go');
    daemon.follow([{ mark: join(folder.path, 'started') }, { waitFor: go }, { write: { path: 'a.txt', content: 'after\n' } }]);
    const failing = await daemon.start({}, onCommit(daemon, `error=EIO:when=${nth}`));
    const running = [await failing.tasks.create(aTask(repo.path)), await failing.tasks.create(aTask(repo.path))];
    const isStarted = async (id: string): Promise<boolean> => (await failing.tasks.get(id)).attempts[0]?.state === 'started';
    await until(async () => (await Promise.all(running.map(({ id }) => isStarted(id)))).every(Boolean), {
      what: 'both agents to run',
      timeoutMs: 60_000,
    });

    const { acknowledged, refusals } = await wantTasks(daemon.state, repo.path, () => daemon.hasEnded);
    expect(daemon.log).toMatch(/"reason":"STORE_FAILED".*"msg":"the daemon ends"/);
    // Who still got an answer may ask again. The other calls broke with the daemon, or found none.
    for (const { reason, code } of refusals) if (reason !== undefined) expect(code).toBe('Unavailable');

    const client = await daemon.start();
    writeFileSync(go, '');
    for (const { id } of running) {
      const task = await finished(client, id, 60_000);
      expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
      await expectPromisesKept(client, task, daemon.state);
    }
    for (const id of acknowledged) expect((await client.tasks.get(id)).id).toBe(id);
  },
);

test.skipIf(!hasStrace)(`a daemon that has nothing to do ends as well${unlessTraced}`, async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  // With a database that is made already, the first commit is the first task.
  await daemon.start();
  await daemon.stop();
  await daemon.start({}, onCommit(daemon, 'error=EIO:when=1+'));
  const { acknowledged } = await wantTasks(daemon.state, repo.path, ({ refusals }) => refusals.length === 1);
  expect(acknowledged).toEqual([]);
  await until(() => daemon.hasEnded, { what: 'the daemon to end' });
});

test.skipIf(!hasStrace).concurrent(`a slow disk makes tasks slow, not readers, and starts nothing twice${unlessTraced}`, async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  daemon.follow([{ mark: join(folder.path, 'started') }, { say: 'Working.' }, { write: { path: 'a.txt', content: 'after\n' } }]);
  const client = await daemon.start({}, onCommit(daemon, `delay_exit=${slowMs * 1_000}`));
  const tasks = await Promise.all(Array.from({ length: 2 }, () => client.tasks.create(aTask(repo.path))));
  const reads: number[] = [];
  await until(
    async () => {
      const begin = performance.now();
      const { tasks: completed } = await client.tasks.page({ states: ['completed'] });
      reads.push(performance.now() - begin);
      return completed.length === tasks.length;
    },
    { what: 'the tasks to end', timeoutMs: 60_000 },
  );
  expect(percentile(reads, 0.95), `reads that took ${reads.map(Math.round).join(' ')} ms`).toBeLessThan(1_000);
  const started = readFileSync(join(folder.path, 'started'), 'utf8').trimEnd().split('\n');
  expect(started, 'each agent once').toHaveLength(tasks.length);
});

function percentile(values: readonly number[], part: number): number | undefined {
  return values.toSorted((a, b) => a - b).at(Math.floor((values.length - 1) * part));
}
