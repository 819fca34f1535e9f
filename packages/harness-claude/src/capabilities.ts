import type { Capabilities } from '@singletree/harness';

export const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: true,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all', 'edits', 'read'],
  telemetry: { traces: 'joins', transports: ['http', 'grpc'], headersVariable: 'OTEL_EXPORTER_OTLP_TRACES_HEADERS' },
};

export const oldestVersion = '2.1.197';
export const newestVersion = '2.1.329';
