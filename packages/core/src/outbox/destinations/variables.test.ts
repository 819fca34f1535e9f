import { expect, test } from 'vitest';
import { unusedVariables } from './variables.ts';

const both = (...endings: readonly string[]): string[] =>
  endings.flatMap((ending) => ['', 'TRACES_', 'METRICS_'].map((signal) => `OTEL_EXPORTER_OTLP_${signal}${ending}`));

test.each([
  'OTEL_SDK_DISABLED',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_TRACES_EXPORTER',
  'OTEL_METRICS_EXPORTER',
  'OTEL_METRIC_EXPORT_INTERVAL',
  ...both('ENDPOINT', 'HEADERS', 'PROTOCOL', 'TIMEOUT', 'COMPRESSION', 'INSECURE', 'CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'),
])('%s is used', (name) => {
  expect(unusedVariables({ [name]: '1' })).toEqual([]);
});

test.each([
  ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'delta', / is not followed: metrics are cumulative/],
  ['OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', 'base2_exponential_bucket_histogram', /boundaries/],
  ['OTEL_TRACES_SAMPLER', 'traceidratio', /every finished task/],
  ['OTEL_CONFIG_FILE', 'otel.yaml', /telemetry\.destinations/],
  ['OTEL_METRIC_EXPORT_INTERVAL', '1m', /^OTEL_METRIC_EXPORT_INTERVAL is not a number of milliseconds above 0; 60000 is used$/],
  ['OTEL_BSP_SCHEDULE_DELAY', '100', /^not used: OTEL_BSP_SCHEDULE_DELAY$/],
])('%s=%s changes nothing, or not what it says, and that is told', (name, value, warning) => {
  expect(unusedVariables({ [name]: value, [`${name}X`]: '' })).toEqual([expect.stringMatching(warning)]);
});

test('what it asks for is so anyhow, or it is for others: no word about it', () => {
  const cumulative = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Cumulative' };
  expect(
    unusedVariables({
      ...cumulative,
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://h',
      OTEL_BLRP_MAX_QUEUE_SIZE: '1',
    }),
  ).toEqual([]);
});
