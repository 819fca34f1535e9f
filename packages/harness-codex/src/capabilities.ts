import type { Capabilities } from '@singletree/harness';
import { headersVariable } from './own-traces.ts';

/** Calls are told by what the CLI logs, and corrected by its rollouts; context window and compactions by the rollouts alone. */
export const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: false,
  usage: { scope: 'model_call', counts: 'cumulative' },
  contextWindow: true,
  compaction: true,
  cost: false,
  permissionModes: ['all', 'edits', 'read'],
  untold: ['turns', 'compactions', 'api_retries', 'permission_denials'],
  telemetry: { traces: 'joins', transports: ['http', 'grpc'], headersVariable, usage: true },
};

export const oldestVersion = '0.150.0';
export const newestVersion = '0.169.0';
