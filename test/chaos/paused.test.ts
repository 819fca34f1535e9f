import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Outcome, Singletree, TaskEvent } from '@singletree/sdk';
import { repository, startOtlpReceiver, temporaryFolder, until, type OtlpReceiver } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { httpReceiver } from '../../packages/core/src/outbox/receivers.testsuite.ts';
import { aTask, finished, TestDaemon, type DaemonFixture } from '../support/daemon.ts';
import { eventsOf } from '../support/promises.ts';

/**
 * The same tasks are run by a daemon without telemetry, and by one whose relay and exporter stop for ever in the middle of what they do. Nobody may
 * notice. That nothing on a task's path could wait for them is what ../../tools/task-path.test.ts shows of the sources.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const relayPlaces = ['freeze.before', 'freeze.after', 'send.before', 'send.after', 'delivered.before', 'delivered.after'];
const exporterPlaces = ['fold.before', 'fold.after', 'send.before', 'send.after', 'fold.before', 'send.before'];
/** Where the two are held, at the first time that they come there. */
const pauses = relayPlaces.map((place, index) => [`outbox.${place}`, `metrics.${exporterPlaces[index]}`] as const);
const reachLimitMs = 40_000;

/** They end in as many ways, each the same whenever it is tried. */
const kinds = [
  { outcome: 'success', wish: { setup: ['true'], gates: [{ name: 'test', command: 'grep after a.txt' }] } },
  { outcome: 'partial', wish: { gates: [{ name: 'test', command: 'false' }], limits: { maxAttempts: 2 } } },
  { outcome: 'failure', wish: { setup: ['false'] } },
] as const satisfies readonly { readonly outcome: Outcome; readonly wish: Partial<CreateTask> }[];

let expected: readonly string[][];
beforeAll(async () => {
  await using without = await openScene();
  expected = await commitsOf(without, await without.daemon.start());
}, 120_000);

describe('relay and exporter paused for ever', () => {
  test('at several destinations, one held before it sends, another that never answers', { timeout: 180_000 }, async () => {
    await using silent = await httpReceiver(() => 'silence');
    await using receiver = await startOtlpReceiver();
    const endpoint = `http://127.0.0.1:${silent.port}`;
    // Whichever of the two comes first is held, and the other gets no answer.
    const destinations = { second: { endpoint, timeout: '10m' } };
    await using scene = await openScene({ telemetry: { destinations } });
    const never = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: '600000' };
    await expectUnnoticed(scene, never, ['outbox.send.before', 'metrics.send.before'], 2);
    scene.daemon.configure({});
    await expectDelivered(scene, receiver);
  });

  test.runIf(full).each(pauses)('at %s and %s', { timeout: 180_000 }, async (...places) => {
    await using receiver = await startOtlpReceiver();
    await using scene = await openScene();
    await expectUnnoticed(scene, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, places, 1);
    await expectDelivered(scene, receiver);
  });
});

type Scene = Awaited<ReturnType<typeof openScene>>;

async function expectUnnoticed(
  { daemon, folder, workspace }: Scene,
  environment: Readonly<Record<string, string>>,
  places: readonly string[],
  destinations: number,
): Promise<void> {
  const held = places.map((place) => `${place}=hold:${folder}`).join(',');
  const client = await daemon.start({ ...environment, OTEL_METRIC_EXPORT_INTERVAL: '100', SINGLETREE_FAILPOINTS: held });
  // One before, so that both are held before those that count begin.
  await finished(client, (await client.tasks.create(aTask(workspace, kinds[0].wish))).id, 120_000);
  for (const place of places)
    await until(() => existsSync(join(folder, `${place}.hit`)), { what: `${place} to be reached`, timeoutMs: reachLimitMs });
  expect(await commitsOf({ workspace }, client)).toEqual(expected);
  const { telemetry } = await client.daemon.status();
  expect(telemetry.undeliveredRows).toBeGreaterThanOrEqual(destinations * kinds.length);
  // Nor does the daemon wait for them when it stops.
  await daemon.stop();
  expect(daemon.log).not.toContain('"level":50');
}

/** By the next daemon. */
async function expectDelivered({ daemon }: Scene, receiver: OtlpReceiver): Promise<void> {
  await daemon.start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  const traces = (): Set<string> => new Set(receiver.spans().map(({ traceId }) => traceId));
  await until(() => traces().size === 1 + kinds.length, { what: 'delivery', timeoutMs: reachLimitMs });
}

async function openScene(configuration: DaemonFixture['configuration'] = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const daemon = stack.use(new TestDaemon({ folder, configuration }));
  daemon.follow([{ call: { input: 10, output: 5 } }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
  return { folder, workspace, daemon, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/**
 * What each of the tasks has committed, by kind and in order: every commit leaves its events in the log, gapless and in its transaction. Left out is what
 * depends on when somebody looked, on any daemon: in how many commits the output of an agent is recorded, and whether it was seen at work before it ended.
 */
async function commitsOf({ workspace }: { readonly workspace: string }, client: Singletree): Promise<string[][]> {
  const one = async ({ outcome, wish }: (typeof kinds)[number]): Promise<string[]> => {
    const { id } = await client.tasks.create(aTask(workspace, wish));
    expect((await finished(client, id, 120_000)).completion?.outcome).toBe(outcome);
    return (await eventsOf(client, id)).filter(({ kind }) => !['output_recorded', 'attempt_started'].includes(kind)).map(kindOf);
  };
  return await Promise.all(kinds.map(one));
}

function kindOf(event: TaskEvent): string {
  return event.kind === 'state_changed' ? `${event.stateChanged.edge} to ${event.stateChanged.toState}` : event.kind;
}
