import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  CreateTaskRequestSchema,
  FailureReason,
  RetrySession,
  TaskEventSchema,
  TaskState,
  type CreateTaskRequest,
} from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { eventsOfTask, refusal, ScriptedDaemon, type Script } from '../test/scripted-daemon.ts';
import { connect } from './client.ts';
import { toJson } from './write.ts';
import { ConnectionLostError, NoDaemonError, SingletreeError, TaskBlockedError } from './errors.ts';

const something = { instructions: 'do it', workspace: '/src/shop' };

async function daemonAndClient(script: Script) {
  const daemon = await ScriptedDaemon.start(script);
  return { daemon, client: connect({ address: daemon.address }), [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

describe('create', () => {
  test('sends all that a task can say', async () => {
    const requests: CreateTaskRequest[] = [];
    await using scripted = await daemonAndClient({
      tasks: { createTask: (request) => (requests.push(request), { task: { id: 'a', state: TaskState.CREATED } }) },
    });
    const task = await scripted.client.tasks.create({
      title: 'Fix the rounding bug',
      instructions: 'price.js rounds half cents down',
      acceptanceCriteria: ['price.test.js passes'],
      context: [{ file: 'docs/invoicing.md' }, { text: 'Amounts are cents.' }],
      taskType: 'code_review',
      complexity: 'high',
      harness: 'claude_code',
      model: 'small',
      permissions: 'edits',
      workspace: { path: '/src/shop', mode: 'in_place' },
      setup: ['npm ci'],
      gates: [{ name: 'test', command: 'npm test', kind: 'test', required: false, timeoutMs: 120_000 }],
      limits: {
        timeoutMs: 1_500,
        maxOutputBytes: 2 ** 40,
        maxAttempts: 2,
        attemptTimeoutMs: 1_000,
        firstOutputMs: 2_000,
        stallMs: 3_000,
        maxTurns: 7,
        maxTokens: 2 ** 40,
        maxCostUsdMicros: 2_500_000,
        maxContextUtilization: 0.5,
        minFreeDiskBytes: 0,
        blockedLimitMs: 4_000,
      },
      retry: [
        { reason: 'stalled', retry: false },
        {
          reason: 'rate_limited',
          charged: true,
          session: 'fresh',
          backoffInitialMs: 500,
          backoffFactor: 1.5,
          backoffCapMs: 0,
          jitter: 0,
          maxRetries: 3,
        },
      ],
      labels: { team: 'billing' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=1',
      priority: -3,
      requestId: 'once',
    });
    expect(task).toMatchObject({ id: 'a', state: 'created' });
    expect(requests).toEqual([
      create(CreateTaskRequestSchema, {
        requestId: 'once',
        title: 'Fix the rounding bug',
        instructions: 'price.js rounds half cents down',
        acceptanceCriteria: ['price.test.js passes'],
        context: [{ source: { case: 'file', value: 'docs/invoicing.md' } }, { source: { case: 'text', value: 'Amounts are cents.' } }],
        taskType: 3,
        complexity: 3,
        harness: 'claude_code',
        model: 'small',
        permissions: 2,
        workspace: { path: '/src/shop', mode: 2 },
        setup: ['npm ci'],
        gates: [{ name: 'test', command: 'npm test', kind: 3, required: false, timeout: { seconds: 120n } }],
        limits: {
          timeout: { seconds: 1n, nanos: 500_000_000 },
          maxOutputBytes: 2n ** 40n,
          maxAttempts: 2,
          attemptTimeout: { seconds: 1n },
          firstOutput: { seconds: 2n },
          stall: { seconds: 3n },
          maxTurns: 7,
          maxTokens: 2n ** 40n,
          maxCostUsdMicros: 2_500_000n,
          maxContextUtilization: 0.5,
          minFreeDiskBytes: 0n,
          blockedLimit: { seconds: 4n },
        },
        retry: [
          { reason: FailureReason.STALLED, retry: false },
          {
            reason: FailureReason.RATE_LIMITED,
            charged: true,
            session: RetrySession.FRESH,
            backoffInitial: { nanos: 500_000_000 },
            backoffFactor: 1.5,
            backoffCap: {},
            jitter: 0,
            maxRetries: 3,
          },
        ],
        labels: { team: 'billing' },
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'vendor=1',
        priority: -3,
      }),
    ]);
  });

  test('leaves open what was not said, and takes a relative workspace from here', async () => {
    const requests: CreateTaskRequest[] = [];
    await using scripted = await daemonAndClient({
      tasks: { createTask: (request) => (requests.push(request), { task: { id: 'a' } }) },
    });
    await scripted.client.tasks.create({ instructions: 'x', workspace: 'packages' });
    const [request] = requests;
    expect(request?.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(request).toEqual(
      create(CreateTaskRequestSchema, {
        requestId: request?.requestId ?? '',
        instructions: 'x',
        workspace: { path: `${process.cwd()}/packages` },
      }),
    );
  });

  test('names the words that exist', async () => {
    const client = connect({ address: 'unix:/nowhere' });
    // @ts-expect-error there is no such type of task
    await expect(client.tasks.create({ ...something, taskType: 'bugfix' })).rejects.toThrow(
      'unknown task type "bugfix": it must be one of planning, implementation, code_review,',
    );
    // @ts-expect-error nor such a reason
    await expect(client.tasks.create({ ...something, retry: [{ reason: 'bored' }] })).rejects.toThrow('unknown failure reason "bored"');
  });

  test('a lost answer: the same request comes again, also from a daemon that is started again', async () => {
    const requestIds: string[] = [];
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: async ({ requestId }) => {
          requestIds.push(requestId);
          if (requestIds.length > 1) return { task: { id: 'a' } };
          await scripted.daemon.stop();
          setTimeout(() => void scripted.daemon.listen(script), 100);
          return {};
        },
      },
    });
    const script: Script = { tasks: { createTask: ({ requestId }) => (requestIds.push(requestId), { task: { id: 'b' } }) } };
    expect(await scripted.client.tasks.create(something)).toMatchObject({ id: 'b' });
    expect(requestIds).toHaveLength(2);
    expect(new Set(requestIds).size).toBe(1);
  });
});

describe('errors', () => {
  test('carry what the daemon says', async () => {
    await using scripted = await daemonAndClient({
      tasks: {
        cancelTask: () => {
          throw refusal(Code.FailedPrecondition, 'ILLEGAL_TRANSITION', 'task a is completed', {
            state: 'completed',
            hint: 'singletree get a',
          });
        },
      },
    });
    const error: unknown = await scripted.client.tasks.cancel('a').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SingletreeError);
    expect(JSON.parse(JSON.stringify({ error }))).toEqual({
      error: {
        code: 'failed_precondition',
        reason: 'ILLEGAL_TRANSITION',
        message: 'task a is completed',
        hint: 'singletree get a',
        metadata: { state: 'completed' },
      },
    });
  });

  test('an error of the daemon without a reason is no lost connection', async () => {
    let calls = 0;
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: () => {
          calls += 1;
          throw new ConnectError('broken', Code.Internal);
        },
      },
    });
    await expect(scripted.client.tasks.create(something)).rejects.toMatchObject({
      code: 'internal',
      reason: 'INTERNAL',
      message: 'broken',
    });
    expect(calls).toBe(1);
  });

  test('nobody there, and somebody who goes away, are told apart', async () => {
    await using scripted = await daemonAndClient({
      tasks: { getTask: () => (scripted.daemon.cut(), sleep(60_000, {}, { ref: false })) },
    });
    await expect(scripted.client.tasks.get('a')).rejects.toBeInstanceOf(ConnectionLostError);
    await scripted.daemon.stop();
    await expect(scripted.client.tasks.get('a')).rejects.toMatchObject({
      name: 'NoDaemonError',
      reason: 'NO_DAEMON',
      hint: 'singletree up --detach',
    });
    await expect(connect({ state: '/nowhere' }).daemon.status()).rejects.toBeInstanceOf(NoDaemonError);
  });
});

