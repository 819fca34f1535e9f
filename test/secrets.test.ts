import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { filesThatHold } from './support/files.ts';
import { expectPromisesKept } from './support/promises.ts';

/** Linux takes at most 128 KiB in one variable, so that 400 KB are the key and three more. */
const secretBytes = 100_000;
const names = ['SECRET_1', 'SECRET_2', 'SECRET_3'];
const newSecret = (): string => randomBytes(secretBytes / 2).toString('hex');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe.concurrent('400 KB of secrets: no agent starts with a part of them, or twice', () => {
  test.each(['spawn.after', 'frame.middle', 'frame.after'])('the daemon is killed at supervision.%s of the handover', async (place) => {
    await using folder = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    const at = (name: string): string => join(folder.path, name);
    const [started, report, sums, keyFile, namedFile] = [at('started'), at('report'), at('sums'), at('key'), at('named')];
    const key = newSecret();
    const secrets = Object.fromEntries(names.map((name) => [name, newSecret()]));
    writeFileSync(keyFile, key);
    const fake = {
      plugin: '@singletree/testing/fake-harness',
      options: { script: join(folder.path, 'script.json') },
      api_key: { file: keyFile },
      env: { SECRET_1: secrets['SECRET_1'], SECRET_2: secrets['SECRET_2'] },
      secrets: { SECRET_3: { file: namedFile } },
    };
    writeFileSync(namedFile, secrets['SECRET_3']!);
    await using daemon = new TestDaemon({ folder: folder.path, configuration: { harnesses: { fake } } });
    const sum = (name: string): FakeStep => ({ run: `printf %s "$${name}" | sha256sum | cut -c1-64 >> '${sums}'` });
    daemon.follow([{ mark: started }, { report }, ...names.map(sum), { say: 'Done.' }]);

    const client = await daemon.start({ SINGLETREE_FAILPOINTS: `supervision.${place}=kill`, SINGLETREE_FAILPOINT_DIR: folder.path });
    const { id } = await client.tasks.create(aTask(repo.path));
    await until(() => daemon.hasEnded, { what: 'the daemon to die', timeoutMs: 20_000 });
    expect(existsSync(join(folder.path, `supervision.${place}.hit`))).toBe(true);

    const again = await daemon.start();
    const task = await finished(again, id);
    expect(task).toMatchObject({ state: 'completed', attempts: [{ charged: true }], completion: { attemptCount: 1, retryCount: 0 } });
    expect(linesOf(started), 'starts of the agent').toHaveLength(1);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ apiKey: { bytes: secretBytes, sha256: sha256(key) } });
    expect(linesOf(sums)).toEqual(names.map((name) => sha256(secrets[name]!)));
    await expectPromisesKept(again, task, daemon.state);
    await daemon.stop();
    for (const secret of [key, ...Object.values(secrets)]) expect(filesThatHold(secret.slice(0, 64), daemon.state)).toEqual([]);
    expect(daemon.log).not.toContain(key.slice(0, 64));
  });
});

test('a named secret is in the environment of the agent, and nowhere else', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  const canary = (name: string): string => `canary-${name}-${randomBytes(16).toString('hex')}`;
  const [fromFile, fromVariable, fromCommand] = [canary('file'), canary('variable'), canary('command')];
  const secretFile = join(folder.path, 'secret');
  writeFileSync(secretFile, `${fromFile}\n`);
  const secrets = {
    FROM_FILE: { file: secretFile },
    FROM_VARIABLE: { env: 'OF_THE_DAEMON' },
    FROM_COMMAND: { command: ['/bin/sh', '-c', 'printf %s "$OF_ITS_COMMAND"'] },
  };
  const fake = { plugin: '@singletree/testing/fake-harness', options: { script: join(folder.path, 'script.json') }, secrets };
  await using daemon = new TestDaemon({
    folder: folder.path,
    configuration: { harnesses: { fake } },
    environment: { OF_THE_DAEMON: fromVariable, OF_ITS_COMMAND: fromCommand },
  });
  const seen = (by: string): string => join(folder.path, `${by}.env`);
  const look = (by: string): string => `tr '\\0' '\\n' < /proc/$$/environ > '${seen(by)}'`;
  daemon.follow([{ run: look('agent') }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
  const client = await daemon.start();

  const { id } = await client.tasks.create(aTask(repo.path, { setup: [look('setup')], gates: [{ name: 'test', command: look('gate') }] }));
  const task = await finished(client, id);
  expect(task).toMatchObject({ state: 'completed' });
  expect(linesOf(seen('agent'))).toEqual(
    expect.arrayContaining([`FROM_FILE=${fromFile}`, `FROM_VARIABLE=${fromVariable}`, `FROM_COMMAND=${fromCommand}`]),
  );
  expect(linesOf(seen('agent')).filter((line) => line.startsWith('OF_'))).toEqual([]);
  for (const by of ['setup', 'gate']) expect(readFileSync(seen(by), 'utf8')).not.toMatch(/canary|FROM_/);
  const told = JSON.stringify([task, await client.harnesses.list({ refresh: true }), await client.daemon.status()], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  expect(told).not.toContain('canary');

  // One that has gone is told by name and place, and nothing of the task runs.
  rmSync(secretFile);
  rmSync(seen('agent'));
  const lost = await finished(client, (await client.tasks.create(aTask(repo.path))).id);
  expect(lost.completion?.failure).toMatchObject({
    reason: 'invalid_configuration',
    message: expect.stringContaining(`harnesses.fake.secrets.FROM_FILE: cannot read a key from ${secretFile}`),
  });
  expect(existsSync(seen('agent'))).toBe(false);
  await daemon.stop();
  expect(filesThatHold('canary', daemon.state)).toEqual([]);
  expect(daemon.log).not.toContain('canary');
});

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}
