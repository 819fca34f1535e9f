import { dirname } from 'node:path';
import type { AttemptContext, Command, HarnessSettings, PermissionMode } from '@singletree/harness';
import { logFilter } from './log.ts';
import type { CodexOptions, ToolName } from './options.ts';
import { refuseOwnArguments } from './own-arguments.ts';
import { outOfShells, telemetrySettings, telemetryVariables } from './own-traces.ts';
import { toml, type TomlValue } from './toml.ts';

const apiKeyVariable = 'CODEX_API_KEY';

/** `exec` with `-` reads the prompt from standard input, byte for byte but for a byte order mark at its very beginning. */
export function command(attempt: AttemptContext, settings: HarnessSettings<CodexOptions>): Command {
  const { args, baseUrl, executable, hasApiKey } = settings;
  refuseOwnArguments(args, baseUrl !== undefined);
  const model = attempt.model ?? settings.model;
  const config: Config = {
    ...permissions[attempt.permissions](settings.options),
    ...optional(settings.options),
    ...Object.fromEntries(settings.options.disallowed_tools.flatMap((tool) => Object.entries(without[tool]))),
    ...trust(attempt),
    // What is meant for the CLI's own log is not meant for the programs that it runs.
    'shell_environment_policy.set.RUST_LOG': '',
    ...outOfShells(attempt.telemetry),
    // It would write its whole environment, keys and all, to a file below HOME, which stays there when it is killed.
    'features.shell_snapshot': false,
    developer_instructions: instructions(attempt, settings.options),
  };
  const flags = [
    '--json',
    '--skip-git-repo-check',
    ...permissionFlags[attempt.permissions],
    ...(model === undefined ? [] : ['--model', model]),
    ...(baseUrl === undefined ? [] : settingsOf(provider(baseUrl, hasApiKey))),
    ...settingsOf(telemetrySettings(attempt.telemetry)),
    // How often it is asked may be set beside the provider, and what else it shall send beside its traces. Of two values for one setting the later one counts: ours.
    ...args,
    ...settingsOf(config),
  ];
  return {
    file: executable,
    args: ['exec', ...flags, ...(attempt.session.kind === 'resume' ? ['resume', attempt.session.id] : []), '-'],
    env: { RUST_LOG: logFilter, ...telemetryVariables(attempt.telemetry) },
    apiKeyVariable,
    stdin: attempt.prompt,
    oneOutput: true,
  };
}

const permissionFlags: Readonly<Record<PermissionMode, readonly string[]>> = {
  all: ['--dangerously-bypass-approvals-and-sandbox'],
  edits: ['--sandbox', 'workspace-write'],
  read: ['--sandbox', 'read-only'],
};

type Config = Readonly<Record<string, TomlValue | undefined>>;

function settingsOf(config: Config): readonly string[] {
  return Object.entries(config).flatMap(([name, value]) => (value === undefined ? [] : ['-c', `${name}=${toml(value)}`]));
}

/** Nobody is there to be asked: what the sandbox does not let through fails. */
const permissions: Readonly<Record<PermissionMode, (options: CodexOptions) => Config>> = {
  all: () => ({}),
  edits: ({ network }) => ({ approval_policy: 'never', 'sandbox_workspace_write.network_access': network }),
  read: () => ({ approval_policy: 'never' }),
};

function optional({ effort, context_window, auto_compact_tokens, mcp_servers }: CodexOptions): Config {
  const servers = Object.entries(mcp_servers).map(([name, server]) => [`mcp_servers.${name}`, { ...server }] as const);
  return {
    model_reasoning_effort: effort,
    model_context_window: context_window,
    model_auto_compact_token_limit: auto_compact_tokens,
    ...Object.fromEntries(servers),
  };
}

const without: Readonly<Record<ToolName, Config>> = {
  shell: { 'features.shell_tool': false },
  web_search: { web_search: 'disabled' },
  view_image: { 'features.view_image': false },
  sub_agents: { 'features.multi_agent': false, 'features.multi_agent_v2': false },
  goals: { 'features.goals': false },
};

/**
 * Said of the workspace itself, so that neither what the user has said of the repository behind it nor the CLI's own default decides: versions
 * up to 0.165 run what a repository configures unless they are told not to. Each folder's configuration goes by what is said of that folder, and
 * the workspace may lie deep in its repository. That leaves the repository's skills, which can bring MCP servers: they are not told from the
 * user's, so that none are listed.
 */
function trust({ workspace, trusted }: AttemptContext): Config {
  if (trusted) return { projects: { [workspace]: { trust_level: 'trusted' } } };
  const folders = [workspace];
  for (let above = dirname(workspace); above !== folders.at(-1); above = dirname(above)) folders.push(above);
  return {
    projects: Object.fromEntries(folders.map((folder) => [folder, { trust_level: 'untrusted' }])),
    'skills.include_instructions': false,
    'features.skill_mcp_dependency_install': false,
  };
}

/** Untrusted, the CLI does not read AGENTS.md either. That is text for a model and no configuration: the model may read it as any other file. */
const projectInstructions = 'If the workspace has a file AGENTS.md, read it before you begin: it says how to work in this project.';

function instructions({ trusted }: AttemptContext, { append_system_prompt }: CodexOptions): string | undefined {
  const parts = [trusted ? undefined : projectInstructions, append_system_prompt].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join('\n\n');
}

/** A provider of our own name, so that a `config.toml` of the user's cannot mean another by it. The key's variable is named, never the key. */
function provider(baseUrl: string, hasApiKey: boolean): Config {
  const key = hasApiKey ? apiKeyVariable : undefined;
  return {
    model_provider: 'singletree',
    'model_providers.singletree': { name: 'Singletree', base_url: baseUrl, wire_api: 'responses', env_key: key },
  };
}
