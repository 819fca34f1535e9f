import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CreateTask, Heartbeat, Singletree, Task } from '@singletree/sdk';
import {
  randomFrom,
  repository,
  seedOf,
  temporaryFolder,
  until,
  type FakeScript,
  type FakeStep,
  type Repository,
} from '@singletree/testing';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { expectNoProcessOf, expectPromisesKept } from './support/promises.ts';
import { livingIn, recordedIn } from './support/recorded.ts';

/** Rounds in which something is started just before or after the switch is thrown. */
const rounds = process.env['SINGLETREE_TEST_FULL'] === '1' ? 100 : 3;
const other = 'fake_cumulative';
/** Where nothing holds children together they are hardest to find. Children in a PID namespace count themselves by numbers that mean nothing outside. */
const levels = process.env['SINGLETREE_TEST_FULL'] === '1' ? (['marker', 'auto'] as const) : (['marker'] as const);

describe('a kill switch', () => {
  test.each(levels)(
    'ends ten tasks whatever their children do, holds those of the queue until it is taken back, and no other scope; level %s',
    async (containment) => {
      await using scene = await openScene({ concurrency: { total: 12, per_harness: { fake: 10 } }, supervision: { containment } });
      const { daemon, at, begin, reached } = scene;
      scene.plays({
        obstinate: [
          { call: { input: 10, output: 5 } },
          { write: { path: 'a.txt', content: 'after\n' } },
          { ignoreSignals: ['SIGINT', 'SIGTERM'] },
          { spawn: { recordTo: at('children'), ignoreSignals: true } },
          { spawn: { recordTo: at('children'), ignoreSignals: true, does: 'forks_on' } },
          { spawn: { recordTo: at('children'), does: 'stops' } },
          { mark: at('obstinate') },
          { hang: true },
        ],
        queued: [{ say: 'Done.' }],
        outside: [{ mark: at('outside') }, { waitFor: at('go') }, { say: 'Done.' }],
      });
      let client = await daemon.start();
      const outside = await begin('outside', { harness: other });
      const running = await Promise.all(Array.from({ length: 10 }, () => begin('obstinate')));
      await reached('obstinate', 10);
      await reached('outside');
      const queued = await begin('queued');
      await until(() => recordedIn(at('children')).length >= 50, { what: 'the children to fork on' });
      expect(livingIn(at('children')).length).toBeGreaterThanOrEqual(20);

      const killSwitch = { scope: 'harness=fake', by: 'me', why: 'the bill' };
      const engaged = await client.killSwitch.engage('harness=fake', { by: 'me', why: 'the bill' });
      expect(livingIn(at('children'))).toEqual([]);
      expect(engaged).toMatchObject({ killSwitch, complete: true, survivors: [] });
      expect(engaged.taskIds.toSorted()).toEqual(running.toSorted());
      for (const id of running) {
        const task = await finished(client, id);
        expect(task).toMatchObject({
          state: 'failed',
          attempts: [{ state: 'ended', signal: 'SIGKILL', stoppedBy: { kind: 'kill_switch' }, survivors: [] }],
          completion: { outcome: 'failure', failure: { reason: 'killed', ...killSwitch }, actualInputTokens: 10, filesChanged: 1 },
        });
        expect(task.frozenCommit).toMatch(/^[0-9a-f]{40}$/);
        await expectPromisesKept(client, task, daemon.state);
      }

      const waits = {
        state: 'created',
        attempts: [],
        waiting: { waitingFor: 'kill_switch', message: 'kill switch harness=fake, thrown by me: the bill' },
      };
      expect(await client.tasks.get(queued)).toMatchObject(waits);
      expect((await client.tasks.page({ states: ['created'] })).tasks).toMatchObject([waits]);
      expect(await heartbeatOf(client, queued)).toMatchObject({ waiting: waits.waiting });
      expect(await client.daemon.status()).toMatchObject({ killSwitch: [killSwitch] });
      expect(await client.tasks.get(outside)).toMatchObject({ state: 'in_progress' });

      // Again, by somebody else: carried out again, and kept as it was.
      expect(await client.killSwitch.engage('harness=fake', { by: 'another' })).toMatchObject({ killSwitch, taskIds: [], complete: true });

      await daemon.kill();
      const mirror = join(daemon.state, 'kill-switch.json');
      writeFileSync(mirror, '{"switches":[');
      client = await daemon.start();
      expect(JSON.parse(readFileSync(mirror, 'utf8'))).toMatchObject({ switches: [killSwitch] });
      expect(await client.killSwitch.list()).toMatchObject([killSwitch]);
      writeFileSync(at('go'), '');
      expect(await finished(client, outside)).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
      expect(await client.tasks.get(queued)).toMatchObject(waits);

      expect(await client.killSwitch.release('harness=fake')).toMatchObject({ released: true, killSwitches: [] });
      expect(await finished(client, queued)).toMatchObject({ state: 'completed', completion: { attemptCount: 1 } });
      expect(await client.killSwitch.release('harness=fake')).toMatchObject({ released: false });
      expect(JSON.parse(readFileSync(mirror, 'utf8'))).toEqual({ switches: [] });
    },
  );

  test(
    'lets nothing live on that is started in the moment in which it is thrown',
    async () => {
      await using scene = await openScene({ concurrency: { total: 4 } });
      const { daemon, at, begin, reached } = scene;
      const random = randomFrom(seedOf('kill switch'));
      const client = await daemon.start();
      let late = 0;
      for (let round = 0; round < rounds; round++) {
        const [go, children] = [at(`go-${round}`), at(`children-${round}`)];
        const [before, after, newcomer] = [50 + random() * 700, random() * 50, random() * 50];
        scene.plays({
          [`running ${round}`]: [
            { mark: at(`running ${round}`) },
            { waitFor: go },
            { spawn: { recordTo: children, ignoreSignals: true } },
            { mark: at(`late ${round}`) },
            { hang: true },
          ],
          '.*': [{ spawn: { recordTo: children, ignoreSignals: true } }, { say: 'Done.' }],
        });
        const running = await begin(`running ${round}`);
        await reached(`running ${round}`);
        // One task is somewhere on its way to its agent, one comes after the call, and one agent starts a child then.
        const onItsWay = await begin('on its way');
        await sleep(before);
        const thrown = client.killSwitch.engage('all', { by: 'me' });
        const created = sleep(newcomer).then(() => begin('a newcomer'));
        const started = sleep(after).then(() => writeFileSync(go, ''));
        const [engaged, latest] = await Promise.all([thrown, created, started]);
        expect(livingIn(children), `round ${round}, ${before} ${after} ${newcomer}`).toEqual([]);
        if (existsSync(at(`late ${round}`))) late += 1;

        expect(engaged).toMatchObject({ complete: true, survivors: [] });
        expect(engaged.taskIds).toContain(running);
        expect(await finished(client, running)).toMatchObject({ state: 'failed', failure: { reason: 'killed', scope: 'all', by: 'me' } });
        for (const id of [onItsWay, latest]) {
          const task = engaged.taskIds.includes(id) ? await finished(client, id) : await client.tasks.get(id);
          if (task.completion?.outcome === 'success') continue; // it was faster
          if (engaged.taskIds.includes(id)) expect(task).toMatchObject({ state: 'failed', failure: { reason: 'killed' } });
          else expect(task).toMatchObject({ state: 'created', waiting: { waitingFor: 'kill_switch' } });
          await expectNoProcessOf(id);
        }
        await client.killSwitch.release('all');
        for (const id of [onItsWay, latest]) await finished(client, id);
      }
      expect(late, 'rounds in which the child was faster than the switch').toBeGreaterThan(0);
    },
    rounds * 20_000,
  );

  test.concurrent.each(['control.commit.before', 'control.commit.after', 'control.file.before', 'control.file.after'])(
    'is carried out by the next daemon where this one dies at %s',
    async (place) => {
      await using scene = await openScene({ concurrency: { total: 1 } });
      const { daemon, at, begin, reached } = scene;
      scene.plays({
        running: [{ call: { input: 10 } }, { spawn: { recordTo: at('children'), does: 'stops' } }, { mark: at('running') }, { hang: true }],
        queued: [{ say: 'Done.' }],
      });
      const dying = await daemon.start({ SINGLETREE_FAILPOINTS: `${place}=kill`, SINGLETREE_FAILPOINT_DIR: scene.folder });
      const running = await begin('running');
      await reached('running');
      const queued = await begin('queued');
      const engage = (client: Singletree, signal?: AbortSignal) =>
        client.killSwitch.engage('all', { by: 'me', requestId: 'the-one', signal });
      const died = new AbortController();
      const lost = engage(dying, died.signal).catch(() => undefined);
      await until(() => daemon.hasEnded, { what: `the daemon to die at ${place}` });
      died.abort(); // it would ask again by itself
      await lost;

      const client = await daemon.start();
      const killed = { state: 'failed', failure: { reason: 'killed', scope: 'all' }, completion: { actualInputTokens: 10 } };
      // What was committed is carried out without being asked for again; what was not, is not.
      const isCommitted = place !== 'control.commit.before';
      expect(await client.killSwitch.list()).toMatchObject(isCommitted ? [{ scope: 'all', by: 'me' }] : []);
      if (isCommitted) expect(await finished(client, running)).toMatchObject(killed);
      expect(await engage(client)).toMatchObject({ killSwitch: { by: 'me' }, taskIds: [running], complete: true, survivors: [] });
      expect(livingIn(at('children'))).toEqual([]);
      const task = await finished(client, running);
      expect(task).toMatchObject(killed);
      await expectPromisesKept(client, task, daemon.state);
      expect(await client.tasks.get(queued)).toMatchObject({ state: 'created', waiting: { waitingFor: 'kill_switch' } });
      await client.killSwitch.release('all');
      // The call whose answer was lost does not throw it once more.
      expect(await engage(client)).toMatchObject({ taskIds: [running] });
      expect(await finished(client, queued)).toMatchObject({ state: 'completed' });
    },
  );

  test('has a scope of one model, one directory or one label, and ends setup commands and gates too', async () => {
    await using elsewhere = await repository({ files: { 'sub/a.txt': 'before\n' } });
    await using scene = await openScene({ concurrency: { total: 8 } });
    const { daemon, at, begin, reached } = scene;
    const waiting = (name: string): string => `echo $$ >> '${at(name)}'; sleep 300; sleep 301`;
    scene.plays({ hanging: [{ mark: at('hanging') }, { hang: true }], fixing: [{ write: { path: 'a.txt', content: 'after\n' } }] });
    const client = await daemon.start();
    const tasks = {
      model: await begin('hanging', { model: 'opus' }),
      workspace: await begin('hanging', { workspace: { path: join(elsewhere.path, 'sub') } }),
      label: await begin('fixing', { labels: { team: 'a' }, setup: [waiting('setup')] }),
      'label=b': await begin('fixing', { labels: { team: 'b' }, gates: [{ name: 'test', command: waiting('gate') }] }),
      none: await begin('hanging', { labels: { team: 'c' } }),
    };
    await reached('hanging', 3);
    for (const name of ['setup', 'gate']) await reached(name);
    const hits = async (scope: string, id: string): Promise<Task> => {
      expect(await client.killSwitch.engage(scope)).toMatchObject({ killSwitch: { scope }, taskIds: [id], complete: true });
      const task = await finished(client, id);
      expect(task).toMatchObject({ state: 'failed', failure: { reason: 'killed', scope }, completion: { outcome: 'failure' } });
      await expectNoProcessOf(id);
      return task;
    };
    await hits('model=opus', tasks.model);
    await hits(`workspace=${elsewhere.path}`, tasks.workspace);
    expect(await hits('label=team=a', tasks.label)).toMatchObject({ attempts: [{ state: 'revoked' }], gateResults: [] });
    expect(await hits('label=team=b', tasks['label=b'])).toMatchObject({ gateResults: [], completion: { filesChanged: 1 } });
    expect(await client.tasks.get(tasks.none)).toMatchObject({ state: 'in_progress' });
    expect(await client.killSwitch.list()).toHaveLength(4);
    await hits('label=team', tasks.none);
  });
});

