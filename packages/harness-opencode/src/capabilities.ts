import type { Capabilities } from '@singletree/harness';

/** What standard output tells. Sub-agents have sessions of their own, of which it tells nothing. */
export const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: false,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: false,
  compaction: true,
  cost: true,
  permissionModes: ['all', 'edits', 'read'],
};

export const oldestVersion = '1.18.33';
export const newestVersion = '1.18.33';
