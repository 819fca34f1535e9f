import type { Point } from '../../store/metrics.ts';
import { withoutContent, type AttributeValues, type Privacy } from '../attributes.ts';
import { members } from '../registry.ts';
import type { Known } from './live.ts';
import { labelsOf, type MetricName } from './measure.ts';
import { mostSeries, seriesOf } from './points.ts';

/** Counters that begin at 0 for each harness of the configuration. */
const ofHarness = [
  'singletree.task.cost',
  'singletree.task.cost.unknown',
  'singletree.task.retries',
  'singletree.task.usage.input_tokens',
  'singletree.task.usage.output_tokens',
] as const satisfies MetricName[];

/**
 * Series at 0 that are there before anything is counted, so that a rate or a share is 0 and not absent: finished tasks by harness, outcome and type, each
 * of them closed and small, and the counters of cost and work by harness. Models and reasons are in none of them: what they will be nobody knows.
 * A metric that has as many series as it may gets none.
 */
export function zerosBeside(points: readonly Point[], { harnesses }: Known, privacy: Privacy = withoutContent): Point[] {
  const types = [undefined, ...members['singletree.task.type']];
  const completions = harnesses.flatMap((harness) =>
    members['singletree.task.outcome'].flatMap((outcome) =>
      types.map((type) => ({ 'gen_ai.agent.name': harness, 'singletree.task.outcome': outcome, 'singletree.task.type': type })),
    ),
  );
  const known = new Set(points.map(seriesOf));
  const counts = new Map<string, number>();
  for (const { metric } of points) counts.set(metric, (counts.get(metric) ?? 0) + 1);
  const zeros = (metric: MetricName, labels: readonly AttributeValues[]): Point[] => {
    const missing = labels
      .map((each) => ({ metric, labels: labelsOf(each, privacy), count: 0, sum: 0 }))
      .filter((point) => !known.has(seriesOf(point)));
    return missing.slice(0, Math.max(0, mostSeries - (counts.get(metric) ?? 0)));
  };
  return [
    ...zeros('singletree.task.completions', completions),
    ...ofHarness.flatMap((metric) =>
      zeros(
        metric,
        harnesses.map((harness) => ({ 'gen_ai.agent.name': harness })),
      ),
    ),
  ];
}
