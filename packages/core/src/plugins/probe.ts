import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Harness, HarnessSettings, Probe, ProbeHost } from '@singletree/harness';
import { hostCall } from '../supervision/host.ts';
import { notStarted } from './not-started.ts';

/** Longest time for a CLI to print its version: a cold start of the slowest one takes about two seconds. */
const versionLimitMs = 20_000;

/** A probe that remembers its newest answer, so that a claim does not start a CLI each time. */
export function probeWith(
  harness: Harness,
  settings: HarnessSettings<unknown>,
  environment: Readonly<Record<string, string>>,
  monotonicMs: () => number,
): (maxAgeMs: number) => Promise<Probe> {
  let newest: { at: number; answer: Promise<Probe> } | undefined;
  return async (maxAgeMs) => {
    if (!newest || monotonicMs() - newest.at > maxAgeMs)
      newest = { at: monotonicMs(), answer: harness.probe(probeHost(settings, environment), settings) };
    const asked = newest;
    try {
      return await asked.answer;
    } catch (error) {
      if (newest === asked) newest = undefined; // a fault of the machine's is no answer to remember
      throw error;
    }
  };
}

function probeHost(settings: HarnessSettings<unknown>, environment: Readonly<Record<string, string>>): ProbeHost {
  return {
    async version(args, pattern) {
      const answer = await hostCall(settings.executable, args, { env: environment, timeoutMs: versionLimitMs }).catch(notStarted);
      if ('missing' in answer) return { missing: `${settings.executable} ${answer.missing}` };
      const found = pattern.exec(`${answer.stdout.toString('utf8')}\n${answer.stderr}`)?.[1];
      if (found !== undefined) return { found };
      const command = [settings.executable, ...args].join(' ');
      return {
        missing: answer.timedOut ? `${command} gave no answer within ${versionLimitMs / 1000} s` : `${command} did not tell a version`,
      };
    },
    async homeFileExists(path) {
      const home = environment['HOME'];
      if (home === undefined) return false;
      return await access(join(home, path)).then(
        () => true,
        () => false,
      );
    },
    hasEnvironment: (name) => environment[name] !== undefined,
  };
}
