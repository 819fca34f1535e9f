import { probeVersion, type HarnessSettings, type Probe, type ProbeHost } from '@singletree/harness';
import { newestVersion, oldestVersion } from './capabilities.ts';

/** Logins that the CLI keeps, and configurations that may name a provider with a key, or one that needs none. */
const files = [
  '$XDG_DATA_HOME/opencode/auth.json',
  '.local/share/opencode/auth.json',
  ...['$XDG_CONFIG_HOME/opencode/', '.config/opencode/'].flatMap((folder) =>
    ['opencode.json', 'opencode.jsonc', 'config.json'].map((name) => folder + name),
  ),
];

/** Variables by which the CLI finds a provider by itself, or its configuration. */
const variables = [
  'OPENCODE_API_KEY',
  'OPENCODE_CONFIG',
  'OPENCODE_CONFIG_DIR',
  'OPENCODE_AUTH_CONTENT',
  'ANTHROPIC_API_KEY',
  'OPENAI_API_KEY',
  'OPENROUTER_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
  'GEMINI_API_KEY',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'AZURE_API_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_BEARER_TOKEN_BEDROCK',
  'GITHUB_TOKEN',
  'GITLAB_TOKEN',
  'GROQ_API_KEY',
  'MISTRAL_API_KEY',
  'DEEPSEEK_API_KEY',
  'XAI_API_KEY',
  'CEREBRAS_API_KEY',
];

export async function probe(host: ProbeHost, settings: HarnessSettings<unknown>): Promise<Probe> {
  const found = await probeVersion(host, {
    displayName: 'OpenCode',
    args: ['--version'],
    pattern: /^v?(\d+\.\d+\.\d+)\s*$/m,
    oldest: oldestVersion,
    newest: newestVersion,
    install: 'npm install --global opencode-ai',
  });
  if (found.status !== 'ready' || (await hasCredentials(host, settings))) return found;
  const { version } = found;
  return {
    status: 'unauthenticated',
    version,
    message: 'OpenCode is not logged in to any provider, and no API key is configured',
    hint: 'run "opencode auth login", or set "base_url" and "api_key"',
  };
}

/** A gateway may need no key. Nor do the models of the CLI's own makers that are free. */
async function hasCredentials(host: ProbeHost, { hasApiKey, baseUrl, model }: HarnessSettings<unknown>): Promise<boolean> {
  if (hasApiKey || baseUrl !== undefined || model?.startsWith('opencode/')) return true;
  if (variables.some((name) => host.hasEnvironment(name))) return true;
  const there = await Promise.all(files.map((file) => host.homeFileExists(file)));
  return there.includes(true);
}
