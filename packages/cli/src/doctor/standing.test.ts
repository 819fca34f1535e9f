import type { DaemonStatus } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { checkId, sectionsJson } from './show.ts';
import { telemetryFindings } from './standing.ts';

type Telemetry = DaemonStatus['telemetry'];

const signal = { state: 'ok' as const, endpoint: 'http://localhost:4318/v1/traces' };
const destination = { name: 'otlp', traces: signal, metrics: { state: 'off' as const, offReason: 'OTEL_METRICS_EXPORTER is none' } };
const rows = { undeliveredRows: 0, deadRows: 0, deliveredRows: 0, rejectedSpans: 0 };
const telemetry = (set: object, more: Partial<Telemetry> = {}): Telemetry => ({
  undeliveredRows: 0,
  deadRows: 0,
  state: 'ok',
  destinations: [{ ...destination, ...rows, ...set }],
  ...more,
});
const outline = (of: Telemetry) => telemetryFindings(of).map(({ check, status }) => `${check}: ${status}`);

test.each([
  [telemetry({}), ['otlp traces: ok', 'otlp metrics: skipped']],
  [
    telemetry({ traces: { ...signal, state: 'failing', lastError: 'connect ECONNREFUSED' } }),
    ['otlp traces: warning', 'otlp metrics: skipped'],
  ],
  [telemetry({ traces: { ...signal, state: 'paused', lastError: 'HTTP 401' } }), ['otlp traces: error', 'otlp metrics: skipped']],
  [telemetry({ deadRows: 2 }), ['otlp traces: ok', 'otlp metrics: skipped', 'otlp refused: warning']],
  [telemetry({}, { undeliveredRows: 9, undeliveredRowsLimit: 9 }), ['otlp traces: ok', 'otlp metrics: skipped', 'pending: error']],
  [telemetry({}, { destinations: [], offReason: 'no endpoint' }), ['destinations: skipped']],
])('how a daemon stands with its destinations: %#', (of, expected) => {
  expect(outline(of)).toEqual(expected);
  for (const { status, mend } of telemetryFindings(of))
    if (status === 'error' || status === 'warning') expect(mend).toContain('singletree ');
});

test('a check has an id that stays, and the worst of them is the status', () => {
  expect(checkId('state folder', 'free space')).toBe('state_folder.free_space');
  expect(checkId('harnesses', 'claude_code')).toBe('harnesses.claude_code');
  const found = (status: 'ok' | 'skipped' | 'warning' | 'error') => ({ check: 'one', status, message: 'm' });
  const json = (...statuses: Parameters<typeof found>[0][]) => sectionsJson([{ subject: 's', findings: statuses.map(found) }]);
  expect(json('ok', 'skipped')).toEqual({
    status: 'ok',
    checks: [{ id: 's.one', subject: 's', ...found('ok') }, expect.objectContaining({ status: 'skipped' })],
  });
  expect(json('skipped', 'warning')).toMatchObject({ status: 'warning' });
  expect(json('warning', 'error', 'ok')).toMatchObject({ status: 'error' });
});
