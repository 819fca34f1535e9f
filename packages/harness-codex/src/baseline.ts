import { countOf, countsIn, objectOf, type Baseline, type JsonObject, type SessionFile } from '@singletree/harness';
import { readRollout } from './rollout.ts';

/** What the session's rollouts held before an attempt went on in it: `bytes` and `calls` by thread, and the `total` that the main thread's
 *  figures go on from. */
const version = 1;

/** Undefined where there is no rollout to go on in: the CLI would refuse to. */
export function baselineOf(sessionId: string, files: readonly SessionFile[]): Baseline | undefined {
  const rollouts = files.flatMap(({ bytes }) => {
    const rollout = readRollout(bytes);
    return rollout ? [{ rollout, length: bytes.length }] : [];
  });
  const main = rollouts.find(({ rollout }) => rollout.threadId === sessionId);
  if (!main) return undefined;
  const bytes = Object.fromEntries(rollouts.map(({ rollout, length }) => [rollout.threadId, length]));
  const calls = Object.fromEntries(rollouts.map(({ rollout }) => [rollout.threadId, rollout.calls.length]));
  return { version, data: { total: countsIn(main.rollout.total), bytes, calls } };
}

/** What the running totals of standard output begin with. Calls that a kill cut off are not in it: the CLI has forgotten them. */
export function baselineTotal(baseline: Baseline | undefined): JsonObject {
  return objectOf(baseline?.data['total']);
}

/** Where the attempt's own lines begin in the rollout of a thread. */
export function ownFrom(baseline: Baseline | undefined, threadId: string): number {
  return countOf(objectOf(baseline?.data['bytes'])[threadId]) ?? 0;
}

/** How many calls of the thread there were before: its next one has the number after it. */
export function callsBefore(baseline: Baseline | undefined, threadId: string): number {
  return countOf(objectOf(baseline?.data['calls'])[threadId]) ?? 0;
}
