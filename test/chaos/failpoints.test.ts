import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask } from '@singletree/sdk';
import type { FakeScript } from '@singletree/testing';
import { repository, startOtlpReceiver, temporaryFolder, until } from '@singletree/testing';
import { describe, expect, test } from 'vitest';
import { failpointNames } from '../../packages/core/src/failpoints.ts';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { expectNoProcessOf, expectPromisesKept } from '../support/promises.ts';

/**
 * The daemon or a shim dies at every place of the main path at which it writes, renames, spawns, links or sends. A place that is
 * not reached fails its test. The path has at least so many commits; each number is one of them.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const commits = full ? Array.from({ length: 17 }, (_, index) => index + 1) : [1];
const commitPlaces = around('store.commit');
const shimPlaces = ['owner.before', 'owner.after', 'spawn.before', 'spawn.after', 'run.before', 'run.after', 'exit.before', 'exit.after'];
const outboxPlaces = ['freeze.before', 'freeze.after', 'send.before', 'send.after', 'delivered.before', 'delivered.after'];
const stepPlaces = ['dispatcher.claim', 'workspace.open', 'workspace.freeze', 'workspace.close'].flatMap(around);
const startPlaces = ['prepare.before', 'prepare.after', 'spawn.before', 'spawn.after', 'frame.middle', 'frame.after'];
const places: readonly string[] = [
  ...commits.flatMap((nth) => commitPlaces.map((place) => `${place}=kill@${nth}`)),
  // The first process is the setup command, the second the agent, the third the gate.
  ...startPlaces.map(ofSupervision).flatMap((place) => (full ? [1, 2, 3] : [2]).map((nth) => `${place}=kill@${nth}`)),
  ...stepPlaces.map((place) => `${place}=kill`),
  ...outboxPlaces.map((place) => `outbox.${place}=kill`),
  ...shimPlaces.map((place) => `shim.${place}=kill`),
  // The shim dies first, and what it has left is ended by a daemon that dies in its middle.
  ...around('supervision.sweep').map((place) => `${place}=kill,shim.run.after=kill`),
];
const stopPlaces = around('supervision.stop');
const revokePlaces = around('supervision.revoke');
const killPlaces = around('shim.kill');
/** Where the daemon or the shim can be held in the middle of what it does, so that the cancel comes exactly there. */
const holding: readonly string[] = [...startPlaces.map(ofSupervision), ...shimPlaces.map((place) => `shim.${place}`)];
function ofSupervision(place: string): string {
  return `supervision.${place}`;
}

function kill(place: string): string {
  return `${place}=kill`;
}

function around(place: string): string[] {
  return [`${place}.before`, `${place}.after`];
}

const sample = <T>(list: readonly T[], every: number): readonly T[] => (full ? list : list.filter((_, index) => index % every === 1));

const script: FakeScript = [
  { call: { input: 10, output: 5 } },
  { write: { path: 'a.txt', content: 'after\n' } },
  { say: 'Working.' },
  { call: { input: 20, output: 7 } },
  { say: 'Done.' },
];

/** As above, with a while in which a cancel finds the agent at work. */
const slowly: FakeScript = [...script.slice(0, 3), { sleep: 800 }, ...script.slice(3)];

/** Eight lives of a daemon on a machine that has others to see to. */
const livesLimitMs = 300_000;
const reachLimitMs = 40_000;

/** One death each in full. Else a task meets as many of them on its way as it can, one after another; those of the outbox are left to ./delivery.test.ts. */
const lives: readonly (readonly string[])[] = full
  ? places.map((place) => [place])
  : [
      [...commitPlaces, ...stepPlaces.slice(0, 4), ...startPlaces.slice(0, 2).map(ofSupervision)].map(kill),
      [...startPlaces.slice(2).map(ofSupervision), ...stepPlaces.slice(4)].map(kill),
      shimPlaces.slice(0, -2).map((place) => `shim.${place}=kill`),
      ...shimPlaces.slice(-2).map((place) => [`shim.${place}=kill`]),
      ['supervision.sweep.before=kill,shim.run.after=kill', 'supervision.sweep.after=kill'],
    ];

