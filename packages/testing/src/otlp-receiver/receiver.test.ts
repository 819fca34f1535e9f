import { gzipSync } from 'node:zlib';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { expect, test } from 'vitest';
import { until } from '../until.ts';
import { dropping, startOtlpReceiver } from './receiver.ts';
import { decodeSpans } from './spans.ts';

type SerialisableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

const traceId = '0af7651916cd43dd8448eb211c80319c';
const noResource = { attributes: {}, merge: () => noResource, getRawAttributes: () => [] };

function span(spanId: string, fields: Partial<SerialisableSpan> = {}): SerialisableSpan {
  return {
    name: 'invoke_agent',
    kind: SpanKind.INTERNAL,
    spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    startTime: [1_790_000_000, 5],
    endTime: [1_790_000_003, 999_999_999],
    status: { code: SpanStatusCode.UNSET },
    attributes: {},
    links: [],
    events: [],
    duration: [3, 0],
    ended: true,
    resource: noResource,
    instrumentationScope: { name: 'singletree', version: '1.2.3' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    ...fields,
  };
}

function serialise(...spans: SerialisableSpan[]): Uint8Array<ArrayBuffer> {
  const bytes = ProtobufTraceSerializer.serializeRequest(spans);
  if (!bytes) throw new Error('the serializer gave nothing');
  return new Uint8Array(bytes);
}

function post(url: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/v1/traces`, { method: 'POST', body, headers: { 'content-type': 'application/x-protobuf', ...headers } });
}

test('decodes what the OpenTelemetry serializer wrote, field by field', () => {
  const attributes = {
    text: 'grün\uFEFF',
    empty: '',
    yes: true,
    no: false,
    zero: 0,
    int: -42,
    big: 2 ** 40,
    half: 0.5,
    list: ['a', 'b'],
    none: [],
  };
  const resource = {
    ...noResource,
    attributes: { 'service.name': 'singletree' },
    getRawAttributes: (): [string, string][] => [['service.name', 'singletree']],
  };
  const bytes = serialise(
    span('00f067aa0ba902b7', { kind: SpanKind.CLIENT, resource, attributes }),
    span('00f067aa0ba902b8', {
      resource,
      parentSpanContext: { traceId, spanId: '00f067aa0ba902b7', traceFlags: 1 },
      status: { code: SpanStatusCode.ERROR, message: 'gate failed' },
      events: [{ name: 'kill', time: [1_790_000_001, 1], attributes: { signal: 9 }, droppedAttributesCount: 0 }],
      links: [{ context: { traceId, spanId: 'aaaaaaaaaaaaaaaa', traceFlags: 1 }, attributes: { why: 'rerun' }, droppedAttributesCount: 0 }],
    }),
  );
  const [root, child] = decodeSpans(bytes);
  expect(root).toMatchObject({
    traceId,
    spanId: '00f067aa0ba902b7',
    name: 'invoke_agent',
    kind: 'client',
    start: 1_790_000_000_000_000_005n,
    end: 1_790_000_003_999_999_999n,
    attributes,
    status: { code: 'unset', message: '' },
    resource: { 'service.name': 'singletree' },
    scope: { name: 'singletree', version: '1.2.3' },
  });
  expect(root).not.toHaveProperty('parentSpanId');
  expect(child).toMatchObject({
    parentSpanId: '00f067aa0ba902b7',
    kind: 'internal',
    status: { code: 'error', message: 'gate failed' },
    events: [{ name: 'kill', time: 1_790_000_001_000_000_001n, attributes: { signal: 9 } }],
    links: [{ traceId, spanId: 'aaaaaaaaaaaaaaaa', attributes: { why: 'rerun' } }],
  });
});

test('never rounds an integer, and reads requests that were joined', () => {
  // resource_spans > scope_spans > spans > attributes > { key: "n", value: { int_value: 2^63 - 1 } }
  const varint = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
  const wrap = (field: number, inner: readonly number[]): number[] => [(field << 3) | 2, inner.length, ...inner];
  const attribute = wrap(9, [...wrap(1, [0x6e]), ...wrap(2, [0x18, ...varint])]);
  const bytes = Uint8Array.from(wrap(1, wrap(2, wrap(2, attribute))));
  expect(decodeSpans(bytes)[0]?.attributes).toEqual({ n: 2n ** 63n - 1n });
  const one = serialise(span('00f067aa0ba902b7'));
  expect(decodeSpans(Buffer.concat([one, one]))).toHaveLength(2);
});

test('refuses every cut of a request, and other bytes', () => {
  const bytes = serialise(span('00f067aa0ba902b7', { attributes: { a: 'b' } }));
  for (let length = 1; length < bytes.length; length++) expect(() => decodeSpans(bytes.subarray(0, length))).toThrow('not protobuf');
  expect(() => decodeSpans(Buffer.from('{"resourceSpans":[]}'))).toThrow('not protobuf');
});

test('reads spans in JSON as it reads them in protobuf', async () => {
  await using receiver = await startOtlpReceiver();
  const written = span('00f067aa0ba902b8', {
    kind: SpanKind.CLIENT,
    parentSpanContext: { traceId, spanId: '00f067aa0ba902b7', traceFlags: 1 },
    attributes: { text: 'grün', no: false, int: -42, big: 2 ** 40, half: 0.5, list: ['a', 'b'] },
    status: { code: SpanStatusCode.ERROR, message: 'gate failed' },
    events: [{ name: 'kill', time: [1_790_000_001, 1], attributes: { signal: 9 }, droppedAttributesCount: 0 }],
    links: [{ context: { traceId, spanId: 'aaaaaaaaaaaaaaaa', traceFlags: 1 }, attributes: { why: 'rerun' }, droppedAttributesCount: 0 }],
  });
  const json = JsonTraceSerializer.serializeRequest([written]);
  await post(receiver.url, new Uint8Array(json ?? []), { 'content-type': 'application/json' });
  await post(receiver.url, serialise(written));
  const [inJson, inProtobuf] = receiver.spans();
  expect(inJson).toMatchObject({ name: 'invoke_agent', kind: 'client', attributes: { big: 2 ** 40 } });
  expect(inJson).toEqual(inProtobuf);
});

test('keeps the bytes, uncompressed, and acknowledges them', async () => {
  await using receiver = await startOtlpReceiver();
  const bytes = serialise(span('00f067aa0ba902b7'));
  const response = await post(receiver.url, bytes);
  expect([response.status, (await response.bytes()).length]).toEqual([200, 0]);
  await post(receiver.url, new Uint8Array(gzipSync(bytes)), { 'content-encoding': 'gzip' });
  await fetch(`${receiver.url}/v1/metrics`, { method: 'POST', body: 'metrics are not decoded' });
  expect(receiver.requests).toMatchObject([
    { path: '/v1/traces', contentType: 'application/x-protobuf', contentEncoding: '', body: bytes, acknowledged: true },
    { path: '/v1/traces', contentEncoding: 'gzip', body: bytes, acknowledged: true },
    { path: '/v1/metrics', acknowledged: true },
  ]);
  expect(receiver.spans().map(({ spanId }) => spanId)).toEqual(['00f067aa0ba902b7', '00f067aa0ba902b7']);
});

test('takes a request and drops its acknowledgement', async () => {
  await using receiver = await startOtlpReceiver({ behaviour: dropping(2) });
  const bytes = serialise(span('00f067aa0ba902b7'));
  expect((await post(receiver.url, bytes)).status).toBe(200);
  await expect(post(receiver.url, bytes)).rejects.toThrow('fetch failed');
  expect((await post(receiver.url, bytes)).status).toBe(200);
  expect(receiver.requests.map(({ acknowledged }) => acknowledged)).toEqual([true, false, true]);
  expect(receiver.requests[1]?.body).toEqual(bytes);
});

test('answers with a status and its headers, then recovers', async () => {
  await using receiver = await startOtlpReceiver({ behaviour: { status: 503, headers: { 'retry-after': '3' }, message: 'full' } });
  const bytes = serialise(span('00f067aa0ba902b7'));
  const refused = await post(receiver.url, bytes);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '3']);
  expect(Buffer.from(await refused.arrayBuffer()).toString()).toBe('\u0012\u0004full');
  receiver.setBehaviour('ok');
  expect((await post(receiver.url, bytes)).status).toBe(200);
  expect(receiver.requests.map(({ acknowledged }) => acknowledged)).toEqual([false, true]);
});

test('a sender that does not wait for a slow answer was not acknowledged', async () => {
  await using receiver = await startOtlpReceiver({ behaviour: { delayMs: 60 } });
  const bytes = serialise(span('00f067aa0ba902b7'));
  const impatient = new AbortController();
  const sent = fetch(`${receiver.url}/v1/traces`, { method: 'POST', body: bytes, signal: impatient.signal });
  await until(() => receiver.requests.length === 1, { what: 'the request' });
  impatient.abort();
  await expect(sent).rejects.toThrow('aborted');
  expect((await post(receiver.url, bytes)).status).toBe(200);
  expect(receiver.requests.map(({ acknowledged }) => acknowledged)).toEqual([false, true]);
});

test('goes away and comes back at the same address', async () => {
  await using receiver = await startOtlpReceiver();
  await receiver.close();
  const bytes = serialise(span('00f067aa0ba902b7'));
  await expect(post(receiver.url, bytes)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  await receiver.reopen();
  expect((await post(receiver.url, bytes)).status).toBe(200);
  expect(receiver.requests).toHaveLength(1);
});