test('terminate, unblock and rerun say what they were told, once', async () => {
  const asked: unknown[] = [];
  const answer = (verb: string) => (request: object) => {
    const { $typeName: _, ...fields } = request as Record<string, unknown>;
    asked.push([verb, fields]);
    return { task: { id: 'b', state: TaskState.CREATED, rerunOf: 'a' } };
  };
  await using scripted = await daemonAndClient({
    tasks: { terminateTask: answer('terminate'), unblockTask: answer('unblock'), rerunTask: answer('rerun') },
  });
  const { tasks } = scripted.client;
  expect(await tasks.terminate('a', { by: 'ada', why: 'enough', requestId: '1' })).toMatchObject({ id: 'b', state: 'created' });
  await tasks.unblock('a', { requestId: '2' });
  expect(await tasks.rerun('a')).toMatchObject({ rerunOf: 'a' });
  expect(asked).toEqual([
    ['terminate', { taskId: 'a', by: 'ada', why: 'enough', requestId: '1' }],
    ['unblock', { taskId: 'a', requestId: '2' }],
    ['rerun', { taskId: 'a', requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) }],
  ]);
});

test('list goes through all pages', async () => {
  const tokens: string[] = [];
  await using scripted = await daemonAndClient({
    tasks: {
      listTasks: ({ pageToken, pageSize, states }) => {
        tokens.push(pageToken);
        expect({ pageSize, states }).toEqual({ pageSize: 2, states: [TaskState.CREATED, TaskState.IN_REVIEW] });
        if (pageToken === '') return { tasks: [{ id: 'd' }, { id: 'c' }], nextPageToken: 'two' };
        return pageToken === 'two' ? { tasks: [], nextPageToken: 'three' } : { tasks: [{ id: 'b' }] };
      },
    },
  });
  const ids: string[] = [];
  for await (const { id } of scripted.client.tasks.list({ pageSize: 2, states: ['created', 'in_review'] })) ids.push(id);
  expect(ids).toEqual(['d', 'c', 'b']);
  expect(tokens).toEqual(['', 'two', 'three']);
});

