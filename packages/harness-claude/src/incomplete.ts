import type { HarnessEvent, HarnessEventBody } from '@singletree/harness';

const brokenOff = 'an answer broke off';
const compacting = 'a compaction is counted in the next total only';

/** The call that writes the summary shows up nowhere but in the next total. */
export const compactionBegan: HarnessEventBody = { kind: 'usage.incomplete', reason: compacting };

/** Nobody tells what it had said until then, and a total may leave out even how it began. */
export const answerBrokeOff: HarnessEventBody = { kind: 'usage.incomplete', reason: brokenOff };

export function isBrokenOff(event: HarnessEvent): boolean {
  return event.kind === 'usage.incomplete' && event.reason === brokenOff;
}
