import { failpoint } from '../../failpoints.ts';
import type { MetricStore, Point } from '../../store/metrics.ts';
import type { Instant } from '../../task/task.ts';
import { redactNames, withoutContent, type Privacy } from '../attributes.ts';
import type { Redact } from '../redaction.ts';
import { livePoints, type Known } from './live.ts';
import { measurementsOf } from './measure.ts';
import { changesOf, plus, seriesOf } from './points.ts';
import { zerosBeside } from './zeros.ts';

export interface SnapshotParts {
  readonly store: MetricStore;
  readonly now: () => Instant;
  readonly known: Known;
  /** Redacts the names in labels. */
  readonly privacy?: Privacy | undefined;
}

/** Everything that leaves at one time. */
export interface Exported {
  /** What every total counts from. */
  readonly since: Instant;
  readonly at: Instant;
  readonly points: readonly Point[];
}

/** A total is for ever, and what may leave is not: names that must not leave any more are taken out of series that were counted before. */
function asTheyMayLeave(points: readonly Point[], privacy: Privacy): Point[] {
  const series = new Map<string, Point>();
  for (const point of points) {
    const told = { ...point, labels: redactNames(point.labels, privacy) };
    const key = seriesOf(told);
    const other = series.get(key);
    series.set(key, other ? plus(other, told) : told);
  }
  return [...series.values()];
}

/** The same few names are looked through at each snapshot. */
function remembering(redact: Redact): Redact {
  const done = new Map<string, string>();
  return (text) => {
    const clean = done.get(text) ?? redact(text);
    done.set(text, clean);
    return clean;
  };
}

/** Finished tasks of one transaction: what is read and counted at once stays small. */
const foldAtOnce = 100;

/** Counts what has finished into the totals, each task once, and gives what there is then. Several may be asked for at the same time. */
export function createSnapshots({ store, now, known, privacy = withoutContent }: SnapshotParts): () => Promise<Exported> {
  const names = { ...privacy, redact: remembering(privacy.redact) };
  return async () => {
    for (;;) {
      const finished = await store.unfolded(foldAtOnce);
      const measurements = finished.flatMap(({ task, completion }) => measurementsOf(task, completion, privacy));
      const series = finished.length === 0 ? [] : await store.series();
      await failpoint('metrics.fold.before');
      const taskIds = finished.map(({ task }) => task.id);
      const folded = await store.fold(taskIds, changesOf(measurements, series), now());
      await failpoint('metrics.fold.after');
      // Where somebody else counted some of them meanwhile, the others are still to be counted.
      if (folded === 'conflict' || finished.length === foldAtOnce) continue;
      const { since, at, live } = folded;
      const points = asTheyMayLeave(folded.points, names);
      return { since, at, points: [...points, ...zerosBeside(points, known, privacy), ...livePoints(live, at, known, privacy)] };
    }
  };
}
