import type { Capabilities } from '@singletree/harness';

/** What standard output tells. The rollout file knows more (calls, model, context window, compactions) and is not read yet. */
export const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: false,
  usage: { scope: 'session', counts: 'cumulative' },
  contextWindow: false,
  compaction: false,
  cost: false,
  permissionModes: ['all', 'edits', 'read'],
};

export const oldestVersion = '0.150.0';
export const newestVersion = '0.169.0';
