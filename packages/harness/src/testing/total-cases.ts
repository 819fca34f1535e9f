import { check, comesTo, decode, fold, play, same } from './play.ts';
import type { ConformanceCase, Subject } from './case.ts';

export function totalCases({ harness, fixtures }: Subject): ConformanceCase[] {
  const { usage, resume } = harness.capabilities;
  const runsOn = usage !== 'none' && usage.counts === 'cumulative';
  return [
    ...fixtures.map((fixture): ConformanceCase => ({
      rule: fixture.baseline ? 'resume' : 'usage totals',
      name: `${fixture.name}: comes to what was used`,
      run: () => comesTo(fixture.expected, { ...fold(harness, play(harness, fixture)) }),
    })),
    {
      rule: 'resume',
      name: 'what went before in the session is not counted again',
      run: () => {
        const resumed = fixtures.filter((fixture) => fixture.baseline !== undefined);
        check(
          !resume || !runsOn || resumed.length > 0,
          'its figures run on over a resume, but no recording has a baseline that shows them',
        );
        for (const fixture of resumed) {
          const stored: unknown = JSON.parse(JSON.stringify(fixture.baseline));
          same(stored, fixture.baseline, `${fixture.name}: the baseline as plain data`);
          const again = decode(harness, [fixture.stdout], structuredClone(fixture.baseline));
          same(again, play(harness, fixture), `${fixture.name}: events with the baseline as it was stored`);
        }
      },
    },
    {
      rule: 'resume',
      name: 'a session without files has no baseline',
      run: () => same(harness.baseline?.('00000000-0000-4000-8000-000000000000', []), undefined, 'baseline of a session that is gone'),
    },
  ];
}
