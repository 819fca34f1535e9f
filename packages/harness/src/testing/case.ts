import type { Harness } from '../contract.ts';
import type { Fixture } from './fixtures.ts';

/** What a plugin must keep, by the names that a failing case tells. */
export const rules = [
  'event order',
  'event shapes',
  'chunk splits',
  'UTF-8 splits',
  'restart points',
  'huge lines',
  'malformed lines',
  'time',
  'memory',
  'unknown events',
  'missing ending',
  'abort',
  'usage totals',
  'absent figures',
  'costs',
  'calls',
  'resume',
  'session files',
  'reconciliation',
  'secrets',
  'prompt',
  'permission modes',
  'settings',
  'trust',
  'metered',
  'telemetry',
  'executables',
  'one output',
  'probe',
  'capabilities',
  'declaration',
] as const;

export type Rule = (typeof rules)[number];

/** One thing to try. `run` throws `ConformanceFailure` if the plugin breaks the rule. */
export interface ConformanceCase {
  readonly rule: Rule;
  readonly name: string;
  run(): void | Promise<void>;
}

export interface ConformanceOptions {
  /** What the CLI prints for its version. Without it, how the probe reads that is not tried. */
  readonly versionOutput?: ((version: string) => string) | undefined;
  /** The CLI leaves away what is 0: then a figure that is not there is one that is known. */
  readonly leavesOutZeros?: boolean | undefined;
  /** Decides every random choice; a failure names it. */
  readonly seed?: number;
  /** Also two chunks split at every byte of a recording of up to 64 KB, and a million mutated lines instead of 20,000: many minutes instead of
   *  a few seconds. */
  readonly thorough?: boolean;
  /** How many lines are changed at random; of session files, whose lines are long, a tenth as many. */
  readonly mutatedLines?: number | undefined;
}

/** What the cases are made from. */
export interface Subject {
  readonly harness: Harness;
  readonly fixtures: readonly Fixture[];
  readonly seed: number;
  readonly thorough: boolean;
  /** How many lines are changed at random; of session files, whose lines are long, a tenth as many. */
  readonly mutatedLines: number;
  readonly options: ConformanceOptions;
}
