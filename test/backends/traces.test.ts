import { join } from 'node:path';
import type { Singletree, Task } from '@singletree/sdk';
import { decodeSpans, until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCollector, type Collector } from './support/collector.ts';
import { fixtureNames, openScene, outcomes, type Fixture, type Scene } from './support/fixture.ts';
import { inOrder, startJaeger, type Jaeger, type StoredSpan } from './support/jaeger.ts';
import { missing } from './support/server.ts';

/** What a real trace store has of finished tasks, by each way into it. */

const arrivalLimitMs = 30_000;

const ways = [
  { way: 'directly, over HTTP', needs: ['jaeger'], protocol: 'http/protobuf', of: ({ jaeger }: Receivers) => jaeger.http },
  { way: 'directly, over gRPC', needs: ['jaeger'], protocol: 'grpc', of: ({ jaeger }: Receivers) => jaeger.grpc },
  {
    way: 'by the Collector, over HTTP',
    needs: ['jaeger', 'collector'],
    protocol: 'http/protobuf',
    of: ({ collector }: Receivers) => collector().http,
  },
  {
    way: 'by the Collector, over gRPC',
    needs: ['jaeger', 'collector'],
    protocol: 'grpc',
    of: ({ collector }: Receivers) => collector().grpc,
  },
] as const;

interface Receivers {
  readonly jaeger: Jaeger;
  readonly collector: () => Collector;
}

describe.each(ways)('one trace a task: $way', ({ needs, protocol, of }) => {
  const reasons = needs.flatMap((name) => missing(name) ?? []);
  describe.skipIf(reasons.length > 0)(`with the real parts${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`, () => {
    const stack = new AsyncDisposableStack();
    let scene: Scene;
    let jaeger: Jaeger;
    let client: Singletree;
    let tasks: Fixture;
    let environment: Record<string, string>;

    beforeAll(async () => {
      scene = stack.use(await openScene());
      jaeger = stack.use(await startJaeger(join(scene.folder, 'jaeger')));
      let started: Collector | undefined;
      if (needs.some((name) => name === 'collector'))
        started = stack.use(await startCollector(join(scene.folder, 'collector'), { traces: jaeger.http }));
      const collector = (): Collector => {
        if (!started) throw new Error('this way does not lead through the Collector');
        return started;
      };
      environment = {
        OTEL_EXPORTER_OTLP_ENDPOINT: of({ jaeger, collector }),
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      };
      client = await scene.daemon.start(environment);
      tasks = await scene.run(client);
      await delivered(client);
    });
    afterAll(() => stack.disposeAsync());

    test.each(fixtureNames)('$0: what was sent is what the store tells, by both of its APIs', async (name) => {
      const task = tasks[name];
      expect(task.completion?.outcome).toBe(outcomes[name]);
      const sent = await sentOf(client, task);
      const stored = await traceOf(jaeger, task, sent.length);
      expect(stored).toEqual(sent);
      expect(await jaeger.traceV3(traceIdOf(task))).toEqual(sent);
    });

    test.each(fixtureNames)('$0: names, parents, times, status and attributes tell what happened', async (name) => {
      const task = tasks[name];
      const spans = await jaeger.trace(traceIdOf(task));
      const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
      expect(roots).toMatchObject([rootOf(task)]);
      const root = roots[0]!;
      expect(root.attributes['singletree.cost_usd_micros'], 'absent where it is unknown').toBe(task.completion?.actualCostUsdMicros);
      expect(spans.filter((span) => span !== root && span.parentSpanId !== root.spanId)).toEqual([]);
      const named = (prefix: string): StoredSpan[] => spans.filter((span) => span.name.startsWith(prefix));
      expect(named('invoke_agent ')).toMatchObject(task.attempts.map((attempt) => attemptOf(task, attempt)));
      expect(named('gate ')).toMatchObject(task.gateResults.map((gate) => gateOf(task, gate)));
      expect(named('wait ').map((span) => span.name)).toEqual(name === 'retried' ? ['wait queue', 'wait backoff'] : ['wait queue']);
      for (const { start, end } of spans) expect(root.start <= start && start <= end && end <= root.end).toBe(true);
      for (const { resource } of spans)
        expect(resource).toMatchObject({ 'service.name': 'singletree', 'deployment.environment.name': 'test' });
    });

    test('it is found as people look for it', async () => {
      const search = async (query: Record<string, string>): Promise<string[]> => {
        const parameters = new URLSearchParams({ service: 'singletree', limit: '100', lookback: '1h', ...query });
        const { data } = (await jaeger.get(`/api/traces?${parameters.toString()}`)) as { data: { traceID: string }[] };
        return data.map(({ traceID }) => traceID).toSorted();
      };
      const idsOf = (names: readonly (keyof Fixture)[]): string[] => names.map((name) => traceIdOf(tasks[name])).toSorted();
      expect(await search({})).toEqual(idsOf(fixtureNames));
      expect(await search({ operation: 'invoke_workflow implementation' })).toEqual(idsOf(['success', 'retried']));
      expect(await search({ tags: JSON.stringify({ 'singletree.task.id': tasks.partial.id }) })).toEqual(idsOf(['partial']));
      expect(await search({ tags: JSON.stringify({ 'singletree.task.outcome': 'timeout' }) })).toEqual(idsOf(['timeout']));
      expect(await search({ tags: JSON.stringify({ 'error.type': 'no_change_made' }) })).toEqual([]);
    });

    test('the acknowledgement is lost and the daemon dies: sent again by the next one, no span is twice', async () => {
      await scene.daemon.stop();
      client = await scene.daemon.start({ ...environment, SINGLETREE_FAILPOINTS: 'outbox.send.after=kill@3' });
      const again = scene.run(client).catch(() => undefined);
      await until(() => scene.daemon.hasEnded, { what: 'the death after the third request', timeoutMs: arrivalLimitMs });
      client = await scene.daemon.start(environment);
      await again;
      const all: Task[] = [];
      for await (const task of client.tasks.list()) all.push(task);
      for (const { id } of all)
        await until(async () => (await client.tasks.get(id)).completion, { what: `task ${id} to end`, timeoutMs: arrivalLimitMs });
      await delivered(client);
      expect(all.length).toBeGreaterThan(fixtureNames.length);
      for (const { id } of all) {
        const task = await client.tasks.get(id);
        const sent = await sentOf(client, task);
        expect(await traceOf(jaeger, task, sent.length)).toEqual(sent);
        expect(await jaeger.traceV3(traceIdOf(task))).toEqual(sent);
      }
    });
  });
});

