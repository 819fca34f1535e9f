import {
  defined,
  otlpVariables,
  RefusedAttempt,
  type AttemptContext,
  type Command,
  type HarnessSettings,
  type PermissionMode,
} from '@singletree/harness';
import type { ClaudeOptions, McpServer } from './options.ts';
import { refuseOwnArguments } from './own-arguments.ts';

/** Print mode with the prompt on standard input: it arrives byte for byte, only a first `/` would make it a command of the CLI. Of each call
 *  only the messages as they stream tell the output's true tokens, and tell them before any tool of it runs. */
export function command(attempt: AttemptContext, settings: HarnessSettings<ClaudeOptions>): Command {
  refuseOwnArguments(settings.args);
  const model = attempt.model ?? settings.model;
  const unsandboxedRoot = attempt.root && attempt.permissions === 'all';
  if (unsandboxedRoot && !settings.options.allow_root) {
    throw new RefusedAttempt(
      'Claude Code refuses permissions "all" as root, and options.allow_root is false: run as another user, or choose "edits" or "read"',
    );
  }
  return {
    file: settings.executable,
    args: [
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      '--include-partial-messages',
      ...permissionFlags[attempt.permissions],
      ...(model === undefined ? [] : ['--model', model]),
      ...(attempt.session.kind === 'new' ? ['--session-id', attempt.session.id] : ['--resume', attempt.session.id]),
      ...(attempt.trusted ? [] : ['--setting-sources', 'user', '--add-dir', attempt.workspace]),
      ...optionFlags(attempt, settings.options),
      ...settings.args,
    ],
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      ...(settings.baseUrl === undefined ? {} : { ANTHROPIC_BASE_URL: settings.baseUrl }),
      ...(unsandboxedRoot ? { IS_SANDBOX: '1' } : {}),
      // Without the settings of the project the CLI would not read its CLAUDE.md either. That is text for a model and no configuration: it is
      // read as that of a further folder, which nothing else is taken from.
      ...(attempt.trusted ? {} : { CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD: '1' }),
      // Else calls of sub-agents that only speak are in no line.
      ...(attempt.metered ? { CLAUDE_CODE_FORWARD_SUBAGENT_TEXT: '1' } : {}),
      // Without the second one it sends no spans.
      ...(attempt.telemetry
        ? { CLAUDE_CODE_ENABLE_TELEMETRY: '1', CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1', ...otlpVariables(attempt.telemetry) }
        : {}),
      ...optionVariables(settings.options),
    },
    apiKeyVariable: 'ANTHROPIC_API_KEY',
    stdin: attempt.prompt,
  };
}

/** `edits`: files in the workspace may change, other commands are denied. `read`: no tool that could change anything exists in the
 *  session, sub-agents and MCP servers included; plan mode would still offer them and tell the model to write a plan. */
const permissionFlags: Readonly<Record<PermissionMode, readonly string[]>> = {
  all: ['--dangerously-skip-permissions'],
  edits: ['--permission-mode', 'acceptEdits'],
  read: ['--permission-mode', 'dontAsk', '--tools', 'Read,Glob,Grep', '--strict-mcp-config'],
};

function optionFlags({ permissions }: AttemptContext, options: ClaudeOptions): string[] {
  const { allowed_tools, disallowed_tools, append_system_prompt, effort, json_schema, mcp_servers } = options;
  // A server or a rule could bring back what "read" takes away, and "all" needs no rule.
  const allowed = permissions === 'edits' ? allowed_tools : [];
  const servers = permissions === 'read' ? [] : Object.entries(mcp_servers);
  const mcpServers = Object.fromEntries(servers.map(([name, server]) => [name, mcpServer(server)]));
  return [
    ...(effort === undefined ? [] : ['--effort', effort]),
    ...(append_system_prompt === undefined ? [] : ['--append-system-prompt', append_system_prompt]),
    ...(allowed.length === 0 ? [] : ['--allowedTools', ...allowed]),
    ...(disallowed_tools.length === 0 ? [] : ['--disallowedTools', ...disallowed_tools]),
    ...(servers.length === 0 ? [] : ['--mcp-config', JSON.stringify({ mcpServers })]),
    ...(json_schema === undefined ? [] : ['--json-schema', JSON.stringify(json_schema)]),
  ];
}

/** Variables are named, never their values: an argument can be read by everybody on the machine. The CLI puts in the values. */
function mcpServer({ command: file, args, env_vars = [], url, bearer_token_env_var: token }: McpServer): object {
  if (url !== undefined)
    return defined({ type: 'http', url, headers: token === undefined ? undefined : { Authorization: `Bearer \${${token}}` } });
  // One that is not set is handed on as an empty one; the CLI would hand on its name otherwise.
  const env = Object.fromEntries(env_vars.map((name) => [name, `\${${name}:-}`]));
  return defined({ type: 'stdio', command: file, args, env });
}

/** Where there are both, variables: every version reads them, and passes over one that it does not know. */
function optionVariables(options: ClaudeOptions): Readonly<Record<string, string>> {
  const { auto_compact_tokens, max_retries, api_timeout_sec, non_streaming_fallback } = options;
  return defined({
    CLAUDE_CODE_AUTO_COMPACT_WINDOW: auto_compact_tokens?.toString(),
    CLAUDE_CODE_MAX_RETRIES: max_retries?.toString(),
    API_TIMEOUT_MS: api_timeout_sec === undefined ? undefined : String(Math.round(api_timeout_sec * 1000)),
    CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: non_streaming_fallback ? undefined : '1',
  });
}