describe.concurrent('the task is finished by the next daemon, once, and nothing is left', () => {
  test.each(lives.map((deaths) => ({ deaths })))('killed at $deaths', { timeout: livesLimitMs }, async ({ deaths }) => {
    await using receiver = await startOtlpReceiver();
    await using scene = await openScene(receiver.url);
    const { daemon, requestId } = scene;
    const ofShims = deaths.filter((death) => death.includes('shim.'));
    // Where more than one shim dies, the first is the agent's: a setup command whose shim dies three times has failed.
    const task: Partial<CreateTask> =
      ofShims.length > 1 ? { gates: scene.task.gates, retry: [{ reason: 'lost', maxRetries: 4 * ofShims.length }] } : scene.task;
    // An agent that loses its shim lives on until it is swept: it must not come to its end before.
    if (ofShims.length > 1) daemon.follow([{ hang: true }]);
    for (const death of deaths) await dieAt(death, { ...scene, task });
    daemon.follow(script);

    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(scene.workspace, { ...task, requestId }));
    const final = await finished(client, id);

    expect(final, final.failure?.message).toMatchObject({
      state: 'completed',
      completion: { outcome: 'success', qualityGatePassed: true, filesChanged: 1 },
    });
    // A shim that died takes its attempt with it, and before the daemon is killed the next one may have died too; the daemon's own death costs none.
    const started = final.attempts.filter(({ startedAt }) => startedAt !== undefined);
    expect(started.length).toBeLessThanOrEqual(1 + 2 * ofShims.length);
    expect(final.completion?.retryCount).toBe(Math.max(0, started.length - 1));
    await expectPromisesKept(client, final, daemon.state);
    await until(() => receiver.spans().length > 0, { what: 'the spans to arrive', timeoutMs: 15_000 });
    expect(new Set(receiver.requests.map(({ body }) => Buffer.from(body).toString('hex'))).size, 'one and the same body').toBe(1);
  });
});

describe.concurrent('a cancel leaves no living agent', () => {
  test.each(sample(places, 8))('right after a restart, killed at %s', async (failpoint) => {
    await using receiver = await startOtlpReceiver();
    await using scene = await openScene(receiver.url);
    const { daemon, requestId } = scene;
    daemon.follow(slowly);
    await dieAt(failpoint, scene);

    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(scene.workspace, { ...scene.task, requestId }));
    const accepted = await client.tasks.cancel(id, { by: 'test' }).catch((error: unknown) => {
      // The last places lie behind the final state, where a stop is refused.
      expect(error).toMatchObject({ reason: 'ILLEGAL_TRANSITION' });
    });
    const task = await finished(client, id);

    expect(task.state).toBe(accepted ? 'cancelled' : 'completed');
    await expectNoProcessOf(id);
  });

  test.each(sample(holding, 3))('in the middle of %s', async (place) => {
    await using scene = await openScene();
    const { daemon, folder } = scene;
    daemon.follow([{ say: 'Working.' }, { hang: true }]);
    // The shim that is held is the agent's: there is no setup. A shim ends only once its agent does, which the cancel sees to.
    const client = await daemon.start({ SINGLETREE_FAILPOINTS: `${place}=hold:${folder}` });
    const { id } = await client.tasks.create(aTask(scene.workspace));
    if (!place.startsWith('shim.exit')) {
      await until(() => existsSync(join(folder, `${place}.hit`)), { what: `${place} to be reached`, timeoutMs: reachLimitMs });
    }

    await client.tasks.cancel(id, { by: 'test' });
    writeFileSync(join(folder, `${place}.go`), '');
    const task = await finished(client, id);

    expect(task).toMatchObject({ state: 'cancelled', completion: { failure: { reason: 'cancelled', by: 'test' } } });
    await expectNoProcessOf(id);
  });

  test.each(stopPlaces)('that is handed on when the daemon dies at %s', async (place) => {
    await using scene = await openScene();
    const { daemon, folder } = scene;
    const reached = join(folder, 'reached');
    daemon.follow([{ mark: reached }, { hang: true }]);
    const dying = await daemon.start({ SINGLETREE_FAILPOINTS: `${place}=kill` });
    const { id } = await dying.tasks.create(aTask(scene.workspace));
    await until(() => existsSync(reached), { what: 'the agent to work' });
    await dying.tasks.cancel(id, { by: 'test' }).catch(() => undefined); // the answer may die with the daemon
    await until(() => daemon.hasEnded, { what: `the daemon to die at ${place}` });

    const client = await daemon.start();
    const task = await finished(client, id);

    expect(task).toMatchObject({ state: 'cancelled', completion: { failure: { reason: 'cancelled', by: 'test' } } });
    await expectPromisesKept(client, task, daemon.state);
  });
});

