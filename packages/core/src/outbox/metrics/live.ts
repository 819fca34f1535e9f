import type { Live, Point } from '../../store/metrics.ts';
import { retryTable } from '../../task/retry.ts';
import type { Instant } from '../../task/task.ts';
import { withoutContent, type AttributeValues, type Privacy } from '../attributes.ts';
import { labelsOf, type MetricName } from './measure.ts';

/** What the configuration names. Its series are there from the start, at 0. */
export interface Known {
  readonly harnesses: readonly string[];
  readonly destinations: readonly string[];
}

/** What a task may be blocked by. */
const blocking: readonly string[] = Object.entries(retryTable).flatMap(([reason, { action }]) => (action === 'park' ? [reason] : []));

/** What is now, and what the outbox has ever done. A series that came to be is told of while the configuration names it, at 0 too: one that vanished would
 *  be taken to be as it was. */
export function livePoints(live: Live, at: Instant, known: Known, privacy: Privacy = withoutContent): Point[] {
  const point = (metric: MetricName, labels: AttributeValues, value: number): Point => ({
    metric,
    labels: labelsOf(labels, privacy),
    count: 1,
    sum: value,
  });
  const byHarness = (metric: MetricName, counted: Live['active']): Point[] =>
    withAll(known.harnesses, new Map(counted.map(({ harness, tasks }) => [harness, tasks]))).map(([harness, tasks]) =>
      point(metric, { 'gen_ai.agent.name': harness }, tasks),
    );
  const blocked = withAll(blocking, new Map(live.blocked.map(({ reason, tasks }) => [reason, tasks])));
  const standing = new Map(live.outbox.destinations.map((each) => [each.destination, each]));
  return [
    ...byHarness('singletree.task.active', live.active),
    ...byHarness('singletree.task.queued', live.queued),
    ...blocked.map(([reason, tasks]) => point('singletree.task.blocked', { 'singletree.wait.reason': reason }, tasks)),
    ...known.destinations.flatMap((destination) => {
      const { pending = 0, oldest = at, ever } = standing.get(destination) ?? {};
      const labels = { 'singletree.outbox.destination': destination };
      return [
        point('singletree.outbox.pending', labels, pending),
        point('singletree.outbox.oldest_age', labels, Math.max(0, at - oldest)),
        point('singletree.outbox.delivered', labels, ever?.delivered ?? 0),
        point('singletree.outbox.dead', labels, ever?.dead ?? 0),
        point('singletree.outbox.rejected', labels, ever?.rejectedSpans ?? 0),
      ];
    }),
  ];
}

function withAll(names: readonly string[], counted: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return [...new Set([...names, ...counted.keys()])].sort().map((name) => [name, counted.get(name) ?? 0]);
}
