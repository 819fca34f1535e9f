import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { configurationSchema } from '../config/schema.ts';
import { examineTelemetry, probeTelemetry } from './telemetry.ts';

const configured = (destinations: object) => configurationSchema.parse({ telemetry: { destinations } }).telemetry.destinations;

test('where telemetry would go is told, and nothing is read that is secret', () => {
  const lab = { endpoint: 'https://lab.example.org', headers: { authorization: { command: ['/bin/false'] } }, signals: ['traces'] };
  expect(examineTelemetry(configured({ lab }), {})).toMatchObject([
    { check: 'otlp', status: 'skipped', message: expect.stringContaining('no OTEL_EXPORTER_OTLP_ENDPOINT') },
    {
      check: 'lab',
      status: 'ok',
      message: expect.stringMatching(/^traces: https:\/\/lab\.example\.org\/v1\/traces by http\/protobuf · metrics: off/),
    },
  ]);
});

test('what no daemon would start with is an error, what it would ignore a warning', () => {
  expect(examineTelemetry({}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost' })).toMatchObject([
    { check: 'destinations', status: 'error', mend: expect.stringContaining('http://localhost:4318') },
  ]);
  const warned = examineTelemetry({}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317' });
  expect(warned).toContainEqual({ check: 'variables', status: 'warning', message: expect.stringContaining('port 4317 is usually gRPC') });
});

test('a probe without a daemon has the secrets of the configuration', async () => {
  const seen = new Map<string | undefined, string | undefined>();
  const server = createServer((request, response) => {
    seen.set(request.url, request.headers.authorization);
    request.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const lab = { endpoint: `http://127.0.0.1:${port}`, headers: { authorization: { env: 'LAB' } } };
  const reports = await probeTelemetry(configured({ lab }), { environment: { LAB: 'Bearer a' }, version: '1' });
  server.close();
  server.closeAllConnections();
  expect(reports.map(({ destination, signal, result }) => [destination, signal, result])).toEqual([
    ['otlp', 'traces', 'off'],
    ['otlp', 'metrics', 'off'],
    ['lab', 'traces', 'taken'],
    ['lab', 'metrics', 'taken'],
  ]);
  expect(Object.fromEntries(seen)).toEqual({ '/v1/traces': 'Bearer a', '/v1/metrics': 'Bearer a' });
});
