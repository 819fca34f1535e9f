import { specificationVersion } from '../contract.ts';
import type { HarnessEvent } from '../events.ts';
import { versionRange } from '../versions.ts';
import { check, play, same } from './play.ts';
import type { ConformanceCase, Subject } from './case.ts';

/** What a plugin says of itself against what its recordings show: nothing claimed that never happens, nothing kept back that does. */
export function declarationCases({ harness, fixtures }: Subject): ConformanceCase[] {
  const { capabilities } = harness;
  const events = (): HarnessEvent[] => fixtures.flatMap((fixture) => play(harness, fixture));
  const agrees = (claim: string, declared: boolean, shows: (event: HarnessEvent) => boolean): ConformanceCase => ({
    rule: 'capabilities',
    name: `${claim}: declared if and only if a recording shows it`,
    run: () => {
      const shown = events().some(shows);
      check(declared || !shown, `a recording shows ${claim}, but capabilities do not declare it`);
      check(!declared || shown, `capabilities declare ${claim}, but no recording shows it`);
    },
  });
  const { usage } = capabilities;
  return [
    agrees('usage', usage !== 'none', (event) => event.kind === 'model.call' || event.kind === 'usage.total'),
    agrees('usage by model call', usage !== 'none' && usage.scope === 'model_call', (event) => event.kind === 'model.call'),
    agrees(
      'a context window',
      capabilities.contextWindow,
      (event) => event.kind === 'usage.total' && event.contextWindowTokens !== undefined,
    ),
    agrees('compaction', capabilities.compaction, (event) => event.kind === 'compaction'),
    agrees('cost', capabilities.cost, statesCost),
    {
      rule: 'declaration',
      name: 'decoderVersion is a whole number from 1',
      run: () =>
        check(Number.isInteger(harness.decoderVersion) && harness.decoderVersion >= 1, `decoderVersion is ${harness.decoderVersion}`),
    },
    {
      rule: 'declaration',
      name: 'it is of this contract, and its id can be a key of the configuration',
      run: () => {
        same(harness.specificationVersion, specificationVersion, 'specificationVersion');
        check(/^[a-z][a-z0-9_]*$/.test(harness.harnessId), `harnessId "${harness.harnessId}" is not lower case with underscores`);
      },
    },
    {
      rule: 'declaration',
      name: 'without a configuration its options have a value each',
      run: () => {
        const parsed = harness.options.safeParse({});
        check(parsed.success, `options do not accept {}: ${parsed.error?.message ?? ''}`);
      },
    },
    {
      rule: 'declaration',
      name: 'known limits name versions that can be read',
      run: () => {
        for (const { versions, text } of harness.knownLimits ?? []) {
          check(versionRange(versions) !== undefined, `knownLimits: "${versions}" is no range of versions`);
          check(text.trim() !== '', `knownLimits: the one of ${versions} says nothing`);
        }
      },
    },
  ];
}

function statesCost(event: HarnessEvent): boolean {
  if (event.kind === 'model.call') return event.costUsdMicros !== undefined;
  return event.kind === 'usage.total' && event.byModel.some((part) => part.costUsdMicros !== undefined);
}
