import { expect, test } from 'vitest';
import { withoutContent } from './attributes.ts';
import { openOutbox, type Outbox } from './outbox.ts';
import { anAttempt, aTask, MemoryOutbox, noMetrics, noon } from './stand-ins.testsuite.ts';
import { completionOf } from '../task/completion.ts';

const task = aTask(1, { attempts: [anAttempt(1)] });
const finished = { task, completion: completionOf(task) };
const secret = 'c2VjcmV0LWhlYWRlcg';
const on = {
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${secret}@127.0.0.1:1/otlp`,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${secret}`,
};

function opened(store: MemoryOutbox, environment: Record<string, string>): Promise<Outbox> {
  return openOutbox({
    environment,
    version: '1.0.0',
    destinations: {},
    harnesses: [],
    store,
    metrics: noMetrics,
    now: () => noon,
    spans: { tools: false, modelCalls: false, most: 10 },
    privacy: withoutContent,
    random: () => 0,
    onHint: store.onHint,
  });
}

test('what would be sent is told, also while export is off and where no row is left', async () => {
  const off = await opened(new MemoryOutbox(), { OTEL_SERVICE_NAME: 'agents' });
  const told = await off.preview(finished);
  expect(told).toMatchObject({ frozen: false });
  expect(told.records).toEqual([]);
  expect(Buffer.from(told.otlp).includes('agents')).toBe(true);
});

test('where the bytes are stored, it is those, whatever would be made now', async () => {
  const store = new MemoryOutbox();
  store.add(task);
  const outbox = await opened(store, on);
  const now = await outbox.preview(finished);
  expect(now).toMatchObject({ frozen: false, records: [{ state: 'pending', target: 'http://127.0.0.1:1/otlp/v1/traces' }] });
  const bytes = new TextEncoder().encode('stored');
  await store.freeze({ taskId: task.id, destination: 'otlp', signal: 'traces' }, bytes);
  await store.dead({ taskId: task.id, destination: 'otlp', signal: 'traces' }, 'too large');
  expect(await outbox.preview(finished)).toMatchObject({ frozen: true, otlp: bytes, records: [{ state: 'dead' }] });
  // Looking changes nothing: the next send is of what was stored.
  expect(store.rows[0]?.row.payload).toEqual(bytes);
});

test('credentials are nowhere in it', async () => {
  const store = new MemoryOutbox();
  store.add(task);
  const told = await (await opened(store, on)).preview(finished);
  expect(JSON.stringify({ ...told, otlp: Buffer.from(told.otlp).toString('latin1') })).not.toContain(secret);
});