const reasons = (['jaeger', 'collector'] as const).flatMap((name) => missing(name) ?? []);

describe.skipIf(reasons.length > 0)(`the Collector${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`, () => {
  test('what it has acknowledged outlives it, while the store is away', async () => {
    await using stack = new AsyncDisposableStack();
    const scene = stack.use(await openScene());
    const folder = join(scene.folder, 'collector');
    const first = stack.use(await startCollector(folder, {}));
    const client = await scene.daemon.start({ OTEL_EXPORTER_OTLP_ENDPOINT: first.http, OTEL_METRICS_EXPORTER: 'none' });
    const tasks = await scene.run(client);
    await delivered(client);
    await first.kill();
    const jaeger = stack.use(await startJaeger(join(scene.folder, 'jaeger')));
    stack.use(await startCollector(folder, { traces: jaeger.http }));
    for (const name of fixtureNames) {
      const sent = await sentOf(client, tasks[name]);
      expect(await traceOf(jaeger, tasks[name], sent.length)).toEqual(sent);
    }
  });
});

async function delivered(client: Singletree): Promise<void> {
  await until(async () => (await client.daemon.status()).telemetry.undeliveredRows === 0, {
    what: 'an empty outbox',
    timeoutMs: arrivalLimitMs,
  });
}

/** The task's trace, once it is there: the store answers before it can be asked for what it took. */
async function traceOf(jaeger: Jaeger, task: Task, spans: number): Promise<StoredSpan[]> {
  const traceId = traceIdOf(task);
  return await until(
    async () => {
      const found = await jaeger.trace(traceId);
      return found.length >= spans && found;
    },
    { what: `${spans} spans of trace ${traceId}`, timeoutMs: arrivalLimitMs, everyMs: 50 },
  );
}

function traceIdOf({ id }: Task): string {
  return id.replaceAll('-', '');
}

/** The bytes that the daemon has fixed for every send, in the form in which the store tells its spans. */
async function sentOf(client: Singletree, { id }: Task): Promise<StoredSpan[]> {
  const { otlp, frozen } = await client.telemetry.preview(id);
  expect(frozen).toBe(true);
  return inOrder(
    decodeSpans(otlp).map((span) => ({
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      links: span.links.map(({ spanId }) => spanId),
      name: span.name,
      kind: span.kind,
      start: Number(span.start / 1_000_000n),
      end: Number(span.end / 1_000_000n),
      failed: span.status.code === 'error',
      attributes: plain(span.attributes),
      resource: plain(span.resource),
    })),
  );
}

function plain(attributes: Readonly<Record<string, unknown>>): StoredSpan['attributes'] {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [
      key,
      typeof value === 'bigint' ? Number(value) : (value as string | number | boolean),
    ]),
  );
}

function rootOf(task: Task): object {
  const event = task.completion!;
  return {
    name: `invoke_workflow ${task.taskType}`,
    kind: 'internal',
    start: event.createdAt.getTime(),
    end: event.completedAt.getTime(),
    failed: event.outcome === 'failure' || event.outcome === 'timeout',
    attributes: {
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.agent.name': 'fake',
      'singletree.task.id': task.id,
      'singletree.event.id': task.id,
      'singletree.task.outcome': event.outcome,
      'singletree.task.retry_count': event.retryCount,
      'singletree.usage.input_tokens': event.actualInputTokens,
      'singletree.usage.output_tokens': event.actualOutputTokens,
      'singletree.quality_gate.run_count': event.qualityGatesRun.length,
      'singletree.quality_gate.failed_count': event.qualityGatesFailed.length,
    },
  };
}

function attemptOf(task: Task, attempt: Task['attempts'][number]): object {
  return {
    name: 'invoke_agent fake',
    start: attempt.startedAt!.getTime(),
    end: attempt.endedAt!.getTime(),
    attributes: { 'gen_ai.agent.name': 'fake', 'singletree.attempt.number': attempt.number, 'singletree.task.id': task.id },
  };
}

function gateOf(task: Task, gate: Task['gateResults'][number]): object {
  return {
    name: `gate ${gate.name}`,
    failed: gate.status !== 'passed',
    attributes: {
      'cicd.pipeline.task.name': gate.name,
      'cicd.pipeline.task.run.result': { passed: 'success', failed: 'failure', errored: 'error' }[gate.status],
      'singletree.attempt.number': gate.attempt,
      'singletree.task.id': task.id,
    },
  };
}
