import { specificationVersion, type Harness, type Reconciliation } from '../contract.ts';
import type { HarnessEvent, ModelUsage } from '../events.ts';
import type { Fixture } from './fixtures.ts';
import { versionRange } from '../versions.ts';
import { check, play, same } from './play.ts';
import type { ConformanceCase, Subject } from './case.ts';

/** What a plugin says of itself against what its recordings show: nothing claimed that never happens, nothing kept back that does. */
export function declarationCases({ harness, fixtures }: Subject): ConformanceCase[] {
  const { capabilities } = harness;
  const agrees = (claim: string, declared: boolean, shows: (told: Told) => boolean): ConformanceCase => ({
    rule: 'capabilities',
    name: `${claim}: declared if and only if a recording shows it`,
    run: () => {
      const shown = fixtures.flatMap((fixture) => toldBy(harness, fixture)).some(shows);
      check(declared || !shown, `a recording shows ${claim}, but capabilities do not declare it`);
      check(!declared || shown, `capabilities declare ${claim}, but no recording shows it`);
    },
  });
  const { usage } = capabilities;
  return [
    agrees('usage', usage !== 'none', (told) => told.kind === 'model.call' || partsOf(told).length > 0),
    agrees(
      'usage by model call',
      usage !== 'none' && usage.scope === 'model_call',
      (told) => told.kind === 'model.call' || (told.kind === 'files' && (told.calls?.length ?? 0) > 0),
    ),
    agrees('a context window', capabilities.contextWindow, (told) => {
      if (told.kind === 'files') return told.context?.windowTokens !== undefined;
      return told.kind === 'usage.total' && told.contextWindowTokens !== undefined;
    }),
    agrees(
      'compaction',
      capabilities.compaction,
      (told) => told.kind === 'compaction' || (told.kind === 'files' && (told.compactions ?? 0) > 0),
    ),
    agrees('cost', capabilities.cost, (told) => partsOf(told).some((part) => part.costUsdMicros !== undefined)),
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

/** An event, or what the session's files tell. */
type Told = HarnessEvent | (Reconciliation & { readonly kind: 'files' });

function toldBy(harness: Harness, fixture: Fixture): Told[] {
  const events = play(harness, fixture);
  const { session, baseline } = fixture;
  const files = session && harness.reconcile?.({ sessionId: session.id, files: session.files, baseline, events });
  return files ? [...events, { ...files, kind: 'files' }] : events;
}

function partsOf(told: Told): readonly Pick<ModelUsage, 'costUsdMicros'>[] {
  switch (told.kind) {
    case 'model.call':
      return [told];
    case 'usage.total':
      return told.byModel.length > 0 ? told.byModel : [{}];
    case 'files':
      return told.usage;
    default:
      return [];
  }
}
