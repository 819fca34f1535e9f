import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Singletree, Task } from '@singletree/sdk';
import { repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { forgeEnding } from './support/forged.ts';
import { eventsOf, expectPromisesKept } from './support/promises.ts';

/** Tasks that can go on only once somebody has done something, and tasks that are done again. */
const stack = new AsyncDisposableStack();
let [folder, workspace] = ['', ''];
let daemon: TestDaemon;
let client: Singletree;

const harness = 'needs_login';
/** Where the login of a task's agent lies: its probe says that it is logged in once this is there. */
const login = (): string => join(folder, 'login');
const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const plugin = join(folder, 'needs-login.mjs');
  const fake = JSON.stringify(import.meta.resolve('@singletree/testing/fake-harness'));
  writeFileSync(
    plugin,
    `import { existsSync } from 'node:fs';
    import fake from ${fake};
    const refused = { status: 'unauthenticated', version: '1', message: 'nobody is logged in', hint: 'needs-login login' };
    const probe = async () => (existsSync(${JSON.stringify(login())}) ? { status: 'ready', version: '1' } : refused);
    export default { ...fake, harnessId: '${harness}', probe };`,
  );
  const script = join(folder, 'script.json');
  daemon = stack.use(
    new TestDaemon({
      folder,
      configuration: { concurrency: { total: 10, per_harness: { fake: 10 } }, harnesses: { [harness]: { plugin, options: { script } } } },
    }),
  );
  const prompts = [
    { match: '^# Task: failing\n', script: [{ result: { failed: true, reason: 'permission_denied', message: 'no' } }] as const },
    { match: '', script: [fix, { say: 'Done.' }] as const },
  ];
  daemon.follow({ prompts });
  client = await daemon.start();
});
afterAll(() => stack.disposeAsync());

const begin = async (more: Partial<CreateTask> = {}): Promise<string> => (await client.tasks.create(aTask(workspace, more))).id;
const blocked = (id: string): Promise<Task> =>
  until(
    async () => {
      const task = await client.tasks.get(id);
      return task.state === 'blocked' ? task : undefined;
    },
    { what: 'the task to be blocked', timeoutMs: 20_000 },
  );
const refusal = { reason: 'unauthenticated', message: 'nobody is logged in: needs-login login' };

describe('a task whose agent is not logged in', () => {
  test('fails with that once it has waited for as long as it may, also when its daemon died meanwhile', async () => {
    const id = await begin({ harness, limits: { blockedLimitMs: 3_000 } });
    const task = await blocked(id);
    expect(task).toMatchObject({ blocked: refusal, attempts: [{ state: 'revoked', charged: false }] });
    expect(task.blocked).not.toHaveProperty('until');
    expect(task.blocked?.failsAt?.getTime()).toBe((task.blocked?.since?.getTime() ?? 0) + 3_000);
    await daemon.kill();
    client = await daemon.start();
    const failed = await finished(client, id);
    expect(failed).toMatchObject({
      state: 'failed',
      failure: refusal,
      completion: { outcome: 'failure', attemptCount: 0, retryCount: 0 },
    });
    const { blockedDurationMs = 0, taskDurationMs = 0 } = failed.completion ?? {};
    expect(blockedDurationMs).toBeGreaterThanOrEqual(3_000);
    expect(taskDurationMs).toBeGreaterThanOrEqual(blockedDurationMs);
    await expectPromisesKept(client, failed, daemon.state);
  });

  test('keeps its place in the workspace, is blocked again where it is let go too early, and goes on after the login', async () => {
    const inPlace = await repository({ files: { 'a.txt': 'before\n' } });
    stack.use(inPlace);
    const where = { workspace: { path: inPlace.path, mode: 'in_place' } } as const;
    const id = await begin({ harness, ...where });
    await blocked(id);
    const other = await begin(where);
    await until(async () => (await client.tasks.get(other)).waiting?.waitingFor === 'workspace', { what: 'the other one to wait' });

    const early = await client.tasks.unblock(id, { requestId: 'early' });
    expect(early.state).toBe('created');
    await until(async () => (await client.tasks.get(id)).attempts.length === 2, { what: 'the next try', timeoutMs: 20_000 });
    await blocked(id);
    // The same request once more lets nobody go.
    expect(await client.tasks.unblock(id, { requestId: 'early' })).toMatchObject({ state: 'blocked' });

    writeFileSync(login(), '');
    await client.tasks.unblock(id);
    const task = await finished(client, id);
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [{ state: 'revoked' }, { state: 'revoked' }, { state: 'ended', charged: true }],
      completion: { outcome: 'success', attemptCount: 1, retryCount: 0 },
    });
    const edges = (await eventsOf(client, id)).flatMap((event) => (event.kind === 'state_changed' ? [event.stateChanged.edge] : []));
    expect(edges).toEqual(['assign', 'block', 'unblock', 'assign', 'block', 'unblock', 'assign', 'start', 'submit', 'accept']);
    await expectPromisesKept(client, task, daemon.state);
    expect(await finished(client, other)).toMatchObject({ state: 'completed' });
  });

  test('can be cancelled while it waits', async () => {
    const id = await begin({ title: 'failing', retry: [{ reason: 'permission_denied', retry: true }] });
    await until(async () => (await client.tasks.get(id)).waiting?.waitingFor === 'backoff', { what: 'the wait', timeoutMs: 20_000 });
    await expect(client.tasks.unblock(id)).rejects.toMatchObject({ reason: 'ILLEGAL_TRANSITION', message: /only a blocked task/ });
    await client.tasks.cancel(id);
    expect(await finished(client, id)).toMatchObject({ state: 'cancelled' });
  });
});

