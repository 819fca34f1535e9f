import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { join } from 'node:path';
import { withoutContent } from '../packages/core/src/outbox/attributes.ts';
import { openOutbox } from '../packages/core/src/outbox/outbox.ts';
import { openSqlite } from '../packages/core/src/store/sqlite/index.ts';
import { randomFrom, repository, startOtlpReceiver, temporaryFolder, until } from '../packages/testing/src/index.ts';
import { aTask, finished, TestDaemon } from '../test/support/daemon.ts';
import { endTasks } from '../test/support/ended-tasks.testsuite.ts';
import { compare, timed } from './rounds.ts';

const records = 200;
/** About what a task without tools and model calls sends. */
const body = Buffer.alloc(2 * 1_024);
const page = Buffer.alloc(4 * 1_024);
const tasksARound = 8;

/** What telemetry costs: a record on its way out, and a task beside relays and exporters that do not get on. */
export async function telemetry(rounds: number): Promise<void> {
  await delivery(rounds);
  await besideTasks(rounds);
}

/** Records of a backlog, each made into bytes, committed, sent and noted as delivered, beside a bare request and two syncs. */
async function delivery(rounds: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  const server = createServer((incoming, response) => void incoming.resume().on('end', () => response.end())).listen(0, '127.0.0.1');
  stack.defer(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  stack.defer(() => agent.destroy());
  const file = openSync(join(path, 'synced'), 'w');
  stack.defer(() => closeSync(file));

  let round = 0;
  const subject = async (): Promise<number> => {
    const state = join(path, String(round++));
    mkdirSync(state);
    await endTasks({ state, count: records, random: randomFrom(round), destinations: ['otlp'] });
    const { store, outbox, metrics } = openSqlite({ path: join(state, 'singletree.db'), newId: randomUUID });
    const parts = { version: '0', random: Math.random, now: Date.now, destinations: {}, harnesses: [], onHint: () => () => {} };
    const opened = await openOutbox({
      ...parts,
      environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRICS_EXPORTER: 'none' },
      store: outbox,
      metrics,
      spans: { tools: false, modelCalls: false, most: 500 },
      privacy: withoutContent,
    });
    const ms = await timed(async () => {
      opened.start();
      await until(async () => (await outbox.owed(['otlp'], 1)) === 0, { what: 'an empty outbox', timeoutMs: 60_000 });
    });
    await opened.stop(0);
    await store.close();
    return (records / ms) * 1_000;
  };
  const baseline = async (): Promise<number> => {
    const one = async (): Promise<void> => {
      for (const _ of ['its bytes', 'delivered']) {
        writeSync(file, page, 0, page.length, 0);
        fdatasyncSync(file);
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      request({ port, agent, method: 'POST', headers: { 'content-length': body.length } }, (response) =>
        response.resume().on('end', resolve),
      )
        .once('error', reject)
        .end(body);
      await promise;
    };
    const ms = await timed(async () => {
      for (let count = 0; count < records; count++) await one();
    });
    return (records / ms) * 1_000;
  };
  await compare({ name: 'records delivered', unit: '/s', subject, baseline, against: 'a request and 2 syncs' }, rounds);
}

/** Short tasks, four at once, on daemons whose telemetry is in trouble, beside a daemon without any. */
async function besideTasks(rounds: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const slow = stack.use(await startOtlpReceiver({ behaviour: { delayMs: 2_000 } }));
  const away = stack.use(await startOtlpReceiver());
  await away.close();
  const run = async (environment: (folder: string) => Readonly<Record<string, string>>): Promise<() => Promise<number>> => {
    const { path: folder } = stack.use(await temporaryFolder());
    const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 4 } } }));
    daemon.follow([{ say: 'Done.' }]);
    const client = await daemon.start(environment(folder));
    return async () => {
      const ms = await timed(async () => {
        const ids = await Promise.all(Array.from({ length: tasksARound }, async () => (await client.tasks.create(aTask(workspace))).id));
        for (const id of ids) await finished(client, id, 120_000);
      });
      return (tasksARound / ms) * 1_000;
    };
  };
  const baseline = await run(() => ({}));
  const to = (url: string): Record<string, string> => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRIC_EXPORT_INTERVAL: '1000' });
  const held = (folder: string): string =>
    ['outbox.send.before', 'metrics.fold.before'].map((place) => `${place}=hold:${folder}`).join(',');
  const subjects = {
    'tasks, telemetry paused': await run((folder) => ({ ...to(slow.url), SINGLETREE_FAILPOINTS: held(folder) })),
    'tasks, receiver slow': await run(() => to(slow.url)),
    'tasks, receiver away': await run(() => to(away.url)),
  };
  for (const [name, subject] of Object.entries(subjects))
    await compare({ name, unit: '/s', subject, baseline, against: 'tasks without telemetry' }, rounds);
}
