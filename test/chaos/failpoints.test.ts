import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FakeScript } from '@singletree/testing';
import { repository, startOtlpReceiver, temporaryFolder, until } from '@singletree/testing';
import { NoDaemonError, type Singletree, type Task } from '@singletree/sdk';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { expectNoProcessOf, expectPromisesKept } from '../support/promises.ts';

/**
 * The daemon or a shim dies at every place of the main path at which it writes, renames, spawns, links or sends. The path has
 * about twenty commits; each number is one of them.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const commits = full ? Array.from({ length: 24 }, (_, index) => index + 1) : [1, 4, 8, 13, 17];
const shimPlaces = ['owner.before', 'owner.after', 'spawn.before', 'spawn.after', 'run.before', 'run.after', 'exit.before', 'exit.after'];
const outboxPlaces = ['freeze.before', 'freeze.after', 'send.before', 'send.after', 'delivered.before', 'delivered.after'];
const supervisionPlaces = ['prepare.before', 'prepare.after', 'spawn.before', 'spawn.after', 'frame.middle', 'frame.after'];
const places: readonly string[] = [
  ...commits.flatMap((nth) => [`store.commit.before=kill@${nth}`, `store.commit.after=kill@${nth}`]),
  // The first process is the setup command, the second the agent, the third the gate.
  ...supervisionPlaces.flatMap((place) => (full ? [1, 2, 3] : [2]).map((nth) => `supervision.${place}=kill@${nth}`)),
  ...outboxPlaces.map((place) => `outbox.${place}=kill`),
  ...shimPlaces.map((place) => `shim.${place}=kill`),
];
/** A cancel is placed at each of them in full, at a sample of every kind else. */
const cancelled = full ? places : places.filter((_, index) => index % 4 === 0);

const script: FakeScript = [
  { call: { input: 10, output: 5 } },
  { write: { path: 'a.txt', content: 'after\n' } },
  { say: 'Working.' },
  { call: { input: 20, output: 7 } },
  { say: 'Done.' },
];

describe.concurrent('the task is finished by the next daemon, once, and nothing is left', () => {
  test.each(places)('killed at %s', async (failpoint) => {
    await using receiver = await startOtlpReceiver();
    await using scene = await openScene(receiver.url);
    const { daemon, requestId } = scene;
    const created = await createUnder(failpoint, scene);
    await until(() => created.done || wasReached(failpoint, scene), { what: 'the failpoint or the end of the task', timeoutMs: 20_000 });
    await daemon.kill();

    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(scene.workspace, { ...scene.task, requestId }));
    const task = await finished(client, id);

    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', qualityGatePassed: true, filesChanged: 1 } });
    // A shim that died takes its attempt with it; the daemon's own death costs none.
    const started = task.attempts.filter(({ startedAt }) => startedAt !== undefined);
    expect(started.length).toBeLessThanOrEqual(failpoint.startsWith('shim.') ? 3 : 1);
    expect(task.completion?.retryCount).toBe(Math.max(0, started.length - 1));
    await expectPromisesKept(client, task, daemon.state);
    await until(() => receiver.spans().length > 0, { what: 'the spans to arrive', timeoutMs: 15_000 });
    expect(new Set(receiver.requests.map(({ body }) => Buffer.from(body).toString('hex'))).size, 'one and the same body').toBe(1);
  });
});

describe.concurrent('a cancel right after the restart leaves no living agent', () => {
  test.each(cancelled)('killed at %s', async (failpoint) => {
    await using scene = await openScene();
    const { daemon, requestId } = scene;
    daemon.follow([...script.slice(0, 3), { hang: true }]);
    const created = await createUnder(failpoint, scene);
    const working = (): boolean => existsSync(join(daemon.state, 'processes', created.id ?? '-', '1', 'harness-0-1', 'run.json'));
    await until(() => wasReached(failpoint, scene) || working(), { what: 'the failpoint or the agent to work', timeoutMs: 20_000 });
    await daemon.kill();

    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(scene.workspace, { ...scene.task, requestId }));
    await client.tasks.cancel(id, { by: 'test' });
    const task = await finished(client, id);

    expect(task).toMatchObject({ state: 'cancelled', completion: { outcome: 'failure', failure: { reason: 'cancelled', by: 'test' } } });
    await expectNoProcessOf(id);
  });
});

interface Scene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly workspace: string;
  readonly requestId: string;
  readonly folder: string;
  readonly task: Parameters<typeof aTask>[1];
}

async function openScene(endpoint?: string): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const key = {
    plugin: '@singletree/testing/fake-harness',
    api_key: { env: 'FAKE_KEY' },
    options: { script: join(folder.path, 'script.json') },
  };
  const environment = { FAKE_KEY: 'a-key', ...(endpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }) };
  const daemon = stack.use(new TestDaemon({ folder: folder.path, configuration: { harnesses: { fake: key } }, environment }));
  daemon.follow(script);
  return {
    daemon,
    workspace: repo.path,
    requestId: 'the-one',
    folder: folder.path,
    task: { setup: ['true'], gates: [{ name: 'test', command: 'grep after a.txt' }] },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Creates the task on a daemon that will die; whether the answer still came is what nobody can know beforehand. */
async function createUnder(failpoint: string, scene: Scene): Promise<{ id?: string; done: boolean }> {
  const created: { id?: string; done: boolean } = { done: false };
  let client: Singletree;
  try {
    client = await scene.daemon.start({ SINGLETREE_FAILPOINTS: failpoint, SINGLETREE_FAILPOINT_DIR: scene.folder });
  } catch {
    return created;
  }
  const follow = async (): Promise<void> => {
    const task: Task = await client.tasks.create(aTask(scene.workspace, { ...scene.task, requestId: scene.requestId }));
    created.id = task.id;
    await finished(client, task.id, 15_000);
    created.done = true;
  };
  void follow().catch((error: unknown) => {
    if (!(error instanceof Error)) throw error;
    if (error instanceof NoDaemonError) return;
  });
  return created;
}

/** A shim that dies leaves its daemon alive, which would start the next one into the same failpoint. */
function wasReached(failpoint: string, { daemon, folder }: Scene): boolean {
  return daemon.hasEnded || existsSync(join(folder, `${failpoint.slice(0, failpoint.indexOf('='))}.hit`));
}
