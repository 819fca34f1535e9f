import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { eventsOf } from './support/promises.ts';

test('a CLI of a version that is not supported runs, and each task is warned once', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  const executable = join(folder, 'agent');
  writeFileSync(executable, '#!/bin/sh\necho fake-agent 0.0.1\n');
  chmodSync(executable, 0o755);
  const options = { script: daemon.script, node: process.execPath };
  daemon.configure({ harnesses: { fake: { plugin: '@singletree/testing/fake-harness', executable, options } } });
  const client = await daemon.start();
  // Never green, so that there is a second attempt.
  const { id } = await client.tasks.create(aTask(workspace, { gates: [{ name: 'test', command: 'false' }], limits: { maxAttempts: 2 } }));
  expect((await finished(client, id)).attempts).toHaveLength(2);
  const warnings = (await eventsOf(client, id)).filter(({ kind }) => kind === 'warning');
  expect(warnings).toMatchObject([{ warning: { message: expect.stringContaining('fake agent 0.0.1 is not') } }]);
});

test('lines that the plugin does not know are counted, and told of once an attempt, however short it was', async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow([{ raw: '{"type":"news","text":"secret"}' }, { raw: 'no JSON' }, { write: { path: 'made.txt', content: 'x' } }]);
  const client = await daemon.start();
  const { id } = await client.tasks.create(aTask(workspace));
  expect(await finished(client, id)).toMatchObject({ attempts: [{ unknownEvents: 2 }], completion: { outcome: 'success' } });
  const warnings = (await eventsOf(client, id)).flatMap((event) => (event.kind === 'warning' ? [event.warning?.message ?? ''] : []));
  expect(warnings).toEqual([expect.stringContaining('first a line of type "news": figures may lack something')]);
  expect(warnings.join()).not.toContain('secret');
});
