import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as open } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { TaskService } from '@singletree/protocol';
import { findAddress, type Task } from '@singletree/sdk';
import { repository, temporaryFolder, until } from '@singletree/testing';
import { describe, expect, test, vi } from 'vitest';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { wantTasks } from '../support/faults-load.ts';
import { errorInfosOf, GrpcClient } from '../support/grpc.ts';
import { eventsOf, expectPromisesKept } from '../support/promises.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const { createTask, listTasks } = TaskService.method;
const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;

async function openScene() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const daemon = stack.use(new TestDaemon({ folder }));
  const files = { started: join(folder, 'started'), go: join(folder, 'go'), done: join(folder, 'done') };
  const { started, go, done } = files;
  daemon.follow([{ mark: started }, { waitFor: go }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }, { mark: done }]);
  /** Two tasks whose agents are at work and known to be. */
  const work = async (): Promise<Task[]> => {
    const tasks = await Promise.all([1, 2].map(() => daemon.client().tasks.create(aTask(workspace))));
    const isStarted = async (id: string) => (await daemon.client().tasks.get(id)).attempts[0]?.state === 'started';
    for (const { id } of tasks) await until(() => isStarted(id), { what: 'the daemon to know of an agent', timeoutMs: 60_000 });
    await until(() => linesIn(started) === 2, { what: 'both agents to work', timeoutMs: 60_000 });
    return tasks;
  };
  const kept = stack.move();
  const dispose = () => kept.disposeAsync();
  return { ...files, workspace, daemon, work, [Symbol.asyncDispose]: dispose };
}

async function expectDone(daemon: TestDaemon, tasks: readonly { readonly id: string }[]): Promise<void> {
  for (const { id } of tasks) {
    const task = await finished(daemon.client(), id, 60_000);
    expect(task, task.failure?.message).toMatchObject({ state: 'completed', completion: { retryCount: 0 } });
    await expectPromisesKept(daemon.client(), task, daemon.state);
  }
}

describe.skipIf(!hasPrlimit).concurrent(`a lack of descriptors${hasPrlimit ? '' : ' (skipped: there is no prlimit here)'}`, () => {
  test('for a while, in which nothing at all can be opened: nobody is taken for gone, and all goes on by itself', async () => {
    await using scene = await openScene();
    const { daemon, workspace, go, done } = scene;
    await daemon.start();
    const tasks = await scene.work();
    using grpc = new GrpcClient(findAddress({ state: daemon.state, env: {} }));
    await grpc.call(listTasks, {});
    const watched = eventsOf(daemon.client(), tasks[0]?.id ?? '');

    // Of three descriptors all are taken: standard input and output.
    const { soft, hard } = limitOf(daemon.pid);
    setLimit(daemon.pid, `3:${hard}`);
    const asked = wantTasks(daemon.state, workspace, ({ acknowledged }) => acknowledged.length === 1);
    const refusal = grpc.call(createTask, { instructions: 'Do it.', workspace: { path: workspace } });
    await expect(refusal).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await refusal.catch(errorInfosOf)).toMatchObject([{ reason: 'MACHINE_EXHAUSTED', metadata: { code: 'EMFILE' } }]);
    writeFileSync(go, '');
    await until(() => linesIn(done) === 2, { what: 'both agents to end meanwhile', timeoutMs: 60_000 });
    await until(() => daemon.log.includes('a task could not be driven on'), { what: 'the daemon to meet its lack', timeoutMs: 60_000 });
    expect((await grpc.call(listTasks, {})).tasks, 'reads go on').toHaveLength(2);

    setLimit(daemon.pid, `${soft}:${hard}`);
    const { acknowledged } = await asked;
    await expectDone(daemon, [...tasks, ...acknowledged.map((id) => ({ id }))]);
    expect((await watched).at(-1)?.kind, 'a stream that was open goes on').toBe('completed');
    expect(daemon.hasEnded).toBe(false);
  });

  test('of a shim: its limits hold again as soon as it has some', async () => {
    await using scene = await openScene();
    const { daemon, workspace, started } = scene;
    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(workspace, { limits: { timeoutMs: 4_000 } }));
    await until(() => linesIn(started) === 1, { what: 'the agent to work', timeoutMs: 60_000 });
    const { pid } = JSON.parse(readFileSync(join(daemon.state, 'processes', id, '1', 'harness-0-1', 'owner'), 'utf8'));
    const { soft, hard } = limitOf(pid);
    setLimit(pid, `3:${hard}`);
    const log = join(daemon.state, 'processes', id, '1', 'harness-0-1', 'shim.log');
    await until(() => readFileSync(log, 'utf8').includes('EMFILE'), { what: 'the shim to meet its lack', timeoutMs: 60_000 });
    setLimit(pid, `${soft}:${hard}`);

    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({ state: 'failed', failure: { reason: 'timeout' } });
    await expectPromisesKept(client, task, daemon.state);
  });

  test('because of too many connections: calls fail or wait, what runs is kept, and nothing is left of it when they are gone', async () => {
    await using scene = await openScene();
    const { daemon, workspace, go, done } = scene;
    await daemon.start({}, ['prlimit', '--nofile=64:64']);
    const idle = openIn(daemon.pid);
    const tasks = await scene.work();

    const socket = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
    const crowd = Array.from({ length: 200 }, () => open(socket).on('error', () => undefined));
    const asked = wantTasks(daemon.state, workspace, ({ acknowledged }) => acknowledged.length === 3);
    await until(() => openIn(daemon.pid) >= 60, { what: 'the crowd to be in', timeoutMs: 60_000 });
    writeFileSync(go, '');
    await until(() => linesIn(done) === 2, { what: 'both agents to end meanwhile', timeoutMs: 60_000 });
    for (const one of crowd) one.destroy();
    const { acknowledged, refusals } = await asked;
    for (const { code, reason } of refusals) if (reason !== undefined) expect(code).toBe('ResourceExhausted');
    await expectDone(daemon, [...tasks, ...acknowledged.map((id) => ({ id }))]);
    // Beside the one through which Node watches folders, which it keeps.
    await until(() => openIn(daemon.pid) <= idle + 1, { what: 'what the crowd had used to be given back' });
    expect(daemon.hasEnded).toBe(false);
  });
});

function linesIn(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').length : 0;
}

/** Descriptors of a process that are in use. */
function openIn(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function limitOf(pid: number): { soft: string; hard: string } {
  const [soft = '', hard = ''] = execFileSync('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '--output', 'SOFT,HARD'])
    .toString()
    .trim()
    .split(/\s+/);
  return { soft, hard };
}

function setLimit(pid: number, limit: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}`]);
}
