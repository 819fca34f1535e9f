import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TaskService } from '@singletree/protocol';
import { findAddress, type ModelCall, type TaskEvent } from '@singletree/sdk';
import { randomFrom, repository, seededUsage, seedOf, temporaryFolder, until, type FakeScript, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { claudeCode, claudeProcessOf, claudeScene, claudeTask, endless, reached, servedTokens, toldTokens } from './support/claude.ts';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { GrpcClient } from './support/grpc.ts';
import { differences, ledgerOf } from './support/ledger.ts';
import { eventsOf, expectPromisesKept } from './support/promises.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';

/** What a task says of its model calls, while it runs and afterwards, however it ended. */

const corrections = (events: readonly TaskEvent[]) =>
  events.flatMap((event) => (event.kind === 'usage_corrected' ? [event.usageCorrected] : []));
const outline = (calls: readonly ModelCall[]) =>
  calls.map(({ attempt, subagentId, usage, provisional }) => [
    attempt,
    subagentId ?? 'main',
    usage?.uncachedInputTokens,
    usage?.outputTokens,
    usage?.provenance,
    provisional,
  ]);

async function scene(script: FakeScript) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow(script);
  const file = (name: string): string => join(folder, name);
  return { daemon, repo, file, stack, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe.concurrent('the usage ledger', () => {
  test('is there while the task runs, page by page, and adds up to what the task says at its end', async () => {
    await using folder = await temporaryFolder();
    const [reachedFile, go] = [join(folder.path, 'reached'), join(folder.path, 'go')];
    await using at = await scene({
      start: [
        { call: { input: 10, output: 5, costUsd: 0.01, model: 'm' } },
        { subagentStarted: { id: 's1' } },
        { call: { input: 20, output: 6, costUsd: 0.02, model: 'n', thread: 's1' } },
        { call: { usage: 'missing', model: 'm' } },
        { mark: reachedFile },
        { waitFor: go },
        { call: { input: 30, output: 7, costUsd: 0.03, model: 'm' } },
        { say: 'Done.' },
      ],
      resume: [{ call: { input: 40, output: 8, costUsd: 0.04, model: 'm' } }, { write: { path: 'a.txt', content: 'after\n' } }],
    });
    const client = await at.daemon.start();
    const gates = [{ name: 'test', command: 'grep after a.txt' }];
    const { id } = await client.tasks.create(aTask(at.repo.path, { gates }));
    const first = [
      [1, 'main', 10, 5, 'reported', false],
      [1, 's1', 20, 6, 'reported', false],
      [1, 'main', undefined, undefined, 'missing', true],
    ];
    await until(async () => existsSync(reachedFile) && (await ledgerOf(client, id)).length === 3, {
      what: 'three calls in the ledger',
      timeoutMs: 40_000,
    });
    const running = await client.tasks.get(id);
    expect(outline(await ledgerOf(client, id))).toEqual(first);
    expect(running).toMatchObject({ tokensPerTask: 41, turnsPerTask: 2, turnsLowerBound: true });

    using grpc = new GrpcClient(findAddress({ state: at.daemon.state }));
    const { listModelCalls } = TaskService.method;
    const page = await grpc.call(listModelCalls, { taskId: id.slice(0, 18), pageSize: 2 });
    expect(page.calls.map(({ callId }) => callId)).toHaveLength(2);
    const rest = await grpc.call(listModelCalls, { taskId: id, pageSize: 2, pageToken: page.nextPageToken });
    expect(rest).toMatchObject({ calls: [{ provisional: true }], nextPageToken: '' });
    for (const wrong of [{ pageToken: page.nextPageToken, attempt: 1 }, { pageToken: 'x' }])
      await expect(grpc.call(listModelCalls, { taskId: id, ...wrong })).rejects.toMatchObject({
        message: expect.stringContaining('page_token'),
      });

    writeFileSync(go, '');
    const task = await finished(client, id);
    const ledger = await ledgerOf(client, id);
    expect(outline(ledger)).toEqual([...first, [1, 'main', 30, 7, 'reported', false], [2, 'main', 40, 8, 'reported', false]]);
    expect(differences(task, ledger)).toEqual([]);
    const attempt: ModelCall[] = [];
    for await (const call of client.tasks.modelCalls(id, { attempt: 2 })) attempt.push(call);
    expect(attempt).toEqual(ledger.slice(-1));
    expect(task).toMatchObject({
      tokensPerTask: 126,
      costPerTaskUsdMicros: 100_000,
      costLowerBound: true,
      completion: { tokensPerTask: 126, turnsPerTask: 4, actualCostUsdMicros: 100_000, costSource: 'harness', costLowerBound: true },
      attempts: [
        {
          usageByModel: [
            { model: 'm', usage: { outputTokens: 12 } },
            { model: 'n', usage: { outputTokens: 6 }, costUsdMicros: 20_000 },
          ],
          costLowerBound: true,
        },
        { usage: { lowerBound: false }, costLowerBound: false, contextCompactions: 0 },
      ],
    });
    for (const { at: time } of ledger) expect(time?.getTime()).toBeGreaterThanOrEqual(task.createdAt.getTime() - 1_000);
    expect(corrections(await eventsOf(client, id))).toEqual([]);
  });

  test('knows the calls of an agent that was killed while no daemon was there, and the correction is told', async () => {
    await using folder = await temporaryFolder();
    const reachedFile = join(folder.path, 'reached');
    await using at = await scene({
      runs: [
        [
          { call: { input: 10, output: 5, cacheWrite: 100, costUsd: 0.01 } },
          { call: { input: 20, output: 6, costUsd: 0.02, told: false } },
          { mark: reachedFile },
          { hang: true },
        ],
        [{ call: { input: 30, output: 7, costUsd: 0.03 } }, { say: 'Done.' }],
      ],
    });
    const client = await at.daemon.start();
    const { id } = await client.tasks.create(aTask(at.repo.path));
    await until(() => existsSync(reachedFile), { what: 'the agent to hang', timeoutMs: 40_000 });
    await at.daemon.kill();
    process.kill(Number(readFileSync(reachedFile, 'utf8')), 'SIGKILL');
    const again = await at.daemon.start();
    const task = await finished(again, id);

    expect(task).toMatchObject({
      state: 'completed',
      tokensPerTask: 178,
      completion: { actualCostUsdMicros: 60_000, costLowerBound: false },
    });
    expect(outline(await ledgerOf(again, id))).toEqual([
      [1, 'main', 10, 5, 'reported', false],
      [1, 'main', 20, 6, 'recovered', false],
      [2, 'main', 30, 7, 'reported', false],
    ]);
    expect(corrections(await eventsOf(again, id))).toMatchObject([
      {
        told: { uncachedInputTokens: 10, cacheWriteInputTokens: 100, outputTokens: 5, lowerBound: true },
        corrected: { uncachedInputTokens: 30, cacheWriteInputTokens: 100, outputTokens: 11, lowerBound: false, provenance: 'recovered' },
        callsTold: 1,
        callsFound: 2,
      },
    ]);
    await expectPromisesKept(again, task, at.daemon.state);
  });
});

// In the short form other tests of Claude Code look at the sums of its ledger.
describe.runIf(full)('of the real Claude Code', () => {
  beforeAll(async () => void (await claudeCode()), 600_000);

  test('is what the model has served, though the CLI was killed in the middle of a tool and goes on in its session', async () => {
    const random = randomFrom(seedOf('the ledger of Claude Code'));
    const steps: Step[] = [
      { text: 'I look.', tools: [{ name: 'Read', input: { file_path: 'a.txt' } }] },
      { text: 'This takes long.', tools: [endless('one')] },
      { text: 'I edit.', tools: [{ name: 'Edit', input: { file_path: 'a.txt', old_string: 'before', new_string: 'after' } }] },
      { text: 'Done.' },
    ];
    const usage = seededUsage(Math.floor(random() * 2 ** 32), steps.length, {});
    await using at = await claudeScene(steps.map((step, index) => ({ ...step, usage: usage[index]! })));
    const client = await at.daemon.start();
    const { id } = await client.tasks.create(claudeTask(at, { gates: [{ name: 'test', command: 'grep -x after a.txt' }] }));
    await reached(at, 'one');
    process.kill(claudeProcessOf(id)?.pid ?? Number.NaN, 'SIGKILL');
    const task = await finished(client, id, 60_000);
    expect(task, task.failure?.message).toMatchObject({
      state: 'completed',
      attempts: [{ usage: { provenance: 'recovered', lowerBound: false } }, {}],
    });
    expect(toldTokens(task)).toEqual(servedTokens(at.models));
    const ledger = await ledgerOf(client, id);
    expect(differences(task, ledger)).toEqual([]);
    const named = ledger.filter(({ callId }) => callId !== undefined);
    expect(named.map(({ attempt }) => attempt)).toEqual([1, 1, 2, 2]);
    // In the order in which they were served, each with the prompt that it had.
    const prompts = at.models.served.map((served) => [
      served.usage.input_tokens,
      served.usage.cache_read_input_tokens ?? 0,
      served.usage.cache_creation_input_tokens ?? 0,
    ]);
    expect(
      named.map((call) => [call.usage?.uncachedInputTokens, call.usage?.cacheReadInputTokens, call.usage?.cacheWriteInputTokens]),
    ).toEqual(prompts);
    const [corrected, ...others] = corrections(await eventsOf(client, id));
    expect(others).toEqual([]);
    expect(corrected).toMatchObject({ told: { lowerBound: true }, corrected: { lowerBound: false, provenance: 'recovered' } });
  });
});