test.each(killPlaces)('a shim that dies at %s of the kill switch leaves nobody, and its task is killed all the same', async (place) => {
  await using scene = await openScene();
  const { daemon, folder } = scene;
  const reached = join(folder, 'reached');
  daemon.follow([{ spawn: { ignoreSignals: true } }, { mark: reached }, { hang: true }]);
  const client = await daemon.start({ SINGLETREE_FAILPOINTS: `${place}=kill`, SINGLETREE_FAILPOINT_DIR: folder });
  const { id } = await client.tasks.create(aTask(scene.workspace));
  await until(() => existsSync(reached), { what: 'the agent to work', timeoutMs: reachLimitMs });

  const { complete, survivors } = await client.killSwitch.engage('all', { by: 'test' });
  expect(existsSync(join(folder, `${place}.hit`))).toBe(true);
  expect({ complete, survivors }).toEqual({ complete: true, survivors: [] });
  const task = await finished(client, id);
  expect(task).toMatchObject({ state: 'failed', attempts: [{ state: 'lost' }], failure: { reason: 'killed', by: 'test' } });
  await expectPromisesKept(client, task, daemon.state);
});

test.each(revokePlaces)('an attempt that may not start is revoked once, also by a daemon that dies at %s', async (place) => {
  await using scene = await openScene();
  const { daemon, requestId } = scene;
  await dieAt('supervision.spawn.before=kill@2', scene);
  await daemon.start({ FAKE_KEY: '', SINGLETREE_FAILPOINTS: `${place}=kill` }).catch(() => undefined); // it may die before it is asked
  await until(() => daemon.hasEnded, { what: `the daemon to die at ${place}` });

  const client = await daemon.start();
  const { id } = await client.tasks.create(aTask(scene.workspace, { ...scene.task, requestId }));
  const task = await finished(client, id);

  expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
  expect(task.attempts.filter(({ startedAt }) => startedAt !== undefined)).toHaveLength(1);
  await expectPromisesKept(client, task, daemon.state);
});

test('no failpoint is left out', () => {
  const reached = places.flatMap((place) => place.split(',').map((point) => point.slice(0, point.indexOf('='))));
  // ../kill-switch.test.ts, ./delivery.test.ts, ../delivery.test.ts
  const elsewhere = failpointNames.filter((name) => /^(control|metrics|outbox\.queue)\./.test(name));
  expect(new Set([...reached, ...stopPlaces, ...revokePlaces, ...killPlaces, ...elsewhere])).toEqual(new Set(failpointNames));
});

interface Scene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly workspace: string;
  readonly requestId: string;
  readonly folder: string;
  readonly task: Partial<CreateTask>;
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
  const environment = {
    FAKE_KEY: 'a-key',
    ...(endpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: 'none' }),
  };
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

/** Runs the task on a daemon that dies at the failpoint, or whose shim does; then the daemon is dead. */
async function dieAt(failpoint: string, { daemon, folder, workspace, task, requestId }: Scene): Promise<void> {
  // A shim that dies leaves its daemon alive, which would start the next one into the same failpoint.
  const hit = join(folder, `${failpoint.slice(0, failpoint.indexOf('='))}.hit`);
  rmSync(hit, { force: true });
  daemon.launch({ SINGLETREE_FAILPOINTS: failpoint, SINGLETREE_FAILPOINT_DIR: folder });
  await until(() => existsSync(hit) || daemon.isReady, {
    what: `the daemon to take calls, or to die at ${failpoint}`,
    timeoutMs: reachLimitMs,
  });
  // Whether the answer still comes is what nobody can know beforehand: the same request id is sent again later.
  if (!existsSync(hit)) void ask();
  await until(() => existsSync(hit), { what: `${failpoint} to be reached`, timeoutMs: reachLimitMs });
  await daemon.kill();

  async function ask(): Promise<void> {
    await daemon
      .client()
      .tasks.create(aTask(workspace, { ...task, requestId }))
      .catch(() => undefined);
  }
}
