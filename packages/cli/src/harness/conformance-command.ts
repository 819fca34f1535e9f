import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { locatePlugin } from '@singletree/core/kit';
import { DomainError } from '@singletree/core/local';
import { specificationVersion } from '@singletree/harness';
import { readFixtures, runSuite, type CaseResult } from '@singletree/harness/testing';
import type { Call } from '../call.ts';
import type { HarnessFlags } from '../commands/harness.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { packageFolder } from '../package.ts';
import { plural } from '../terminal/figures.ts';
import { markOf, paint } from '../terminal/marks.ts';
import { clean } from '../terminal/text.ts';
import { tried, type Tried } from './conformance-trial.ts';
import { packageCases } from './package-cases.ts';

/** Longest time for one case: what takes seconds takes a minute where others work too. */
const limitS = { usual: 120, thorough: 4 * 3600 };

/** Tries a plugin against its own recordings, and says of each rule whether it keeps it. */
export async function conformance(call: Call, [source = '']: readonly string[], flags: HarnessFlags): Promise<ExitCode> {
  const { cwd } = call.world;
  const location = located(source, cwd);
  const home = homeOf(location);
  const fixtures = flags.fixtures === undefined ? join(home, 'fixtures') : resolve(cwd, flags.fixtures);
  checkFixtures(fixtures);
  const { seed = 1, thorough = false, lines: mutatedLines, caseLimit = thorough ? limitS.thorough : limitS.usual } = flags;
  const ofPackage: CaseResult[] = [];
  for await (const result of runSuite(packageCases(home, source, cwd))) ofPackage.push(result);
  const trial = { location, fixtures, from: 0, options: { seed, thorough, mutatedLines, leavesOutZeros: flags.zerosLeftOut } };
  const { results, ...plugin } = await tried(trial, caseLimit * 1000);
  const all = [...ofPackage, ...results];
  if (call.json) call.printJson(report(plugin, location, all));
  else call.print(lines(all, call));
  return all.every(({ passed }) => passed) ? exitCodes.success : exitCodes.failure;
}

function located(source: string, cwd: string): string {
  try {
    // A path may be typed as a shell completes it.
    const path = /^[./]/.test(source) || !existsSync(resolve(cwd, source)) ? source : resolve(cwd, source);
    const location = locatePlugin(path, [cwd, packageFolder], '');
    if (statSync(location, { throwIfNoEntry: false })?.isFile()) return location;
    throw badInput(
      `"${source}" cannot be loaded: there is no module ${location}`,
      'name an installed package, or the path of a module or of a package',
    );
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

function checkFixtures(folder: string): void {
  try {
    if (readFixtures(pathToFileURL(`${folder}/`)).length > 0) return;
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

function report({ harness, decoderVersion }: Omit<Tried, 'results'>, location: string, results: readonly CaseResult[]): object {
  return {
    harness,
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
