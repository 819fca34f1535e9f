import { expect, test } from 'vitest';
import { telemetryLine, telemetryLines } from './about.ts';

const endpoint = 'http://localhost:4318/v1/traces';

test.each<[Parameters<typeof telemetryLine>[0], string]>([
  [{}, 'off: OTEL_EXPORTER_OTLP_ENDPOINT is not set'],
  [{ state: 'off', offReason: 'OTEL_SDK_DISABLED is true', undirectedRows: 2 }, 'off: OTEL_SDK_DISABLED is true · 2 records kept'],
  [{ state: 'ok', endpoint, undeliveredRows: 0, undirectedRows: 0, deadRows: 0 }, endpoint],
  [
    { state: 'failing', endpoint, undeliveredRows: 1, undirectedRows: 3, deadRows: 2, lastError: 'connection\nrefused' },
    `${endpoint} · 1 record to deliver · 2 records refused for good · 3 records kept without a destination · connection refused`,
  ],
  [
    { state: 'paused', endpoint, undeliveredRows: 4, lastError: '401 Unauthorized' },
    `${endpoint} · PAUSED: mend the address or the credentials · 4 records to deliver · 401 Unauthorized`,
  ],
])('%j', (telemetry, line) => expect(telemetryLine(telemetry)).toBe(line));

test('where too much waits, that is told first', () => {
  const full = { state: 'failing', endpoint, undeliveredRows: 9, undeliveredRowsLimit: 9 } as const;
  expect(telemetryLine(full)).toBe(`${endpoint} · FULL: no new task is taken until some are delivered · 9 records to deliver`);
});

test('a receiver of traces alone is not told as a wrong address', () => {
  const refused = { state: 'paused', endpoint: 'http://localhost:4318/v1/metrics', lastError: 'HTTP 404' } as const;
  const destination = {
    name: 'otlp',
    traces: { state: 'ok', endpoint },
    metrics: refused,
    undeliveredRows: 0,
    deadRows: 0,
    deliveredRows: 5,
    rejectedSpans: 0,
  } as const;
  const line = `${endpoint} · metrics PAUSED: HTTP 404; singletree doctor telemetry says what mends it`;
  const telemetry = { state: 'ok', endpoint, lastError: 'otlp: HTTP 404' } as const;
  expect(telemetryLines({ ...telemetry, destinations: [destination] })).toEqual([line]);
  const lab = { ...destination, name: 'lab' };
  expect(telemetryLines({ ...telemetry, destinations: [destination, lab] })).toEqual([`otlp ${line}`, `lab ${line}`]);
});

test('several destinations have a line each', () => {
  const off = { state: 'off', offReason: 'signals' } as const;
  const ok = { state: 'ok', endpoint } as const;
  const none = { undeliveredRows: 0, deadRows: 0, deliveredRows: 5, rejectedSpans: 0 };
  const destinations = [
    { name: 'otlp', traces: ok, metrics: ok, ...none },
    { name: 'lab', traces: { ...ok, state: 'paused', lastError: '401' } as const, metrics: off, ...none, undeliveredRows: 2 },
    { name: 'totals', traces: off, metrics: { ...ok, endpoint: 'http://prometheus:9090/v1/metrics' }, ...none },
  ];
  expect(telemetryLines({ state: 'paused', endpoint, destinations, undeliveredRows: 2, undirectedRows: 1 })).toEqual([
    `otlp ${endpoint}`,
    `lab ${endpoint} · PAUSED: mend the address or the credentials · 2 records to deliver · 401`,
    'totals http://prometheus:9090/v1/metrics · metrics only',
    '1 record kept without a destination',
  ]);
});
