import type { Singletree, Task } from '@singletree/sdk';
import { until, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { servedTokens, toldTokens } from './support/codex.ts';
import { finished } from './support/daemon.ts';
import { bash, edit, fetchOpenCode, gate, openCodeScene, openCodeTask, withUsage, type OpenCodeScene } from './support/opencode.ts';
import { eventsOf, expectPromisesKept } from './support/promises.ts';

/** What goes wrong between the real OpenCode and its model: got over, given up, or ended by a limit. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const limit = 300_000;
const read = bash('cat a.txt');
/** OpenCode does as it is told, instead of 2, 4, 8, 16 and 30 s. */
const soon = { 'retry-after-ms': '50' };

async function run(scene: OpenCodeScene, more: Parameters<typeof openCodeTask>[1] = {}): Promise<{ client: Singletree; task: Task }> {
  const client = await scene.daemon.start();
  const { id } = await client.tasks.create(openCodeTask(scene, more));
  return { client, task: await finished(client, id, limit - 30_000) };
}

describe.runIf(full).concurrent('what goes wrong with the model of OpenCode', () => {
  beforeAll(fetchOpenCode, 300_000);

  test.each<[string, Step, object]>([
    ['500', { status: 500, headers: soon }, { lowerBound: false }],
    ['529', { status: 529, headers: soon }, { lowerBound: false }],
    ['429', { status: 429, headers: soon }, { lowerBound: false }],
    ['a stream that is cut', { text: 'half', cut: 'mid' }, { lowerBound: true }],
    ['a stream that falls silent', { text: 'half', hang: 'mid' }, { lowerBound: true }],
  ])(
    'is got over once, and told: %s',
    async (_, fault, usage) => {
      const own = { provider: { scripted: { options: { chunkTimeout: 3_000 } } } };
      await using scene = await openCodeScene(withUsage([read, fault, edit('before', 'after'), { text: 'Done.' }]), { own });
      const { client, task } = await run(scene, { gates: [gate('after')] });
      expect(task).toMatchObject({ state: 'completed', completion: { retryCount: 0, turnsPerTask: 3, usage } });
      expect(toldTokens(task)).toEqual(servedTokens(scene.models));
      expect((await eventsOf(client, task.id)).filter(({ kind }) => kind === 'model_retried')).toHaveLength(1);
      await expectPromisesKept(client, task, scene.daemon.state);
    },
    limit,
  );

  test.each<[string, Step, string]>([
    ['500', { status: 500, headers: soon }, 'transient_api_error'],
    ['429', { status: 429, headers: soon }, 'rate_limited'],
    ['402', { status: 402 }, 'quota_exhausted'],
    ['a stream that is always cut', { text: 'half', cut: 'mid' }, 'transient_api_error'],
    ['400', { status: 400 }, 'harness_failed'],
  ])(
    'is given up in the end: %s',
    async (_, fault, reason) => {
      const configuration = reason === 'harness_failed' ? {} : { retry: { [reason]: { retry: false } } };
      await using scene = await openCodeScene(withUsage([read, { ...fault, times: 'always' }]), { configuration });
      const { client, task } = await run(scene, { limits: { maxAttempts: 1 } });
      expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason } } });
      expect(toldTokens(task)).toEqual(servedTokens(scene.models));
      await expectPromisesKept(client, task, scene.daemon.state);
    },
    limit,
  );

  test(
    'blocks the task where the key is refused, and what was used before it is kept',
    async () => {
      await using scene = await openCodeScene(withUsage([read, { status: 401, times: 'always' }]));
      const client = await scene.daemon.start();
      const { id } = await client.tasks.create(openCodeTask(scene));
      const blocked = await until(
        async () => {
          const task = await client.tasks.get(id);
          return task.state === 'blocked' ? task : undefined;
        },
        { what: 'the task to be blocked', timeoutMs: limit - 60_000 },
      );
      expect(blocked.blocked).toMatchObject({ reason: 'unauthenticated' });
      await client.tasks.cancel(id);
      const task = await finished(client, id);
      expect(toldTokens(task)).toEqual(servedTokens(scene.models));
      await expectPromisesKept(client, task, scene.daemon.state);
    },
    limit,
  );

  test.each<[string, Step, boolean]>([
    ['before the first byte of an answer', { text: 'never', hang: 'before', times: 'always' }, true],
    ['in the middle of an answer', { text: 'half', hang: 'mid', times: 'always' }, true],
  ])(
    'is ended by the limits where it hangs %s',
    async (_, hang, lowerBound) => {
      await using scene = await openCodeScene(withUsage([read, hang]), { configuration: { retry: { stalled: { retry: false } } } });
      // Its start alone may take that long on a loaded machine.
      const { client, task } = await run(scene, { limits: { stallMs: 25_000 } });
      expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason: 'stalled' }, usage: { lowerBound } } });
      expect(toldTokens(task)).toEqual(servedTokens(scene.models));
      await expectPromisesKept(client, task, scene.daemon.state);
    },
    limit,
  );

  test(
    'a context that grows too long is compacted: a call, but no turn and no context',
    async () => {
      const at = (prompt: number, output = 9): Step['usage'] => ({ input_tokens: prompt, output_tokens: output });
      const steps: Step[] = [
        { ...bash('cat a.txt'), usage: at(12_000)! },
        { ...bash('cat a.txt'), usage: at(18_500)! },
        { requests: 'side', text: 'SUMMARY', usage: at(19_100, 77)! },
        { ...edit('before', 'after'), usage: at(3_000)! },
        { text: 'Done.', usage: at(2_500)! },
      ];
      await using scene = await openCodeScene(steps, { options: { context_window: 20_000, max_output: 2_000 } });
      const { client, task } = await run(scene, { gates: [gate('after')] });
      expect(task).toMatchObject({
        state: 'completed',
        completion: { turnsPerTask: 4, contextCompactions: 1, summary: 'Done.', usage: { lowerBound: false } },
      });
      expect(task.completion?.contextUtilizationPeak).toBeCloseTo(18_500 / 20_000, 9);
      expect(task.completion?.contextUtilizationFinal).toBeCloseTo(2_500 / 20_000, 9);
      expect(toldTokens(task)).toEqual(servedTokens(scene.models));
      const calls = [];
      for await (const call of client.tasks.modelCalls(task.id)) calls.push(call);
      expect(calls.map(({ compaction }) => compaction)).toEqual([false, false, true, false, false]);
      await expectPromisesKept(client, task, scene.daemon.state);
    },
    limit,
  );
});