test('a daemon that is stopped with what runs leaves nothing, cancels these tasks, and keeps the queue for the next one', async () => {
  await using scene = await openScene({ concurrency: { total: 2 } });
  const { daemon, at, begin, reached } = scene;
  scene.plays({
    running: [
      { call: { input: 10 } },
      { spawn: { recordTo: at('children'), ignoreSignals: true } },
      { mark: at('running') },
      { hang: true },
    ],
    queued: [{ say: 'Done.' }],
  });
  let client = await daemon.start();
  const running = [await begin('running'), await begin('running', { setup: [`echo $$ >> '${at('running')}'; sleep 300; sleep 301`] })];
  await reached('running', 2);
  const queued = await begin('queued');

  // A stop that waits for what runs would wait for ever; made harder, it does not.
  await client.daemon.stop({ mode: 'drain' });
  await sleep(300);
  expect(daemon.hasEnded).toBe(false);
  await client.daemon.stop({ mode: 'kill' });
  await daemon.ended();
  expect(livingIn(at('children'))).toEqual([]);
  for (const id of running) await expectNoProcessOf(id);

  client = await daemon.start();
  for (const id of running) {
    // Not by this daemon: it was written before the other one left.
    const task = await client.tasks.get(id);
    expect(task).toMatchObject({
      state: 'cancelled',
      completion: { outcome: 'failure', failure: { reason: 'terminated', by: 'singletree down --kill' } },
    });
    await expectPromisesKept(client, task, daemon.state);
  }
  expect(await finished(client, queued)).toMatchObject({ state: 'completed', completion: { attemptCount: 1 } });
});

