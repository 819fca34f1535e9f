import { readdirSync, readFileSync } from 'node:fs';
import { repository, temporaryFolder, until } from '@singletree/testing';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { expectNoProcessOf } from './support/promises.ts';

/** What holds a task's processes, from the configuration to what the attempt says. Which levels there are is for the machine to say. */

/** Living processes whose command line holds this: one that hides is found by nothing else. */
function running(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => commandOf(pid).includes(text));
}

/** Empty for a zombie too. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

describe.concurrent('containment', () => {
  test.each(['cgroup', 'pid_namespace'] as const)(
    '%s: an agent, a setup command and a gate leave nobody behind, however they hide; or the daemon refuses to start and says why',
    async (level) => {
      await using folder = await temporaryFolder();
      await using repo = await repository({ files: { 'a.txt': 'before\n' } });
      await using daemon = new TestDaemon({ folder: folder.path, configuration: { supervision: { containment: level } } });
      // A number of seconds that nobody else sleeps.
      const seconds = (part: number): string => `${9_000 + part + process.pid / 1e7}${level.length}`;
      const hide = (part: number): string => `setsid env -i /bin/sleep ${seconds(part)} >/dev/null 2>&1 &`;
      daemon.follow([{ run: hide(1) }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
      daemon.launch();
      await until(() => daemon.hasEnded || daemon.isReady, { what: 'the daemon to start, or to refuse to', timeoutMs: 20_000 });
      if (daemon.hasEnded) {
        expect(daemon.log).toContain(`supervision.containment is ${level}, which does not work here: `);
        return;
      }

      const client = daemon.client();
      const gates = [{ name: 'test', command: `${hide(2)} true` }];
      const created = await client.tasks.create(aTask(repo.path, { setup: [`${hide(3)} true`], gates }));
      const task = await finished(client, created.id);
      expect(task).toMatchObject({ state: 'completed', attempts: [{ sandboxLevel: level }] });
      expect([1, 2, 3].flatMap((part) => running(`sleep ${seconds(part)}`))).toEqual([]);
      await expectNoProcessOf(created.id);
    },
  );

  test('marker: that is all there is, and the attempt says so', async () => {
    await using folder = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    await using daemon = new TestDaemon({ folder: folder.path, configuration: { supervision: { containment: 'marker' } } });
    daemon.follow([{ say: 'Done.' }]);
    const client = await daemon.start();
    const task = await finished(client, (await client.tasks.create(aTask(repo.path))).id);
    expect(task.attempts).toMatchObject([{ sandboxLevel: 'marker' }]);
  });

  test('a level by name that does not work keeps the daemon from starting', async () => {
    await using folder = await temporaryFolder();
    await using daemon = new TestDaemon({ folder: folder.path, configuration: { supervision: { containment: 'pid_namespace' } } });
    daemon.launch({ SINGLETREE_USER_PATH: folder.path });
    await daemon.ended();
    expect(daemon.log).toMatch(/supervision\.containment is pid_namespace, which does not work here: .*bwrap/);
  });
});
