import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { FailureReason, Outcome, Provenance, TaskCompletionEventSchema, TaskType, type TaskCompletionEvent } from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { csvHeader, csvLineOf } from './csv.ts';
import { jsonLineOf } from './json-lines.ts';

const noon = Date.UTC(2026, 10, 21, 12);

const event = (set: MessageInitShape<typeof TaskCompletionEventSchema> = {}) =>
  create(TaskCompletionEventSchema, {
    eventId: 'e',
    taskId: 'e',
    createdAt: timestampFromMs(noon),
    completedAt: timestampFromMs(noon + 8_900),
    outcome: Outcome.SUCCESS,
    ...set,
  });

/** Reads RFC 4180 as a spreadsheet does. */
function parse(text: string): string[][] {
  const rows: string[][] = [[]];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/gy;
  for (let match = cell.exec(text); match && match[0] !== ''; match = cell.exec(text)) {
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

function table(...events: readonly TaskCompletionEvent[]): Record<string, string>[] {
  const [header = [], ...rows] = parse(csvHeader + events.map(csvLineOf).join(''));
  for (const row of rows) expect(row).toHaveLength(header.length);
  return rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ''])));
}

test('every column has a name of its own, in the order of the proto file', () => {
  const [names = []] = parse(csvHeader);
  expect(new Set(names).size).toBe(names.length);
  expect(names.slice(0, 8)).toEqual([
    'event_id',
    'schema_version',
    'task_id',
    'trace_id',
    'created_at',
    'dispatched_at',
    'completed_at',
    'task_type',
  ]);
  for (const name of [
    'usage_cache_read_input_tokens',
    'prediction_cost_usd_micros_p90',
    'failure_reason',
    'retries_by_cause',
    'frozen_ref',
  ])
    expect(names).toContain(name);
  expect(names).not.toContain('artifacts');
});

test('what is absent is empty, and 0 is 0', () => {
  const [row] = table(event({ taskDurationMs: 0n, usage: { outputTokens: 0n, provenance: Provenance.REPORTED } }));
  expect(row).toMatchObject({
    completed_at: '2026-11-21T12:00:08.900Z',
    task_duration_ms: '0',
    usage_output_tokens: '0',
    usage_reasoning_output_tokens: '',
    usage_provenance: 'reported',
    queue_duration_ms: '',
    actual_cost_usd_micros: '',
    quality_gate_passed: '',
    failure_reason: '',
    retry_count: '0',
    cost_lower_bound: 'false',
    outcome: 'success',
  });
});

test('lists and maps have a space between their items', () => {
  const gates = { qualityGatesRun: ['test', 'lint'], qualityGatePassed: false };
  const [row] = table(event({ ...gates, retriesByCause: { gate_failed: 2, lost: 1 }, taskType: TaskType.CODE_REVIEW }));
  expect(row).toMatchObject({
    quality_gates_run: 'test lint',
    quality_gates_failed: '',
    quality_gate_passed: 'false',
    retries_by_cause: 'gate_failed=2 lost=1',
    task_type: 'code_review',
  });
});

describe('text stays in its cell', () => {
  test.each(['a, b', 'he said "no"', 'two\nlines', 'two\r\nlines', '"', ',', '', 'Übergröße 日本', ' spaced '])('%j', (summary) => {
    expect(table(event({ summary }), event({ summary: 'next' })).map((row) => row['summary'])).toEqual([summary, 'next']);
  });

  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1'])('and %j is no formula', (text) => {
    const [row] = table(
      event({ summary: text, failure: { reason: FailureReason.KILLED, message: text, why: text }, qualityGatesRun: [text] }),
    );
    expect(row).toMatchObject({ summary: `'${text}`, failure_message: `'${text}`, failure_why: `'${text}`, quality_gates_run: `'${text}` });
  });

  test.each(['a=b', '1-2', "'quoted'", 'x@y'])('and %j is as it was', (summary) =>
    expect(table(event({ summary }))[0]).toMatchObject({ summary }),
  );
});

test('a line of JSON is one line that steers no terminal', () => {
  const line = jsonLineOf(event({ summary: 'a\nb\u009b2J' }));
  expect(line).toMatch(/^[^\n\u007f-\u009f]*\n$/);
  expect(JSON.parse(line)).toMatchObject({ event_id: 'e', summary: 'a\nb\u009b2J', outcome: 'success' });
  expect(JSON.parse(line)).not.toHaveProperty('actual_cost_usd_micros');
});
