import { spawn } from 'node:child_process';
import { hash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processesWithMarker, repository, temporaryFolder, until, type FakeScript } from '@singletree/testing';
import type { CreateTask, Singletree } from '@singletree/sdk';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { expectPromisesKept } from './support/promises.ts';

/** The shim of the file protocol's version 1, as it was. */
const shimOfProtocol1 = fileURLToPath(new URL('../packages/core/fixtures/protocol-1/shim.ts', import.meta.url));

describe.concurrent('an agent that the version before had started', () => {
  test('is adopted: same attempt, one completion, and the gates run under shims of today', async () => {
    await using scene = await upgraded({ gates: [{ name: 'test', command: 'grep after a.txt' }] });
    const task = await scene.finish();
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', retryCount: 0, actualInputTokens: 30 } });
    expect(task.attempts).toMatchObject([{ state: 'ended', exitCode: 0 }]);
    expect(scene.exitOf('harness-0-1')).toMatchObject({ protocol: 1, code: 0 });
    expect(scene.exitOf('gate-0-1')).toMatchObject({ protocol: 2, code: 0 });
    await expectPromisesKept(scene.client, task, scene.daemon.state);
  });

  test.each(['cancel', 'terminate'] as const)('hears a %s', async (stop) => {
    await using scene = await upgraded();
    await scene.client.tasks[stop](scene.id, { by: 'test', why: 'enough' });
    const task = await finished(scene.client, scene.id);
    expect(task).toMatchObject({ state: 'cancelled', attempts: [{ stoppedBy: { kind: stop } }] });
    expect(scene.exitOf('harness-0-1')).toMatchObject({ protocol: 1, stop: { kind: stop, by: 'test' } });
    await expectPromisesKept(scene.client, task, scene.daemon.state);
  });

  test('whose shim dies is lost, and tried again under one of today', async () => {
    await using scene = await upgraded();
    process.kill(scene.shim, 'SIGKILL');
    // Else the agent may come to its end before it is swept: then its work would be kept.
    await until(async () => (await scene.client.tasks.get(scene.id)).attempts.length === 2, { what: 'another attempt', timeoutMs: 20_000 });
    const task = await scene.finish();
    expect(task).toMatchObject({ state: 'completed', attempts: [{ state: 'lost', charged: false }, { state: 'ended' }] });
    expect(scene.exitOf('harness-0-1', 2)).toMatchObject({ protocol: 2, code: 0 });
    await expectPromisesKept(scene.client, task, scene.daemon.state);
  });

  test('for a task that nobody knows is ended', async () => {
    await using scene = await upgraded();
    const exit = join(scene.stray.directory, 'exit.json');
    await until(() => existsSync(exit), { what: 'the stray agent to be ended' });
    expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({ protocol: 1, stop: { kind: 'kill', by: 'settle' }, survivors: [] });
    await until(() => processesWithMarker(scene.stray.task).length === 0, { what: 'its last process to be gone' });
    await scene.finish();
  });
});

const script = (reached: string, go: string): FakeScript => [
  { call: { input: 10, output: 5 } },
  { mark: reached },
  { waitFor: go },
  { write: { path: 'a.txt', content: 'after\n' } },
  { call: { input: 20, output: 7 } },
  { say: 'Done.' },
];

/**
 * A machine in the middle of an upgrade. The daemon has committed the start of an agent and dies before it starts its shim; the directory is then
 * made what the version before would have left there, with the shim of then at work. Beside it runs a stray one, of a task that is in no store. Then
 * the daemon of today is started.
 */
async function upgraded(more: Partial<CreateTask> = {}): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder: folder.path }));
  const [reached, go] = [join(folder.path, 'reached'), join(folder.path, 'go')];
  daemon.follow(script(reached, go));

  const before = await daemon.start({ SINGLETREE_FAILPOINTS: 'supervision.spawn.before=kill' });
  const { id } = await before.tasks.create(aTask(repo.path, more));
  await daemon.ended();

  const processes = join(daemon.state, 'processes');
  const own = join(processes, id, '1', 'harness-0-1');
  const task = randomUUID();
  const stray = { task, directory: join(processes, task, '1', 'harness-0-1') };
  cpSync(own, stray.directory, { recursive: true });
  const marker = asProtocol1(own, (spec) => spec);
  asProtocol1(stray.directory, (spec) => ({
    ...spec,
    id: marker.replace(id, task),
    file: '/bin/sh',
    args: ['-c', 'trap "" INT TERM; sleep 300'],
  }));
  const [shim] = await Promise.all([startShimOfProtocol1(own), startShimOfProtocol1(stray.directory)]);
  await until(() => existsSync(reached), { what: 'the agent to work' });

  const client = await daemon.start();
  const rest = stack.move();
  return {
    daemon,
    client,
    id,
    shim,
    stray,
    async finish() {
      await until(async () => (await client.tasks.get(id)).attempts[0]?.startedAt !== undefined, { what: 'the agent to be adopted' });
      writeFileSync(go, '');
      return await finished(client, id);
    },
    exitOf: (name, attempt = 1) => JSON.parse(readFileSync(join(processes, id, String(attempt), name, 'exit.json'), 'utf8')) as unknown,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

interface Scene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly client: Singletree;
  readonly id: string;
  /** Pid of the old shim of the task's agent. */
  readonly shim: number;
  readonly stray: { readonly task: string; readonly directory: string };
  finish(): ReturnType<typeof finished>;
  exitOf(name: string, attempt?: number): unknown;
}

/** Rewrites a specification as the version before would have written it, and tells the marker in it. */
function asProtocol1(directory: string, change: (spec: Record<string, unknown>) => Record<string, unknown>): string {
  const path = join(directory, 'spec.json');
  const { killSwitch: _, limits, ...spec } = JSON.parse(readFileSync(path, 'utf8'));
  const { timeoutMs, outputBytes } = limits;
  const changed = change({ ...spec, protocol: 1, sandbox: 'none', limits: { timeoutMs, outputBytes } });
  writeFileSync(path, JSON.stringify(changed));
  return String(changed['id']);
}

/** As the daemon starts one, for a process without secrets. */
async function startShimOfProtocol1(directory: string): Promise<number> {
  const { id } = JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8'));
  const shim = spawn(process.execPath, [shimOfProtocol1, directory], {
    cwd: '/',
    env: { SINGLETREE_PROCESS: id },
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  shim.unref();
  const pipe = shim.stdio[3];
  if (!pipe || !('write' in pipe) || shim.pid === undefined) throw new Error('no shim');
  pipe.write(Buffer.concat([Buffer.alloc(4), hash('sha256', '', 'buffer')]));
  await until(() => existsSync(join(directory, 'run.json')), { what: `the shim of ${directory} to record its child` });
  pipe.destroy();
  return shim.pid;
}
