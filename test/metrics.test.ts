import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { repository, startOtlpReceiver, temporaryFolder, until, type OtlpReceiver } from '@singletree/testing';
import { findAddress } from '@singletree/sdk';
import { describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const tasks = full ? 12 : 3;
const places = ['metrics.fold.before', 'metrics.fold.after', 'metrics.send.before', 'metrics.send.after'] as const;
/** One death each in full; else all of them, one after another. */
const lives: readonly (readonly string[])[] = full ? places.map((place) => [place]) : [places];
/** The value of a metric over all its series, as the receiver has it last. */
function total(receiver: OtlpReceiver, metric: string): number {
  return receiver
    .points()
    .filter((point) => point.metric === metric)
    .reduce((sum, { value }) => sum + value, 0);
}

async function metricsPage(daemon: TestDaemon): Promise<string> {
  const socketPath = findAddress({ state: daemon.state, env: {} }).slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    get({ socketPath, path: '/metrics' }, (response) => void text(response).then(resolve, reject)).on('error', reject);
  });
}

describe.concurrent('totals are exact, wherever the daemon dies', () => {
  test.each(lives.map((deaths) => ({ deaths })))('at $deaths', async ({ deaths }) => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
    const receiver = stack.use(await startOtlpReceiver());
    const daemon = stack.use(new TestDaemon({ folder }));
    daemon.follow([{ call: { input: 10, output: 5 } }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_TRACES_EXPORTER: 'none' };

    // Its only snapshot is the one at its start: what finishes then is left to be counted.
    const client = await daemon.start(environment);
    const created = Array.from({ length: tasks }, (_, index) => client.tasks.create(aTask(workspace, { title: `task ${index}` })));
    for (const { id } of await Promise.all(created)) await finished(client, id);
    await daemon.kill();
    const before = receiver.requests.length;

    for (const place of deaths) {
      daemon.launch({ ...environment, SINGLETREE_FAILPOINTS: `${place}=kill` });
      await until(() => daemon.hasEnded, { what: `the death at ${place}`, timeoutMs: 40_000 });
    }
    await daemon.start(environment);
    await until(() => receiver.requests.length > before && total(receiver, 'singletree.task.completions') > 0, {
      what: 'the totals',
      timeoutMs: 20_000,
    });
    expect(total(receiver, 'singletree.task.completions')).toBe(tasks);

    expect(total(receiver, 'singletree.task.usage.input_tokens')).toBe(10 * tasks);
    expect(total(receiver, 'singletree.task.usage.output_tokens')).toBe(5 * tasks);
    const points = receiver.points();
    expect(new Set(points.map(({ start }) => start)).size, 'one start for all').toBe(1);
    expect(points.every(({ cumulative }) => cumulative)).toBe(true);
    const [lasting] = points.filter(({ metric }) => metric === 'gen_ai.invoke_workflow.duration');
    expect(lasting).toMatchObject({ kind: 'histogram', unit: 's', count: tasks });
    expect(lasting!.buckets!.reduce((sum, count) => sum + count, 0)).toBe(tasks);
    expect(await metricsPage(daemon)).toMatch(
      new RegExp(`^singletree_task_completions_total\\{.*singletree_task_outcome="success".*\\} ${tasks}$`, 'm'),
    );
  });
});
