import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder, type FakeScript } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

/** What agents leave and plugins answer is other people's: it may spoil their own task's figures, and nothing else. */

const sessionFile = `$HOME/.fake-agent/$(tr '\\0' '\\n' </proc/$PPID/cmdline | grep -A1 -x -e --session | tail -1).jsonl`;
const call = { call: { input: 1000, output: 10 } };

test.concurrent('four FIFOs for session files: no reader waits, and the accounts are lower bounds', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  daemon.follow([call, { run: `f="${sessionFile}"; rm -f "$f" && mkfifo "$f"` }, { result: 'success' }]);
  const client = await daemon.start();

  const created = await Promise.all([1, 2, 3, 4].map(() => client.tasks.create(aTask(repo.path))));
  for (const { id } of created) {
    const { completion } = await finished(client, id);
    expect(completion).toMatchObject({ outcome: 'success', actualInputTokens: 1000, usage: { lowerBound: true } });
  }
});

test.concurrent('a session id that is a pattern finds nobody else’s session', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using daemon = new TestDaemon({ folder: folder.path });
  const claim = JSON.stringify({ type: 'session', session: '*', model: 'm', version: '1' });
  const script: FakeScript = {
    prompts: [
      { match: 'ONE', script: [call, { result: 'success' }] },
      { match: 'TWO', script: [{ raw: claim }, { call: { input: 1, output: 1 } }, { exit: 0 }] },
    ],
  };
  daemon.follow(script);
  const client = await daemon.start();

  await finished(client, (await client.tasks.create(aTask(repo.path, { title: 'ONE' }))).id);
  const { id } = await client.tasks.create(aTask(repo.path, { title: 'TWO', limits: { maxAttempts: 1 } }));
  expect((await finished(client, id)).completion).toMatchObject({ actualInputTokens: 1, actualOutputTokens: 1 });
});

/** What is set on the fake harness. */
const faults = {
  command: `command() { throw new Error('boom'); }`,
  decoder: `decoder() { throw new Error('boom'); }`,
  count: `decoder(source) {
    let endsAt = 0;
    const half = () => [{ kind: 'model.call', callId: 'c', thread: 'main', usage: { outputTokens: 0.5 }, source, endsAt }];
    return { push: (bytes) => { endsAt += bytes.length; return half(); }, end: () => [] };
  }`,
  reconcile: `reconcile() { throw new Error('boom'); }`,
  probe: `async probe() { throw new Error('boom'); }`,
};

test.concurrent('a plugin that fails ends its own attempt by a reason, and every list can be read', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  const options = { script: join(folder.path, 'script.json') };
  const harnesses = Object.fromEntries(
    Object.entries(faults).map(([fault, set]) => {
      const harnessId = `fails_in_${fault}`;
      const plugin = join(folder.path, `${fault}.mjs`);
      const fake = JSON.stringify(import.meta.resolve('@singletree/testing/fake-harness'));
      writeFileSync(plugin, `import fake from ${fake};\nexport default { ...fake, harnessId: '${harnessId}', ${set} };`);
      return [harnessId, { plugin, options }];
    }),
  );
  await using daemon = new TestDaemon({ folder: folder.path, configuration: { harnesses } });
  daemon.follow([call, { result: 'success' }]);
  const client = await daemon.start();

  const ends = await Promise.all(
    Object.keys(faults).map(async (fault) => {
      const { id } = await client.tasks.create(aTask(repo.path, { harness: `fails_in_${fault}` }));
      const { failure, completion } = await finished(client, id);
      return [fault, failure?.reason, failure?.message.includes(`"fails_in_${fault}"`), completion?.usage?.lowerBound];
    }),
  );
  // What a decoder could not tell, the session's files did.
  expect(ends).toEqual([
    ['command', 'invalid_configuration', true, undefined],
    ['decoder', 'decoder_failed', true, false],
    ['count', 'decoder_failed', true, false],
    ['reconcile', undefined, undefined, true],
    ['probe', 'harness_missing', true, undefined],
  ]);
  let listed = 0;
  for await (const _ of client.tasks.list()) listed += 1;
  expect(listed).toBe(ends.length);
});