test('a task that is blocked in review comes back to review: its gate runs again, and there is no new attempt', async () => {
  const once = join(folder, 'at the gate');
  const gate = `grep -x after a.txt && { test -e '${once}' || { echo reached > '${once}'; sleep 300; sleep 301; }; }`;
  const id = await begin({ gates: [{ name: 'test', command: gate }] });
  await until(() => existsSync(once), { what: 'the gate to run', timeoutMs: 20_000 });
  await daemon.kill();
  const stop = { kind: 'disk_full', hardness: 'kill', by: 'shim', at: Date.now() };
  await forgeEnding(join(daemon.state, 'processes', id, '1', 'gate-0-1'), { signal: 'SIGKILL', stop });
  client = await daemon.start();
  const parked = await blocked(id);
  expect(parked).toMatchObject({ blocked: { reason: 'disk_full' }, gateResults: [], attempts: [{ state: 'ended' }] });
  expect(parked.blocked?.until?.getTime()).toBeGreaterThan(Date.now());

  await client.tasks.unblock(id);
  const task = await finished(client, id);
  expect(task).toMatchObject({
    state: 'completed',
    gateResults: [{ status: 'passed' }],
    completion: { outcome: 'success', attemptCount: 1, filesChanged: 1 },
  });
  const edges = (await eventsOf(client, id)).flatMap((event) => (event.kind === 'state_changed' ? [event.stateChanged.edge] : []));
  expect(edges).toEqual(['assign', 'start', 'submit', 'block', 'unblock', 'accept']);
  await expectPromisesKept(client, task, daemon.state);
});

describe('a task that is done again', () => {
  test('is a new one with the same content that names the old one, once for each request', async () => {
    const limits = { timeoutMs: 60_000, maxTurns: 7, stallMs: 90_000, blockedLimitMs: 5_000 };
    const gates = [{ name: 'test', command: 'true' }];
    const retry = [{ reason: 'permission_denied', retry: false, jitter: 0 }] as const;
    const old = await begin({ title: 'failing', labels: { team: 'a' }, limits, gates, retry, priority: 3 });
    await expect(client.tasks.rerun(old)).rejects.toMatchObject({ reason: 'ILLEGAL_TRANSITION', message: /only a finished task/ });
    expect(await finished(client, old)).toMatchObject({ state: 'failed', failure: { reason: 'permission_denied' } });

    const again = await client.tasks.rerun(old, { requestId: 'again' });
    expect(again).toMatchObject({ rerunOf: old, title: 'failing', labels: { team: 'a' }, gates, retry, priority: 3, attempts: [] });
    expect(again.limits).toMatchObject(limits);
    expect(again.id).not.toBe(old);
    expect(await client.tasks.rerun(old, { requestId: 'again' })).toMatchObject({ id: again.id });
    expect(await finished(client, again.id)).toMatchObject({ state: 'failed' });
    expect(await client.tasks.get(old)).not.toHaveProperty('rerunOf');
  });

  test('is refused where its workspace is gone', async () => {
    const lost = await repository({ files: { 'a.txt': 'before\n' } });
    const id = await begin({ workspace: lost.path });
    await finished(client, id);
    await lost[Symbol.asyncDispose]();
    expect(existsSync(lost.path)).toBe(false);
    await expect(client.tasks.rerun(id)).rejects.toMatchObject({ reason: 'WORKSPACE_NOT_FOUND' });
  });
});

test('a rule for a reason that is never tried again is refused, with those that have one', async () => {
  await expect(begin({ retry: [{ reason: 'timeout', retry: true }] })).rejects.toMatchObject({
    reason: 'INVALID_RETRY_RULE',
    message: 'a task is never tried again for the reason "timeout"',
    hint: expect.stringMatching(/^reasons with a rule: unauthenticated, .*lost, unsupervised$/) as string,
  });
  const twice = { reason: 'lost', maxRetries: 1 } as const;
  await expect(begin({ retry: [twice, twice] })).rejects.toMatchObject({ reason: 'INVALID_RETRY_RULE' });
  await expect(begin({ retry: [{ reason: 'lost', backoffFactor: 11 }] })).rejects.toMatchObject({ reason: 'INVALID_RETRY_RULE' });
});
