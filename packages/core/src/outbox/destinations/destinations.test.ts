import { expect, test } from 'vitest';
import { readDestinations } from './destinations.ts';

const lab = { lab: { endpoint: 'http://lab:4318', signals: ['traces'] } } as const;
const on = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://main:4318' };

function told(...given: Parameters<typeof readDestinations>): Record<string, string[]> {
  const { all } = readDestinations(...given);
  return Object.fromEntries(all.map(({ name, by }) => [name, [by.traces.kind, by.metrics.kind]]));
}

test('that of the variables comes first, also where it is off; those of the configuration stand beside it', () => {
  expect(told(on, lab)).toEqual({ otlp: ['otlp', 'otlp'], lab: ['otlp', 'off'] });
  expect(told({}, lab)).toEqual({ otlp: ['off', 'off'], lab: ['otlp', 'off'] });
});

test('an exporter that is none is that of the variables; OTEL_SDK_DISABLED is for all', () => {
  expect(told({ ...on, OTEL_TRACES_EXPORTER: 'none' }, lab)).toEqual({ otlp: ['off', 'otlp'], lab: ['otlp', 'off'] });
  expect(told({ ...on, OTEL_SDK_DISABLED: 'TRUE' }, lab)).toEqual({ otlp: ['off', 'off'], lab: ['off', 'off'] });
});

test('what is set and changes nothing is told, once, and only where anything is sent', () => {
  const odd = { ...on, OTEL_EXPORTER_OTLP_COMPRESSION: 'zip', OTEL_TRACES_SAMPLER: 'always_off' };
  expect(readDestinations(odd, {}).warnings).toEqual([
    'OTEL_EXPORTER_OTLP_COMPRESSION is neither gzip nor none; none is used',
    'OTEL_TRACES_SAMPLER is not used: the record of every finished task is sent',
  ]);
  expect(readDestinations({ OTEL_TRACES_SAMPLER: 'always_off' }, {}).warnings).toEqual([]);
});
