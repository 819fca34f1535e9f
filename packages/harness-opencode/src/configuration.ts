import { extname } from 'node:path';
import { RefusedAttempt, type AttemptContext, type HarnessSettings } from '@singletree/harness';
import type { McpServer, OpenCodeOptions } from './options.ts';
import { permissionRules } from './permissions.ts';

/** The files beside this one: source where this is source, built where this is built. */
const meterFile = new URL(`./meter${extname(import.meta.url)}`, import.meta.url).href;
const tracesFile = new URL(`./traces-only${extname(import.meta.url)}`, import.meta.url).href;
const guardFile = new URL(`./guard${extname(import.meta.url)}`, import.meta.url).href;

export const apiKeyVariable = 'OPENCODE_PROVIDER_API_KEY';

/** What the CLI is told beside its own configuration, which this is merged into and wins over. */
export function configurationOf(attempt: AttemptContext, model: string | undefined, settings: HarnessSettings<OpenCodeOptions>): object {
  const { agent, small_model, mcp_servers, permission_rules } = settings.options;
  const permission = permissionRules(attempt.permissions, permission_rules[attempt.permissions]);
  const instructions = instructionsOf(attempt, settings.options);
  const plugin = ownPlugins(attempt);
  return {
    autoupdate: false,
    share: 'disabled',
    // A git directory of its own for each workspace, with every state of it, so that a person could undo.
    snapshot: false,
    permission,
    // It would put prompts and answers into its traces.
    ...(attempt.telemetry ? { experimental: { openTelemetry: false } } : {}),
    // The rules of an agent come after those of all.
    agent: { [agent]: { permission } },
    // Added to the user's own.
    ...(plugin.length === 0 ? {} : { plugin }),
    ...(small_model === undefined ? {} : { small_model }),
    ...(instructions.length === 0 ? {} : { instructions }),
    ...(Object.keys(mcp_servers).length === 0 ? {} : { mcp: mapValues(mcp_servers, mcpServer) }),
    ...providerOf(model, settings),
  };
}

/** Plugins of ours for the CLI itself. */
export function ownPlugins({ trusted, metered, telemetry }: AttemptContext): readonly string[] {
  return [...(trusted ? [] : [guardFile]), ...(metered ? [meterFile] : []), ...(telemetry ? [tracesFile] : [])];
}

/** Where the project may not configure the CLI, the CLI does not read its AGENTS.md either. That is text for a model and no configuration. */
function instructionsOf({ trusted, workspace }: AttemptContext, { instructions }: OpenCodeOptions): readonly string[] {
  return trusted ? instructions : [`${workspace}/AGENTS.md`, ...instructions];
}

function mcpServer({ command, args = [], env_vars = [], url, bearer_token_env_var, timeout_sec }: McpServer): object {
  const timeout = timeout_sec === undefined ? {} : { timeout: Math.round(timeout_sec * 1000) };
  if (command !== undefined) {
    const environment = Object.fromEntries(env_vars.map((name) => [name, `{env:${name}}`]));
    return { type: 'local', command: [command, ...args], environment, enabled: true, ...timeout };
  }
  const headers = bearer_token_env_var === undefined ? {} : { headers: { Authorization: `Bearer {env:${bearer_token_env_var}}` } };
  return { type: 'remote', url, enabled: true, ...headers, ...timeout };
}

/** Address, key and limits belong to the provider, which is the first half of the model's name. The key's variable is named, never the key. */
function providerOf(model: string | undefined, settings: HarnessSettings<OpenCodeOptions>): object {
  const { baseUrl, hasApiKey, options } = settings;
  const limit = limitOf(options);
  if (baseUrl === undefined && !hasApiKey && limit === undefined) return {};
  const [provider, name] = providerAndName(model);
  const own = { ...(baseUrl === undefined ? {} : { baseURL: baseUrl }), ...(hasApiKey ? { apiKey: `{env:${apiKeyVariable}}` } : {}) };
  const gateway = baseUrl === undefined ? {} : { npm: options.provider_package ?? '@ai-sdk/openai-compatible' };
  const models = baseUrl === undefined && limit === undefined ? {} : { models: { [name]: limit === undefined ? {} : { limit } } };
  return { provider: { [provider]: { ...gateway, ...models, options: own } } };
}

function limitOf({ context_window, max_output }: OpenCodeOptions): object | undefined {
  return context_window === undefined ? undefined : { context: context_window, output: max_output ?? 0 };
}

/** Throws where it is no `provider/model`. */
function providerAndName(model: string | undefined): [string, string] {
  const slash = model?.indexOf('/') ?? -1;
  if (model !== undefined && slash > 0 && slash < model.length - 1) return [model.slice(0, slash), model.slice(slash + 1)];
  const told = model === undefined ? 'no model' : `"${model}"`;
  throw new RefusedAttempt(
    `base_url, api_key and options.context_window belong to a provider: they need a model of the form "provider/model"; got ${told}`,
  );
}

function mapValues<T>(values: Readonly<Record<string, T>>, change: (value: T) => unknown): object {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
