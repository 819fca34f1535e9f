import type { TelemetryPreview } from '@singletree/sdk';
import { decodeSpans, type ReceivedSpan } from '@singletree/testing';
import type { Call } from '../call.ts';
import { taskIdOf } from '../task-argument.ts';
import { exact, facts, plural } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { labelled } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';
import { traceTreeInFull, valueText } from '../terminal/trace-tree.ts';

/** Prints what leaves the machine about a task. */
export async function preview(call: Call, [task = '-']: readonly string[]): Promise<void> {
  const client = await call.client();
  const found = await client.telemetry.preview(await taskIdOf(task, client));
  const spans = decodeSpans(found.otlp);
  if (call.json) call.printJson(previewJson(found, spans));
  else call.print(previewLines(found, spans, call.look));
}

/** All that the bytes say, under the names of the protocol. */
export function previewJson(found: TelemetryPreview, spans: readonly ReceivedSpan[]): object {
  const { taskId, frozen, state, deliveredAt, lastError, endpoint, records, otlp } = found;
  const [first] = spans;
  return {
    task_id: taskId,
    trace_id: first?.traceId,
    frozen,
    state,
    delivered_at: deliveredAt?.toISOString(),
    last_error: lastError,
    endpoint,
    records: records.map((each) => ({
      destination: each.destination,
      state: each.state,
      delivered_at: each.deliveredAt?.toISOString(),
      last_error: each.lastError,
      endpoint: each.endpoint,
    })),
    bytes: otlp.byteLength,
    resource: first?.resource,
    scope: first?.scope,
    spans: spans.map(({ name, spanId, parentSpanId, kind, flags, start, end, status, attributes, links, events }) => ({
      name,
      span_id: spanId,
      parent_span_id: parentSpanId,
      kind,
      flags,
      start: timeText(start),
      end: timeText(end),
      status: status.message === '' ? { code: status.code } : status,
      attributes,
      links: links.map((link) => ({ trace_id: link.traceId, span_id: link.spanId, attributes: link.attributes })),
      events: events.map((event) => ({ name: event.name, time: timeText(event.time), attributes: event.attributes })),
    })),
  };
}

export function previewLines(found: TelemetryPreview, spans: readonly ReceivedSpan[], look: Look): string[] {
  const [first] = spans;
  const resource = Object.entries(first?.resource ?? {}).map(([name, value]) => `${name}=${valueText(value)}`);
  return [
    ...labelled(look, [
      ['task', found.taskId],
      ['trace', first?.traceId],
      [
        'what',
        facts(
          plural(spans.length, 'span'),
          `${exact(found.otlp.byteLength)} bytes`,
          found.frozen ? 'fixed: every send is of exactly these' : 'as it would be sent now',
        ),
      ],
      ...recordLines(found),
      ...resource.map((pair, place): [string, string] => [place === 0 ? 'resource' : '', pair]),
    ]),
    '',
    ...traceTreeInFull(spans, look),
  ];
}

/** What became of it, and where it goes; a line for each destination where there are several. */
function recordLines(found: TelemetryPreview): [string, string | undefined][] {
  const { records, endpoint } = found;
  if (records.length < 2)
    return [
      ['record', recordText(found)],
      ['to', endpoint ?? 'nowhere: export is off'],
    ];
  return records.map((each, place) => [place === 0 ? 'to' : '', facts(each.destination, each.endpoint, recordText(each))]);
}

function recordText({ state, deliveredAt, lastError }: Partial<TelemetryPreview['records'][number]>): string | undefined {
  const words: Readonly<Record<string, string>> = {
    undirected: 'kept without a destination',
    pending: 'waits to be sent',
    delivered: 'delivered',
    dead: 'refused by the receiver for good, and kept',
  };
  return facts(state && words[state], deliveredAt?.toISOString(), lastError && oneLine(lastError)) || undefined;
}

/** Nanoseconds since 1970 as RFC 3339. */
function timeText(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}
