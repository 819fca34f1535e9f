import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  decodeSpans,
  dropping,
  repository,
  startOtlpReceiver,
  temporaryFolder,
  until,
  type OtlpReceiver,
  type OtlpRequest,
} from '@singletree/testing';
import type { Singletree } from '@singletree/sdk';
import { describe, expect, test } from 'vitest';
import { httpReceiver } from '../packages/core/src/outbox/receivers.testsuite.ts';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const tasks = full ? 6 : 2;
const places = Array.from({ length: tasks }, (_, index) => index + 1);
const arrivalLimitMs = 20_000;

describe.concurrent('telemetry arrives', () => {
  test.each(places)(
    'the acknowledgement of request %i is lost: what comes twice is the same to the byte, whatever was changed meanwhile',
    async (k) => {
      await using scene = await openScene();
      const { daemon, receiver, endpoint } = scene;
      receiver.setBehaviour(dropping(k));
      const client = await daemon.start({
        ...endpoint,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=first',
        OTEL_SERVICE_NAME: 'first',
      });
      const ids: string[] = [];
      // One after another, so that request k is about task k.
      for (const place of places.slice(0, k)) {
        const { id } = await client.tasks.create(aTask(scene.workspace, { title: `task ${place}` }));
        ids.push(id);
        await until(() => receiver.requests.length >= place, { what: `request ${place}`, timeoutMs: arrivalLimitMs });
      }
      await daemon.kill();

      daemon.configure({ defaults: { harness: 'fake', max_attempts: 7, timeout: '2h' }, concurrency: { total: 2 } });
      const again = await daemon.start({
        ...endpoint,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=second,more=yes',
        OTEL_SERVICE_NAME: 'second',
        ...anotherVersion,
      });
      expect(await again.daemon.status()).toMatchObject({ version: '99.0.0', concurrencyLimit: 2 });
      for (const place of places.slice(k)) ids.push((await again.tasks.create(aTask(scene.workspace, { title: `task ${place}` }))).id);
      await until(() => ids.every((id) => requestsOf(receiver, id).some(({ acknowledged }) => acknowledged)), {
        what: 'every task to be acknowledged',
        timeoutMs: arrivalLimitMs,
      });

      for (const [index, id] of ids.entries()) {
        const requests = requestsOf(receiver, id);
        // The kill may also have come before the daemon had noted an acknowledgement that it got; lost ones come again in any case.
        expect(requests.length, `task ${index + 1}`).toBeGreaterThanOrEqual(index + 1 === k ? 2 : 1);
        expect(new Set(requests.map(hexOf)).size, `the bodies of task ${index + 1}`).toBe(1);
        const services = new Set(decodeSpans(requests[0]!.body).map(({ resource }) => resource['service.name']));
        expect(services).toEqual(new Set([index < k ? 'first' : 'second']));
      }
      await until(async () => (await again.daemon.status()).telemetry?.undeliveredRows === 0, { what: 'an empty outbox' });
    },
  );

  test('although the collector is away when the task completes, and comes back only after a restart of the daemon', async () => {
    await using scene = await openScene();
    const { daemon, receiver, endpoint } = scene;
    await receiver.close();
    const client = await daemon.start(endpoint);
    const { id } = await client.tasks.create(aTask(scene.workspace));
    const task = await finished(client, id);
    expect(task.completion?.outcome, 'no collector is no failure of the task').toBe('success');
    const status = await until(async () => await failingTelemetry(client), { what: 'the failure to send', timeoutMs: arrivalLimitMs });
    expect(status).toMatchObject({ undeliveredRows: 1, oldestUndeliveredAt: task.completedAt });
    await daemon.stop();

    await receiver.reopen();
    const again = await daemon.start(endpoint);
    await until(async () => (await again.daemon.status()).telemetry?.undeliveredRows === 0, {
      what: 'delivery',
      timeoutMs: arrivalLimitMs,
    });
    expect(requestsOf(receiver, id).map(({ acknowledged }) => acknowledged)).toEqual([true]);
    const roots = receiver.spans().filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(roots).toMatchObject([{ attributes: { 'singletree.event.id': id, 'singletree.task.outcome': 'success' } }]);
  });

  test('but for a record that the receiver will not take: it stops no other, is told of, and is sent again when somebody asks', async () => {
    await using scene = await openScene();
    const { daemon, workspace } = scene;
    const bodies: Buffer[] = [];
    let mostBytes = 32_768;
    const large = { http: { status: 413, body: 'larger than 32 KiB' }, grpc: { code: 8, details: 'larger than 32 KiB' } };
    await using receiver = await httpReceiver((body) => (bodies.push(body), body.length > mostBytes ? large : 'ok'));
    // An agent that talks much and has much to do: its words are cut, its tools are all told.
    const busy = [{ repeat: { times: 300, steps: [{ tool: { name: 'Bash' } }] } }, { hugeLine: 1_048_576 }] as const;
    const quiet = [{ say: 'Done.' }] as const;
    daemon.follow({
      prompts: [
        { match: 'much', script: busy },
        { match: '', script: quiet },
      ],
    });
    daemon.configure({ telemetry: { content: true, spans: ['tools'] } });
    const client = await daemon.start({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.port}`, OTEL_METRICS_EXPORTER: 'none' });
    const ids: string[] = [];
    for (const instructions of ['little', 'much', 'little']) {
      const { id } = await client.tasks.create(aTask(workspace, { instructions }));
      ids.push(id);
      expect((await finished(client, id)).completion?.outcome).toBe('success');
    }
    const told = async () => (await client.daemon.status()).telemetry;
    const dead = await until(async () => ((await told()).undeliveredRows === 0 ? await told() : undefined), {
      what: 'the others to arrive',
    });
    expect(dead).toMatchObject({ state: 'ok', deadRows: 1, lastError: 'HTTP 413: larger than 32 KiB' });
    expect(bodies.map(traceOf), 'each once').toEqual(ids.map((id) => id.replaceAll('-', '')));
    expect(bodies[1]!.length, 'of a megabyte of words').toBeLessThan(262_144);

    mostBytes = Infinity;
    expect(await client.telemetry.send({ dead: true })).toBe(1);
    await until(async () => (await told()).deadRows === 0 && (await told()).undeliveredRows === 0, { what: 'the record to arrive' });
    expect(bodies[3]?.equals(bodies[1]!), 'the same bytes').toBe(true);
  });

  test('but not while export is off: nothing is sent, then or later, and the rows are kept', async () => {
    await using scene = await openScene();
    const { daemon, receiver, endpoint } = scene;
    const client = await daemon.start();
    const { id } = await client.tasks.create(aTask(scene.workspace));
    await finished(client, id);
    const { telemetry } = await client.daemon.status();
    expect(telemetry?.endpoint).toBeUndefined();
    await daemon.stop();
    expect(receiver.requests).toEqual([]);
    expect(outboxRows(daemon.state)).toEqual([{ task_id: id, destination: null, state: 'undirected' }]);

    const again = await daemon.start(endpoint);
    const later = await again.tasks.create(aTask(scene.workspace));
    await until(() => requestsOf(receiver, later.id).length > 0, { what: 'the spans of the later task', timeoutMs: arrivalLimitMs });
    expect(requestsOf(receiver, id)).toEqual([]);

    // Asked for by hand, and killed before the answer: the same request finds what it has done, and does it no second time.
    await daemon.stop();
    for (const moment of ['before', 'after']) {
      const killed = await daemon.start({ ...endpoint, SINGLETREE_FAILPOINTS: `outbox.queue.${moment}=kill` });
      const leaving = new AbortController();
      const settings = { requestId: 'once', signal: leaving.signal };
      const answer = killed.telemetry.send({ since: new Date(0) }, settings).catch(() => 'none');
      await until(() => daemon.hasEnded, { what: `the death at outbox.queue.${moment}` });
      leaving.abort();
      expect(await answer).toBe('none');
    }
    const asked = await daemon.start(endpoint);
    expect(await asked.telemetry.send({ since: new Date(0) }, { requestId: 'once' })).toBe(1);
    await until(() => requestsOf(receiver, id).length > 0, { what: 'the kept spans', timeoutMs: arrivalLimitMs });
    await until(async () => (await asked.daemon.status()).telemetry.undeliveredRows === 0, { what: 'an empty outbox' });
    expect(outboxRows(daemon.state)).toEqual([id, later.id].map((each) => ({ task_id: each, destination: 'otlp', state: 'delivered' })));
    expect(await asked.daemon.status()).toMatchObject({ telemetry: { state: 'ok', undirectedRows: 0, deadRows: 0 } });
    await expect(asked.telemetry.send({ dead: true }, { requestId: 'once' })).rejects.toThrow(
      'used before with other content, for telemetry',
    );
  });
});

async function openScene() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const receiver = stack.use(await startOtlpReceiver());
  const daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow([{ call: { input: 10, output: 5 } }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]);
  return {
    workspace,
    receiver,
    daemon,
    endpoint: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRICS_EXPORTER: 'none' },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Makes the daemon believe that it is another release: it reads its version from its own package.json. */
const anotherVersion = {
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const read = fs.readFileSync;
    fs.readFileSync = (path, ...more) => (String(path).endsWith('/core/package.json') ? '{ "version": "99.0.0" }' : read(path, ...more));
    syncBuiltinESMExports();`)}`,
};

function traceOf(body: Uint8Array): string | undefined {
  return decodeSpans(body)[0]?.traceId;
}

function requestsOf(receiver: OtlpReceiver, taskId: string): OtlpRequest[] {
  const traceId = taskId.replaceAll('-', '');
  return receiver.requests.filter(({ body }) => decodeSpans(body)[0]?.traceId === traceId);
}

function hexOf({ body }: OtlpRequest): string {
  return Buffer.from(body).toString('hex');
}

async function failingTelemetry(client: Singletree) {
  const { telemetry } = await client.daemon.status();
  return telemetry?.lastError === undefined ? undefined : telemetry;
}

function outboxRows(state: string): object[] {
  using database = new DatabaseSync(join(state, 'singletree.db'), { readOnly: true });
  return database
    .prepare('SELECT task_id, destination, state FROM outbox ORDER BY created_at')
    .all()
    .map((row) => ({ ...row }));
}
