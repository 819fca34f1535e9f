import { probeVersion, type HarnessSettings, type Probe, type ProbeHost } from '@singletree/harness';
import { newestVersion, oldestVersion } from './capabilities.ts';

export async function probe(host: ProbeHost, settings: HarnessSettings<unknown>): Promise<Probe> {
  const found = await probeVersion(host, {
    displayName: 'Codex CLI',
    args: ['--version'],
    pattern: /codex-cli (\d+\.\d+\.\d+)/,
    oldest: oldestVersion,
    newest: newestVersion,
    install: 'npm install --global @openai/codex',
  });
  if (found.status !== 'ready' || (await hasCredentials(host, settings))) return found;
  const message = 'Codex CLI is not logged in and no API key is configured';
  return { status: 'unauthenticated', version: found.version, message, hint: 'run "codex login", or set "api_key"' };
}

/** A provider of the configuration's own address, or one that the arguments choose, is asked without a key if none is given: that may be right, and it will say so if not. */
async function hasCredentials(host: ProbeHost, { args, baseUrl, hasApiKey }: HarnessSettings<unknown>): Promise<boolean> {
  return (
    hasApiKey ||
    baseUrl !== undefined ||
    args.some((arg) => /\bmodel_provider\b|^--oss$|^-p|^--profile/.test(arg)) ||
    host.hasEnvironment('CODEX_API_KEY') ||
    (await host.homeFileExists(host.hasEnvironment('CODEX_HOME') ? '$CODEX_HOME/auth.json' : '.codex/auth.json'))
  );
}
