import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Harness, HarnessSettings, Probe, ProbeHost } from '@singletree/harness';
import { hostCall } from '../supervision/host.ts';
import { PluginFailure } from './guard.ts';
import { notStarted } from './not-started.ts';
import { placeOf } from './place.ts';

/** Longest time for a CLI to print its version: a cold start of the slowest one takes about two seconds. */
const versionLimitMs = 20_000;

/** Longest time for all that a plugin asks before it answers. */
const probeLimitMs = 60_000;

/**
 * A probe that remembers its newest answer, so that a claim does not start a CLI each time. Of secrets it has the names alone. A plugin that fails makes a harness that
 * cannot be used; a fault of the machine's is thrown. Neither is remembered.
 */
export function probeWith(
  harness: Harness,
  settings: HarnessSettings<unknown>,
  environment: Readonly<Record<string, string>>,
  monotonicMs: () => number,
  secretNames: readonly string[] = [],
): (maxAgeMs: number) => Promise<Probe> {
  const ask = (): Promise<Probe> => probeOnce(harness, settings, environment, secretNames);
  let newest: { at: number; answer: Promise<Probe> } | undefined;
  return async (maxAgeMs) => {
    if (!newest || monotonicMs() - newest.at > maxAgeMs) newest = { at: monotonicMs(), answer: ask() };
    const asked = newest;
    try {
      return await asked.answer;
    } catch (error) {
      if (newest === asked) newest = undefined;
      if (!(error instanceof PluginFailure)) throw error;
      return { status: 'missing', message: error.message, hint: `look for another version of the plugin of ${harness.harnessId}` };
    }
  };
}

async function probeOnce(
  harness: Harness,
  settings: HarnessSettings<unknown>,
  environment: Readonly<Record<string, string>>,
  secretNames: readonly string[],
): Promise<Probe> {
  const faults: unknown[] = [];
  const late = Promise.withResolvers<never>();
  const silent = new PluginFailure(`the plugin of harness "${harness.harnessId}" gave no answer to probe in ${probeLimitMs / 1000} s`);
  const timer = setTimeout(() => late.reject(silent), probeLimitMs);
  try {
    const host = {
      ...probeHost(settings, environment, faults),
      hasEnvironment: (name: string) => environment[name] !== undefined || secretNames.includes(name),
    };
    return await Promise.race([harness.probe(host, settings), late.promise]);
  } catch (error) {
    // Whatever the plugin made of a fault of the machine's: that was the cause.
    throw faults.length > 0 ? faults[0] : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Collects in `faults` what the machine could not do. */
function probeHost(
  settings: HarnessSettings<unknown>,
  environment: Readonly<Record<string, string>>,
  faults: unknown[],
): Omit<ProbeHost, 'hasEnvironment'> {
  const missing = (error: unknown): { missing: string } => {
    try {
      return notStarted(error);
    } catch (fault) {
      faults.push(fault);
      throw fault;
    }
  };
  return {
    async version(args, pattern) {
      const answer = await hostCall(settings.executable, args, { env: environment, timeoutMs: versionLimitMs }).catch(missing);
      if ('missing' in answer) return { missing: `${settings.executable} ${answer.missing}` };
      const found = pattern.exec(`${answer.stdout.toString('utf8')}\n${answer.stderr}`)?.[1];
      if (found !== undefined) return { found };
      const command = [settings.executable, ...args].join(' ');
      return {
        missing: answer.timedOut ? `${command} gave no answer within ${versionLimitMs / 1000} s` : `${command} did not tell a version`,
      };
    },
    async homeFileExists(path) {
      const place = placeOf(path, environment);
      if (!place) return false;
      return await access(join(place.root, place.name)).then(
        () => true,
        () => false,
      );
    },
  };
}
