import { probeVersion, type HarnessSettings, type Probe, type ProbeHost } from '@singletree/harness';
import { newestVersion, oldestVersion } from './capabilities.ts';

/** Variables by which the CLI finds credentials of its own: a key, a gateway's token, a subscription's token, a cloud's. */
const credentialVariables = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_VERTEX',
  'CLAUDE_CODE_USE_FOUNDRY',
];

export async function probe(host: ProbeHost, settings: HarnessSettings<unknown>): Promise<Probe> {
  const found = await probeVersion(host, {
    displayName: 'Claude Code',
    args: ['--version'],
    pattern: /(\d+\.\d+\.\d+)\s+\(Claude Code\)/,
    oldest: oldestVersion,
    newest: newestVersion,
    install: 'npm install --global @anthropic-ai/claude-code',
  });
  if (found.status !== 'ready' || (await hasCredentials(host, settings))) return found;
  // With a gateway's address but no key at all the CLI still says "Not logged in" and calls nobody.
  const hint =
    settings.baseUrl === undefined
      ? 'run "claude" once and log in, or set "api_key"'
      : `set "api_key"; if ${settings.baseUrl} needs none, any value will do`;
  return { status: 'unauthenticated', version: found.version, message: 'Claude Code is not logged in and no API key is configured', hint };
}

async function hasCredentials(host: ProbeHost, settings: HarnessSettings<unknown>): Promise<boolean> {
  return (
    settings.hasApiKey ||
    credentialVariables.some((name) => host.hasEnvironment(name)) ||
    (await host.homeFileExists(`${host.hasEnvironment('CLAUDE_CONFIG_DIR') ? '$CLAUDE_CONFIG_DIR' : '.claude'}/.credentials.json`))
  );
}
