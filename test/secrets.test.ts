import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
    const [started, report, sums, keyFile] = ['started', 'report', 'sums', 'key'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
      string,
    ];
    const key = newSecret();
    const secrets = Object.fromEntries(names.map((name) => [name, newSecret()]));
    writeFileSync(keyFile, key);
    const fake = {
      plugin: '@singletree/testing/fake-harness',
      options: { script: join(folder.path, 'script.json') },
      api_key: { file: keyFile },
      env: secrets,
    };
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

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}
