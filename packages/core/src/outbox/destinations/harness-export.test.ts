import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { harnessExport } from './harness-export.ts';

test("CLIs send where the daemon's traces go, marked as these are, but under names of their own", () => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:pass@collector:4318/otlp',
    OTEL_EXPORTER_OTLP_HEADERS: 'X-Tenant=a%20b',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2500',
    OTEL_SERVICE_NAME: 'ours',
    OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=1,service.namespace=tools,deployment.environment.name=a%2Cb',
  };
  const sent = harnessExport(environment);
  expect(sent).toEqual({
    target: {
      transport: 'http',
      endpoint: 'https://collector:4318/otlp/v1/traces',
      timeoutMs: 2_500,
      resource: { 'service.namespace': 'tools', 'deployment.environment.name': 'a,b' },
    },
    headers: { authorization: 'Basic dXNlcjpwYXNz', 'x-tenant': 'a b' },
  });
});

test('by gRPC there is no path; certificates are found from everywhere', () => {
  const certificate = join(import.meta.dirname, '../../../fixtures/tls/ca.pem');
  const sent = harnessExport({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4317',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_CERTIFICATE: relative('', certificate),
  });
  expect(sent).toMatchObject({
    target: { transport: 'grpc', endpoint: 'https://collector:4317', certificate },
  });
});

test.each([
  [{}, 'no OTEL_EXPORTER_OTLP_ENDPOINT'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_TRACES_EXPORTER: 'none' }, 'OTEL_TRACES_EXPORTER is none'],
])('nowhere: %j', (environment, why) => {
  expect(harnessExport(environment)).toEqual({ why });
});
