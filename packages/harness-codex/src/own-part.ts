import type { Baseline } from '@singletree/harness';
import { ownFrom } from './baseline.ts';
import type { Rollout } from './rollout.ts';

/** What a rollout tells at one place. */
interface Place {
  /** Where its line ends, in bytes from the start of the file. */
  readonly endsAt: number;
  /** Milliseconds since 1970. */
  readonly at?: number | undefined;
}

export type IsOwn = (rollout: Rollout, place: Place) => boolean;

/**
 * Whether something in a rollout is of the attempt's own process. Where there is a baseline, it is what came after it. A recording of a process
 * that went on in a thread may have none: then it is what came after the last beginning that the main thread tells.
 */
export function ownPart(main: Rollout, baseline: Baseline | undefined): IsOwn {
  if (baseline) return ({ threadId }, { endsAt }) => endsAt > ownFrom(baseline, threadId);
  const { resumed, threadId } = main;
  if (!resumed) return () => true;
  return (rollout, { endsAt, at }) => (rollout.threadId === threadId ? endsAt > resumed.endsAt : at === undefined || at >= resumed.at);
}
