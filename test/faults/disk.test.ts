import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type Singletree } from '@singletree/sdk';
import { repository, startOtlpReceiver, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { describe, expect, test, vi } from 'vitest';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { wantTasks } from '../support/faults-load.ts';
import { asOwnRoot, mayBeOwnRoot, mayMount, SmallDisk } from '../support/faults-small-disk.ts';
import { Machine } from '../support/machine.ts';
import { expectPromisesKept } from '../support/promises.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const mebibyte = 1024 * 1024;
const work: FakeStep[] = [{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }];

/** A daemon whose state folder is on a small disk of its own. */
async function openScene(defaults: Readonly<Record<string, unknown>> = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const disk = stack.use(new SmallDisk(join(folder, 'state'), 32));
  const configuration = {
    concurrency: { total: 1 },
    defaults: { harness: 'fake', min_free_disk: 0, ...defaults },
    // An agent's pid is its own only where it is in no namespace.
    supervision: { containment: 'marker' },
  };
  const daemon = stack.use(new TestDaemon({ folder, configuration }));
  const kept = stack.move();
  const dispose = () => kept.disposeAsync();
  return { folder, workspace, disk, daemon, [Symbol.asyncDispose]: dispose };
}

describe.skipIf(!mayMount).concurrent(`on a full disk${mayMount ? '' : ' (skipped: mounting needs root)'}`, () => {
  test('new tasks are refused, what runs is kept, reads go on; with space again all goes on by itself', async () => {
    await using scene = await openScene();
    const { folder, workspace, disk, daemon } = scene;
    const [started, go] = [join(folder, 'started'), join(folder, 'go')];
    daemon.follow([{ mark: started }, { waitFor: go }, ...work]);
    const client = await daemon.start();
    const { pid } = daemon;
    const running = await client.tasks.create(aTask(workspace));
    const waiting = await client.tasks.create(aTask(workspace));
    await untilWorking(client, running.id, started);

    disk.fill();
    const large = 'x'.repeat(200_000);
    const { acknowledged, refusals } = await wantTasks(daemon.state, workspace, (wanted) => wanted.refusals.length === 3, large);
    expect(acknowledged).toEqual([]);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'ResourceExhausted', reason: 'STORAGE_FULL' });
    expect((await client.tasks.get(running.id)).state).toBe('in_progress');
    expect((await client.tasks.page()).tasks.map(({ id }) => id)).toEqual([waiting.id, running.id]);
    expect((await client.daemon.status()).pid).toBe(pid);

    disk.empty();
    const { acknowledged: later } = await wantTasks(daemon.state, workspace, (wanted) => wanted.acknowledged.length === 1, large);
    writeFileSync(go, '');
    for (const id of [running.id, waiting.id, ...later]) {
      const task = await finished(client, id, 60_000);
      expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
      await expectPromisesKept(client, task, daemon.state);
    }
    expect(daemon.hasEnded).toBe(false);
  });

  test('an agent that fills it up with its own output ends, its shim insists on the ending, and the task goes on by itself', async () => {
    await using scene = await openScene({ max_output: '1GiB' });
    const { folder, workspace, disk, daemon } = scene;
    const [started, go] = [join(folder, 'started'), join(folder, 'go')];
    daemon.follow({ runs: [[{ mark: started }, { waitFor: go }, { hugeLine: 16 * mebibyte }], work] });
    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(workspace));
    await untilWorking(client, id, started);

    disk.fill(8 * mebibyte);
    writeFileSync(go, '');
    await until(() => disk.free === 0, { what: 'the disk to be full', timeoutMs: 60_000 });
    const agent = Number(readFileSync(started, 'utf8'));
    await until(() => !existsSync(`/proc/${agent}`), { what: 'the agent to end', timeoutMs: 60_000 });
    const ending = join(daemon.state, 'processes', id, '1', 'harness-0-1', 'exit.json');
    expect(existsSync(ending), 'there is no room for the ending').toBe(false);
    expect((await client.tasks.get(id)).attempts).toMatchObject([{ state: 'started' }]);

    disk.empty();
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 1 } });
    await expectPromisesKept(client, task, daemon.state);
    expect(daemon.hasEnded).toBe(false);
  });

  test.runIf(full)('what a collector has taken comes again, the same, until it can be written down that it has', async () => {
    await using scene = await openScene();
    const { workspace, disk, daemon } = scene;
    // Slow enough for the disk to fill while it thinks.
    await using receiver = await startOtlpReceiver({ behaviour: { delayMs: 1_000 } });
    daemon.follow(work);
    const client = await daemon.start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRICS_EXPORTER: 'none' });
    const { id } = await client.tasks.create(aTask(workspace));
    await until(() => receiver.requests.length === 1, { what: 'the record', timeoutMs: 60_000 });
    disk.fill();
    const telemetry = async () => (await client.daemon.status()).telemetry;
    await until(() => receiver.requests.length > 2, { what: 'the record to come again', timeoutMs: 60_000 });
    expect(await telemetry()).toMatchObject({
      state: 'failing',
      undeliveredRows: 1,
      lastError: expect.stringMatching(/^outbox: .*(full|space)/),
    });

    disk.empty();
    await until(async () => (await telemetry()).undeliveredRows === 0, { what: 'it to be written down', timeoutMs: 60_000 });
    expect(await telemetry()).toMatchObject({ state: 'ok', deadRows: 0 });
    expect(new Set(receiver.requests.map(({ body }) => Buffer.from(body).toString('hex'))).size).toBe(1);
    await expectPromisesKept(client, await finished(client, id), daemon.state);
  });

  test('a shim that finds no room for its first word is started again until there is some', async () => {
    await using scene = await openScene();
    const { folder, workspace, disk, daemon } = scene;
    daemon.follow(work);
    const client = await daemon.start({ SINGLETREE_FAILPOINTS: `supervision.spawn.before=hold:${folder}` });
    const { id } = await client.tasks.create(aTask(workspace));
    await until(() => existsSync(join(folder, 'supervision.spawn.before.hit')), {
      what: 'the shim to be about to start',
      timeoutMs: 60_000,
    });

    disk.fill();
    writeFileSync(join(folder, 'supervision.spawn.before.go'), '');
    const times = full ? 6 : 1;
    const met = () => daemon.log.split('a task could not be driven on').length > times;
    await until(met, { what: `the daemon to meet the full disk ${times} times`, timeoutMs: 180_000, everyMs: 100 });
    disk.empty();
    // The daemon looks again after 1 s, 2 s, … 60 s.
    const task = await finished(client, id, 90_000);
    expect(task, task.failure?.message).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
    await expectPromisesKept(client, task, daemon.state);
  }, 300_000);

  test('the daemon of a person, whose log is on that disk too, goes on without a log', async () => {
    await using machine = await Machine.make();
    using disk = new SmallDisk(machine.state, 32);
    machine.configure({ defaults: { harness: 'fake', min_free_disk: 0 } });
    machine.follow({ runs: [[{ exit: 1 }], work] });
    const up = machine.start(['up']);
    await until(() => existsSync(join(machine.state, 'address.json')), { what: 'the daemon to leave its address', timeoutMs: 40_000 });
    const client = connect({ state: machine.state, env: {} });
    const retry = [{ reason: 'harness_failed', backoffInitialMs: 4_000, jitter: 0 }] as const;
    const { id } = await client.tasks.create(aTask(machine.repo.path, { retry }));
    const waits = async () => (await client.tasks.get(id)).attempts[0]?.failure !== undefined;
    await until(waits, { what: 'the task to wait for its second attempt', timeoutMs: 40_000 });

    disk.fill();
    const log = join(machine.state, 'daemon.log');
    let size = -1;
    const isFull = () => size === (size = statSync(log).size);
    await until(() => readFileSync(log, 'utf8').includes('STORAGE_FULL'), { what: 'the daemon to meet the full disk', timeoutMs: 40_000 });
    await until(isFull, { what: 'the log to grow no more', timeoutMs: 40_000, everyMs: 2_500 });
    expect(up.child.exitCode, up.said.stderr).toBeNull();

    disk.empty();
    expect(await finished(client, id, 60_000)).toMatchObject({ state: 'completed', completion: { retryCount: 1 } });
  });

  test('an agent is stopped while there still is room for everybody else', async () => {
    await using scene = await openScene({ max_output: '1GiB' });
    const { folder, workspace, disk, daemon } = scene;
    const started = join(folder, 'started');
    const flood: FakeStep = { repeat: { times: 1_000, steps: [{ hugeLine: 256 * 1024 }, { sleep: 50 }] } };
    daemon.follow({ runs: [[{ mark: started }, flood], work] });
    const client = await daemon.start();
    disk.fill(20 * mebibyte);
    const least = 12 * mebibyte;
    const retry = [{ reason: 'disk_full', backoffInitialMs: 1_500 }] as const;
    const { id } = await client.tasks.create(aTask(workspace, { limits: { minFreeDiskBytes: least }, retry }));
    const attempts = async () => (await client.tasks.get(id)).attempts;
    const ended = await until(async () => (await attempts()).find(({ failure }) => failure), {
      what: 'the attempt to end',
      timeoutMs: 60_000,
    });
    expect(disk.free, 'not early').toBeLessThan(least);
    expect(disk.free, 'not late').toBeGreaterThan(0);
    expect(ended).toMatchObject({ failure: { reason: 'disk_full' }, charged: false });

    disk.empty();
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({ state: 'completed', completion: { retriesByCause: { disk_full: 1 } } });
    await expectPromisesKept(client, task, daemon.state);
  });
});

const again = mayBeOwnRoot ? '' : ' (skipped: users may make no namespaces here)';
test.skipIf(mayMount || !mayBeOwnRoot)(`all of this, as root of a namespace of its own${again}`, { timeout: 300_000 }, async () => {
  const vitest = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
  const [file, ...args] = [...asOwnRoot, process.execPath, vitest, 'run', '--project', 'end to end', import.meta.filename];
  const { code, output } = await run(file, args);
  expect(code, output).toBe(0);
});

async function run(file: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(file, args, { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] });
  const output = await text(child.stdout);
  return { code: child.exitCode ?? (await once(child, 'exit'))[0], output };
}

async function untilWorking(client: Singletree, id: string, mark: string): Promise<void> {
  await until(() => existsSync(mark), { what: 'the agent to work', timeoutMs: 60_000 });
  await until(async () => (await client.tasks.get(id)).attempts[0]?.state === 'started', {
    what: 'the daemon to know of it',
    timeoutMs: 60_000,
  });
}