interface Scene extends AsyncDisposable {
  readonly folder: string;
  readonly daemon: TestDaemon;
  at(name: string): string;
  /** What the agent does, by a regular expression for the task's title. */
  plays(scripts: Readonly<Record<string, readonly FakeStep[]>>): void;
  begin(title: string, more?: Partial<CreateTask>): Promise<string>;
  /** Waits for so many lines in a file. */
  reached(name: string, lines?: number): Promise<void>;
}

async function openScene(configuration: Readonly<Record<string, unknown>>): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const repo: Repository = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const at = (name: string): string => join(folder, name);
  const harnesses = { [other]: { plugin: '@singletree/testing/fake-cumulative-harness', options: { script: at('script.json') } } };
  const daemon = stack.use(new TestDaemon({ folder, configuration: { ...configuration, harnesses } }));
  return {
    folder,
    daemon,
    at,
    plays(scripts) {
      const prompts = Object.entries(scripts).map(([title, script]): { match: string; script: FakeScript } => ({
        match: `^# Task: ${title}\n`,
        script,
      }));
      daemon.follow({ prompts });
    },
    begin: async (title, more) => (await daemon.client().tasks.create(aTask(repo.path, { title, ...more }))).id,
    async reached(name, lines = 1) {
      const count = (): number => (existsSync(at(name)) ? readFileSync(at(name), 'utf8').split('\n').length - 1 : 0);
      await until(() => count() >= lines, { what: `"${name}" to be reached ${lines} times`, timeoutMs: 40_000 });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The next sign of life of a task to which nothing happens. */
async function heartbeatOf(client: Singletree, taskId: string): Promise<Heartbeat> {
  const done = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Heartbeat>();
  const watching = (async () => {
    for await (const _ of client.tasks.watch(taskId, { heartbeatMs: 100, onHeartbeat: resolve, signal: done.signal })) continue;
  })().catch(() => undefined);
  const heartbeat = await promise;
  done.abort();
  await watching;
  return heartbeat;
}