test('the usage ledger is read page by page, of a task or of one attempt', async () => {
  const asked: unknown[] = [];
  await using scripted = await daemonAndClient({
    tasks: {
      listModelCalls: ({ $typeName: _, ...request }) => {
        asked.push(request);
        if (request.pageToken === 'two') return { calls: [{ attempt: 1, callId: 'b', provisional: true }] };
        return { calls: [{ attempt: 1, callId: 'a', costUsdMicros: 7n, usage: { outputTokens: 3n } }], nextPageToken: 'two' };
      },
    },
  });
  const read: unknown[] = [];
  for await (const call of scripted.client.tasks.modelCalls('t', { attempt: 1, pageSize: 1 })) read.push(call);
  expect(read).toMatchObject([
    { callId: 'a', costUsdMicros: 7, usage: { outputTokens: 3 } },
    { callId: 'b', provisional: true },
  ]);
  const request = { taskId: 't', attempt: 1, pageSize: 1 };
  expect(asked).toEqual([
    { ...request, pageToken: '' },
    { ...request, pageToken: 'two' },
  ]);
});

describe('run', () => {
  const events = eventsOfTask(3);

  test('resolves with the completion event', async () => {
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: () => ({ task: { id: 'task' } }),
        async *watchTask() {
          yield { events };
        },
      },
    });
    const seen: string[] = [];
    const done = await scripted.client.tasks.run({
      ...something,
      onCreated: ({ id }) => void seen.push(id),
      onProgress: ({ sequence, kind }) => void seen.push(`${sequence} ${kind}`),
    });
    expect(done).toMatchObject({ taskId: 'task', outcome: 'success' });
    expect(seen).toEqual(['task', '1 warning', '2 warning', '3 completed']);
  });

  test('a blocked task is waited for, unless it shall throw', async () => {
    const block = create(TaskEventSchema, {
      sequence: 2n,
      kind: { case: 'stateChanged', value: { toState: TaskState.BLOCKED } },
    });
    const [first, , last] = events;
    let stillBlocked = true;
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: () => ({ task: { id: 'task' } }),
        getTask: () => ({
          task: stillBlocked
            ? {
                id: 'task',
                lastSequence: 2n,
                blocked: { reason: FailureReason.UNAUTHENTICATED, message: 'log in', until: { seconds: 60n } },
              }
            : { id: 'task', lastSequence: 3n },
        }),
        async *watchTask() {
          yield { events: [first!, block, last!] };
        },
      },
    });
    const { tasks } = scripted.client;
    expect(await tasks.run(something)).toMatchObject({ outcome: 'success' });
    const seen: number[] = [];
    const run = tasks.run({ ...something, whenBlocked: 'throw', onProgress: ({ sequence }) => void seen.push(sequence) });
    const error: unknown = await run.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TaskBlockedError);
    expect(error).toMatchObject({
      reason: 'TASK_BLOCKED',
      message: 'task task is blocked: log in',
      metadata: { blocked_reason: 'unauthenticated', until: '1970-01-01T00:01:00.000Z' },
      task: { blocked: { reason: 'unauthenticated' } },
    });
    expect(seen).toEqual([1, 2]);
    // It was blocked once, and is not any more: that is history.
    stillBlocked = false;
    expect(await tasks.run({ ...something, whenBlocked: 'throw' })).toMatchObject({ outcome: 'success' });
  });

  test('a block of the past is told and passed by; one that is only seen by a sign of life is noticed too', async () => {
    const change = (sequence: bigint, toState: TaskState) =>
      create(TaskEventSchema, { sequence, kind: { case: 'stateChanged', value: { toState } } });
    const [first] = events;
    const told = [first!, change(2n, TaskState.BLOCKED), change(3n, TaskState.CREATED), change(4n, TaskState.BLOCKED)];
    const task = (lastSequence: bigint) => ({ id: 'task', lastSequence, blocked: { reason: FailureReason.QUOTA_EXHAUSTED } });
    let last = 4n;
    await using scripted = await daemonAndClient({
      tasks: {
        getTask: () => ({ task: task(last) }),
        async *watchTask() {
          yield { events: told };
          yield { heartbeat: { state: TaskState.BLOCKED } };
        },
      },
    });
    const { tasks } = scripted.client;
    for (last of [4n, 5n]) {
      const seen: number[] = [];
      const watching = (async () => {
        for await (const { sequence } of tasks.watch('task', { whenBlocked: 'throw' })) seen.push(sequence);
      })();
      await expect(watching).rejects.toBeInstanceOf(TaskBlockedError);
      expect(seen).toEqual([1, 2, 3, 4]);
    }
  });

  test('an aborted run cancels its task and rejects with the reason', async () => {
    const cancelled: unknown[] = [];
    const abort = new AbortController();
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: () => ({ task: { id: 'task' } }),
        async *watchTask(_, { signal }) {
          yield { events: events.slice(0, 1) };
          await sleep(60_000, undefined, { signal, ref: false }).catch(() => {});
        },
        cancelTask: ({ taskId, why }) => (cancelled.push([taskId, why]), { task: { id: taskId } }),
      },
    });
    const run = scripted.client.tasks.run({ ...something, signal: abort.signal, onProgress: () => abort.abort(new Error('too late')) });
    await expect(run).rejects.toThrow('too late');
    expect(cancelled).toEqual([['task', 'the client aborted its run']]);
  });

  test('an abort before the task exists creates none; one that comes after its end changes nothing', async () => {
    let created = 0;
    const abort = new AbortController();
    await using scripted = await daemonAndClient({
      tasks: {
        createTask: () => ((created += 1), { task: { id: 'task' } }),
        async *watchTask() {
          yield { events: events.slice(0, 2) };
          await sleep(60_000, undefined, { ref: false });
        },
        cancelTask: () => {
          throw refusal(Code.FailedPrecondition, 'ILLEGAL_TRANSITION', 'task is completed');
        },
      },
    });
    const { tasks } = scripted.client;
    await expect(tasks.run({ ...something, signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never');
    expect(created).toBe(0);
    await expect(tasks.run({ ...something, signal: abort.signal, onProgress: () => abort.abort(new Error('late')) })).rejects.toThrow(
      'late',
    );
  });
});

test('harnesses and the daemon itself', async () => {
  const stopped: number[] = [];
  await using scripted = await daemonAndClient({
    harnesses: {
      listHarnesses: ({ refresh }) => ({ harnesses: [{ id: refresh ? 'probed' : 'known', status: 2, permissionModes: [1, 3] }] }),
    },
    daemon: {
      getStatus: () => ({ pid: 7, tasks: { in_progress: 2n }, telemetry: { undeliveredRows: 1n } }),
      stopDaemon: ({ mode }) => (stopped.push(mode), {}),
    },
  });
  const { harnesses, daemon } = scripted.client;
  expect(await harnesses.list({ refresh: true })).toMatchObject([{ id: 'probed', status: 'missing', permissionModes: ['all', 'read'] }]);
  expect(await daemon.status()).toMatchObject({ pid: 7, tasks: { in_progress: 2 }, telemetry: { undeliveredRows: 1 }, killSwitch: [] });
  await daemon.stop();
  await daemon.stop({ mode: 'kill' });
  expect(stopped).toEqual([1, 3]);
});

test('the kill switch', async () => {
  const asked: unknown[] = [];
  const thrown = { scope: 'harness=codex', by: 'ada', at: timestampFromMs(0) };
  await using scripted = await daemonAndClient({
    control: {
      engageKillSwitch: ({ scope, by, why }) => {
        asked.push([scope, by, why]);
        return { killSwitch: thrown, taskIds: ['a'], complete: false, survivors: [{ pid: 7, taskId: 'a' }] };
      },
      releaseKillSwitch: ({ scope }) => (asked.push(scope), { released: true }),
      listKillSwitches: () => ({ killSwitches: [thrown] }),
    },
  });
  const { killSwitch } = scripted.client;
  const engaged = await killSwitch.engage('harness=codex', { by: 'ada', why: 'enough' });
  expect(engaged).toMatchObject({ killSwitch: { scope: 'harness=codex', at: new Date(0) }, taskIds: ['a'], survivors: [{ pid: 7 }] });
  expect(toJson(engaged)).toMatchObject({ kill_switch: { scope: 'harness=codex' }, task_ids: ['a'], complete: false });
  expect(await killSwitch.list()).toMatchObject([{ by: 'ada' }]);
  expect(await killSwitch.release('harness=codex')).toMatchObject({ released: true, killSwitches: [] });
  expect(asked).toEqual([['harness=codex', 'ada', 'enough'], 'harness=codex']);
});

test('a program that has used a client ends by itself', async () => {
  await using scripted = await daemonAndClient({ daemon: { getStatus: () => ({ pid: 7 }) } });
  const program = `import { connect } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    console.log((await connect({ address: ${JSON.stringify(scripted.daemon.address)} }).daemon.status()).pid);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  expect(stdout.trim()).toBe('7');
});
