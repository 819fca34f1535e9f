import type { AttemptUsage, HarnessEvent } from '@singletree/harness';
import type { UsageCorrection } from '../task/events.ts';
import type { LedgerEntry } from '../task/ledger.ts';
import { tokenKinds } from '../task/usage.ts';
import { figuresOf } from './account.ts';

/**
 * Where an attempt's account is another one than its events alone tell: some kind of tokens differs, or whether it is all.
 *
 * @param told by the events alone
 * @param corrected by the events and the session's files
 */
export function correctionOf(
  told: AttemptUsage,
  corrected: AttemptUsage,
  events: readonly HarnessEvent[],
  entries: readonly LedgerEntry[],
): UsageCorrection | undefined {
  const [before, after] = [figuresOf(told).usage, figuresOf(corrected).usage];
  // A kind that is told to be 0 where nothing was told of it corrects no figure.
  const isSame = before?.lowerBound === after?.lowerBound && tokenKinds.every((kind) => (before?.[kind] ?? 0) === (after?.[kind] ?? 0));
  if (isSame) return undefined;
  return {
    ...(before ? { told: before } : {}),
    ...(after ? { corrected: after } : {}),
    callsTold: new Set(events.flatMap((event) => (event.kind === 'model.call' ? event.callId : []))).size,
    callsFound: entries.filter(({ callId }) => callId !== undefined).length,
  };
}
