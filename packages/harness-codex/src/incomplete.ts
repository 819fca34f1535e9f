import type { HarnessEventBody } from '@singletree/harness';

type Incomplete = Extract<HarnessEventBody, { kind: 'usage.incomplete' }>;

export const uncountedSubagents: Incomplete = { kind: 'usage.incomplete', reason: 'sub-agents have threads of their own' };
/** No file tells it either. */
export const brokenOff: Incomplete = { kind: 'usage.incomplete', reason: 'an answer broke off: what it used is told nowhere' };
export const untoldCall: Incomplete = { kind: 'usage.incomplete', reason: 'the model did not tell what a call used' };
