import { expect, onTestFinished, test } from 'vitest';
import tracesOnly from './traces-only.ts';

test('a log is empty where it is written, all else is as it was, and the programs of the agent get none of the variables', async () => {
  const { stringify } = JSON;
  onTestFinished(() => void (JSON.stringify = stringify));
  process.env['OTEL_EXPORTER_OTLP_HEADERS'] = 'authorization=secret';
  await tracesOnly();
  expect(JSON.stringify({ resourceLogs: [{ scopeLogs: ['grep password'] }] })).toBe('{"resourceLogs":[]}');
  const spans = { resourceSpans: [1], at: undefined };
  expect(JSON.stringify(spans, null, 1)).toBe(stringify(spans, null, 1));
  expect([JSON.stringify(null), JSON.stringify('resourceLogs'), JSON.stringify(undefined)]).toEqual(['null', '"resourceLogs"', undefined]);
  expect(Object.keys(process.env).filter((name) => name.startsWith('OTEL_'))).toEqual([]);
});
