import { expect, test } from 'vitest';
import { telemetryLine } from './about.ts';

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
