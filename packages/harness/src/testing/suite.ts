import type { Harness } from '../contract.ts';
import type { ConformanceCase, ConformanceOptions, Subject } from './case.ts';
import { absenceCases } from './absence-cases.ts';
import { callCases } from './call-cases.ts';
import { commandCases } from './command-cases.ts';
import { declarationCases } from './declaration-cases.ts';
import { decoderCases } from './decoder-cases.ts';
import { hostileCases } from './hostile-cases.ts';
import { endingCases } from './ending-cases.ts';
import type { Fixture } from './fixtures.ts';
import { probeCases } from './probe-cases.ts';
import { sessionCases } from './session-cases.ts';
import { totalCases } from './total-cases.ts';

/** Everything as one flat list for any test runner, or none. */
export function conformanceSuite(harness: Harness, fixtures: readonly Fixture[], options: ConformanceOptions): readonly ConformanceCase[] {
  const subject: Subject = {
    harness,
    fixtures,
    seed: options.seed ?? 1,
    thorough: options.thorough ?? false,
    mutatedLines: options.mutatedLines ?? (options.thorough ? 1_000_000 : 20_000),
    options,
  };
  return [
    decoderCases,
    hostileCases,
    endingCases,
    totalCases,
    absenceCases,
    sessionCases,
    callCases,
    declarationCases,
    commandCases,
    probeCases,
  ].flatMap((cases) => cases(subject));
}
