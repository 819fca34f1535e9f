import type { Harness, HarnessSettings, Probe, ProbeHost } from '../contract.ts';
import { compareVersions } from '../versions.ts';
import { check, same } from './play.ts';
import type { ConformanceCase, Subject } from './case.ts';

export function probeCases({ harness, fixtures, options }: Subject): ConformanceCase[] {
  const newest =
    fixtures
      .map((fixture) => fixture.cliVersion)
      .toSorted(compareVersions)
      .at(-1) ?? '';
  const answers = async (version: string | undefined, credentials: boolean): Promise<Probe> =>
    await harness.probe(host(version, options.versionOutput, credentials), settings(harness));
  return [
    {
      rule: 'probe',
      name: 'a missing CLI is missing, with a hint',
      run: async () => helpful(await answers(undefined, true), 'missing'),
    },
    {
      rule: 'probe',
      name: 'a CLI that is too old is told so, with a hint',
      run: async () => helpful(await answers('0.0.1', true), 'unsupported_version'),
    },
    {
      rule: 'probe',
      name: 'the newest recorded version is ready when it is logged in',
      run: async () => same(await answers(newest, true), { status: 'ready', version: newest }, 'answer'),
    },
    {
      rule: 'probe',
      name: 'without credentials it says what to do, or does not care',
      run: async () => {
        const answer = await answers(newest, false);
        if (answer.status !== 'ready') helpful(answer, 'unauthenticated');
      },
    },
  ];
}

function helpful(answer: Probe, status: Probe['status']): void {
  same(answer.status, status, 'status');
  check('hint' in answer && answer.hint !== '' && answer.message !== '', 'message or hint is empty');
}

function host(version: string | undefined, outputOf: ((version: string) => string) | undefined, credentials: boolean): ProbeHost {
  return {
    async version(_args, pattern) {
      if (version === undefined) return { missing: 'no such file' };
      if (!outputOf) return { found: version };
      const output = outputOf(version);
      const found = pattern.exec(output)?.[1];
      return found === undefined ? { missing: `no version in ${output}` } : { found };
    },
    homeFileExists: async () => credentials,
    hasEnvironment: () => credentials,
  };
}

function settings(harness: Harness): HarnessSettings<unknown> {
  return { executable: harness.defaultExecutable, hasApiKey: false, args: [], options: harness.options.parse({}) };
}
