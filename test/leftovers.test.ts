import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder, until } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('what one ended task has left, however damaged, keeps no daemon from starting and working', async () => {
  await using folder = await temporaryFolder();
  await using removed = await repository({ files: { 'a.txt': 'before\n' } });
  await using kept = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  daemon.follow([{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
  const client = await daemon.start();
  const created = await Promise.all([removed, kept, kept, kept].map(async ({ path }) => await client.tasks.create(aTask(path))));
  const [repositoryGone, refGone, recordTorn, processTorn] = created.map(({ id }) => id);
  for (const { id } of created) expect(await finished(client, id)).toMatchObject({ state: 'completed', completion: { filesChanged: 1 } });
  const worktree = (id = '') => join(daemon.state, 'worktrees', id);
  await until(() => created.every(({ id }) => !existsSync(worktree(id))), { what: 'the checkouts to be removed' });
  await daemon.stop();

  for (const id of [repositoryGone, refGone, recordTorn]) mkdirSync(worktree(id));
  rmSync(removed.path, { recursive: true });
  await kept.git('update-ref', '-d', `refs/singletree/${refGone}/1`);
  writeFileSync(join(worktree(`${recordTorn}.git`), 'workspace.json'), '{"task":');
  const processes = join(daemon.state, 'processes', processTorn ?? '', '1');
  for (const name of readdirSync(processes)) {
    rmSync(join(processes, name, 'exit.json'));
    writeFileSync(join(processes, name, 'spec.json'), '');
  }

  const again = await daemon.start();
  expect(existsSync(worktree(repositoryGone)), 'no ref could keep anything').toBe(false);
  expect(existsSync(worktree(refGone)), 'nothing else keeps the work').toBe(true);
  expect(daemon.log).toMatch(new RegExp(`"level":40.* is kept: .*"task":"${refGone}"`));
  for (const name of readdirSync(processes)) expect(readdirSync(join(processes, name))).toContain('settled.json');
  const { id } = await again.tasks.create(aTask(kept.path));
  expect(await finished(again, id)).toMatchObject({ state: 'completed' });
  await daemon.stop();
});

test('a daemon whose address file is removed is found again', async () => {
  await using folder = await temporaryFolder();
  await using daemon = new TestDaemon({ folder: folder.path });
  await daemon.start();
  rmSync(join(daemon.state, 'address.json'));
  await expect(daemon.client().daemon.status()).rejects.toThrow(/no daemon/i);
  await until(() => existsSync(join(daemon.state, 'address.json')), { what: 'the address to be back' });
  expect(await daemon.client().daemon.status()).toMatchObject({ pid: daemon.pid });
  await daemon.stop();
  expect(existsSync(join(daemon.state, 'address.json'))).toBe(false);
});

test('an agent that starts a daemon of its own state folder while there is none is told that it cannot; elsewhere it can', async () => {
  await using folder = await temporaryFolder();
  await using elsewhere = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  await using other = new TestDaemon({ folder: elsewhere.path });
  const said = join(folder.path, 'marker');
  daemon.follow([{ run: `printenv SINGLETREE_PROCESS > ${said}` }, { say: 'Done.' }]);
  const client = await daemon.start();
  await finished(client, (await client.tasks.create(aTask(repo.path))).id);
  await daemon.stop();

  const inside = { SINGLETREE_PROCESS: readFileSync(said, 'utf8').trim() };
  await expect(daemon.start(inside)).rejects.toThrow('a task of this state folder has started this daemon');
  await other.start(inside);
  await daemon.start();
});
