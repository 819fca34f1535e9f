import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { importPlugin } from '@singletree/core/kit';
import { DomainError } from '@singletree/core/local';
import type { Harness } from '@singletree/harness';
import {
  conformanceSuite,
  readFixtures,
  recordedVersionOutput,
  runSuite,
  type CaseResult,
  type Fixture,
} from '@singletree/harness/testing';
import type { Call } from '../call.ts';
import type { HarnessFlags } from '../commands/harness.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { packageFolder } from '../package.ts';
import { plural } from '../terminal/figures.ts';
import { markOf, paint } from '../terminal/marks.ts';
import { clean } from '../terminal/text.ts';
import { packageCases } from './package-cases.ts';

/** Tries a plugin against its own recordings, and says of each rule whether it keeps it. */
export async function conformance(call: Call, [source = '']: readonly string[], flags: HarnessFlags): Promise<ExitCode> {
  const { cwd } = call.world;
  const { harness, location } = await load(source, cwd);
  const home = homeOf(location);
  const folder = flags.fixtures === undefined ? join(home, 'fixtures') : resolve(cwd, flags.fixtures);
  const fixtures = fixturesIn(folder);
  const url = pathToFileURL(`${folder}/`);
  const { seed = 1, thorough = false, lines: mutatedLines } = flags;
  const cases = [
    ...packageCases(home, source, cwd),
    ...conformanceSuite(harness, fixtures, { seed, thorough, mutatedLines, versionOutput: recordedVersionOutput(url) }),
  ];
  const results: CaseResult[] = [];
  for await (const result of runSuite(cases)) results.push(result);
  const failed = results.filter(({ passed }) => !passed);
  if (call.json) call.printJson(report(harness, location, results));
  else call.print(lines(results, call));
  return failed.length === 0 ? exitCodes.success : exitCodes.failure;
}

async function load(source: string, cwd: string): Promise<{ readonly harness: Harness; readonly location: string }> {
  try {
    // A path may be typed as a shell completes it.
    const path = /^[./]/.test(source) || !existsSync(resolve(cwd, source)) ? source : resolve(cwd, source);
    return await importPlugin(path, [cwd, packageFolder], '');
  } catch (error) {
    if (error instanceof DomainError) throw badInput(error.message, error.hint);
    throw error;
  }
}

/** The folder of the package that a module belongs to, or its own where it belongs to none. */
function homeOf(location: string): string {
  const own = dirname(location);
  for (let folder = own; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (existsSync(join(folder, 'fixtures'))) return folder;
  }
  return own;
}

function fixturesIn(folder: string): readonly Fixture[] {
  try {
    const fixtures = readFixtures(pathToFileURL(`${folder}/`));
    if (fixtures.length > 0) return fixtures;
  } catch (error) {
    throw badInput(error instanceof Error ? error.message : String(error));
  }
  throw badInput(
    `there is no recording in ${folder}`,
    'a plugin is tried with what its CLI really printed: singletree harness record TASK --out fixtures, or name their folder with --fixtures',
  );
}

interface RuleResult {
  readonly rule: string;
  readonly passed: boolean;
  readonly cases: number;
  readonly failures: readonly { readonly name: string; readonly message: string }[];
}

function byRule(results: readonly CaseResult[]): RuleResult[] {
  return [...Map.groupBy(results, ({ rule }) => rule)].map(([rule, each]) => {
    const failures = each.flatMap(({ passed, name, message = '' }) => (passed ? [] : [{ name, message }]));
    return { rule, passed: failures.length === 0, cases: each.length, failures };
  });
}

function report({ harnessId, specificationVersion, decoderVersion }: Harness, location: string, results: readonly CaseResult[]): object {
  return {
    harness: harnessId,
    specification_version: specificationVersion,
    decoder_version: decoderVersion,
    module: location,
    passed: results.every(({ passed }) => passed),
    rules: byRule(results),
  };
}

/** A line for each rule, and below it in full what breaks it. */
function lines(results: readonly CaseResult[], { look, quiet }: Pick<Call, 'look' | 'quiet'>): string[] {
  const rules = byRule(results);
  const width = Math.max(...rules.map(({ rule }) => rule.length));
  const told = quiet ? rules.filter(({ passed }) => !passed) : rules;
  const broken = rules.filter(({ passed }) => !passed).length;
  return [
    ...told.flatMap(({ rule, passed, cases, failures }) => [
      `  ${markOf(passed ? 'success' : 'failure', look)} ${rule.padEnd(width)}   ${passed ? plural(cases, 'case') : `${failures.length} of ${plural(cases, 'case')} failed`}`,
      ...failures.flatMap(({ name, message }) => [
        `      ${clean(name)}`,
        ...clean(message)
          .split('\n')
          .map((line) => `        ${paint(look, 'dim', line)}`),
      ]),
    ]),
    ...(quiet ? [] : ['', broken === 0 ? '  keeps every rule' : `  breaks ${plural(broken, 'rule')}`]),
  ];
}
