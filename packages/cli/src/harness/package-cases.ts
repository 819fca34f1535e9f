import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { arrayOf, objectOf, specificationVersion, stringOf, type JsonObject } from '@singletree/harness';
import { ConformanceFailure, type CaseResult } from '@singletree/harness/testing';

type Case = Pick<CaseResult, 'rule' | 'name'> & { run(): void };

const names = [/^@singletree\/harness-[a-z0-9-]+$/, /^singletree-harness-[a-z0-9-]+$/, /^@[^/]+\/singletree-harness(-[a-z0-9-]+)?$/];

/** What other people's tools know a plugin by. Nothing is asked of a module that was named by itself. */
export function packageCases(home: string, source: string, cwd: string): readonly Case[] {
  const manifest = manifestOf(home);
  if (!manifest || (source !== manifest['name'] && resolve(cwd, source) !== home)) return [];
  const rule = (name: string, holds: boolean, message: string): Case => ({
    rule: 'package',
    name,
    run: () => {
      if (!holds) throw new ConformanceFailure(`package.json: ${message}`);
    },
  });
  const field = objectOf(manifest['singletree']);
  const name = stringOf(manifest['name']) ?? '';
  return [
    rule(
      'its name says what it is',
      names.some((pattern) => pattern.test(name)),
      `"${name}" should be singletree-harness-NAME or @SCOPE/singletree-harness-NAME`,
    ),
    rule(
      'its keywords have singletree-harness',
      arrayOf(manifest['keywords']).includes('singletree-harness'),
      'keywords lack "singletree-harness"',
    ),
    rule(
      'its contract can be told without loading it',
      field['kind'] === 'harness' && field['specificationVersion'] === specificationVersion,
      `expected "singletree": { "kind": "harness", "specificationVersion": "${specificationVersion}" }`,
    ),
    rule(
      'the contract is a peer: there must be only one',
      stringOf(objectOf(manifest['peerDependencies'])['@singletree/harness']) !== undefined &&
        objectOf(manifest['dependencies'])['@singletree/harness'] === undefined,
      'expected "@singletree/harness" among the peerDependencies, and not among the dependencies',
    ),
  ];
}

function manifestOf(home: string): JsonObject | undefined {
  try {
    return objectOf(JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
