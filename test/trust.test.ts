import { chmodSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { changeTrust } from '@singletree/core/local';
import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

test('trust counts from the next attempt on, for the repository that was named', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'sub/a.txt': 'before\n', '.fake-agent.json': '{}' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const told = join(folder.path, 'told');
  daemon.follow([{ run: `printf '%s ' "\${FAKE_AGENT_TRUSTED:-0}" >> '${told}'` }, { say: 'Done.' }]);
  const client = await daemon.start();
  const real = realpathSync(repo.path);
  const record = join(daemon.home, '.config/singletree/trusted.json');
  const trust = (...paths: string[]): void => changeTrust(record, () => paths.map((path) => ({ path, since: 0 })));
  const attempt = async (path: string, mode: 'worktree' | 'in_place' | 'clone' = 'worktree') =>
    await finished(client, (await client.tasks.create(aTask(path, { workspace: { path, mode }, permissions: 'all' }))).id);

  // A part of a repository is not the repository.
  trust(join(real, 'sub'));
  const untrusted = await attempt(join(repo.path, 'sub'));
  const warnings = [];
  for await (const event of client.tasks.watch(untrusted.id)) if (event.kind === 'warning') warnings.push(event.warning?.message);
  expect(warnings).toEqual([
    `what this repository tells Fake Agent is ignored (.fake-agent.json); once you have looked at it: singletree trust '${real}'`,
  ]);
  trust(real);
  await Promise.all([attempt(repo.path), attempt(join(repo.path, 'sub'), 'in_place'), attempt(join(repo.path, 'sub'), 'clone')]);
  expect(readFileSync(told, 'utf8')).toBe('0 1 1 1 ');

  chmodSync(record, 0o666);
  const refused = await attempt(repo.path);
  expect(refused.completion?.failure).toMatchObject({
    reason: 'invalid_configuration',
    message: expect.stringContaining('trusted.json, which says what is trusted, can be written by others'),
  });
});
