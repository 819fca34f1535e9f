import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { command } from './command.ts';
import { options, type ClaudeOptions } from './options.ts';

function build(attempt: Partial<AttemptContext> = {}, settings: Partial<HarnessSettings<ClaudeOptions>> = {}, own: object = {}): Command {
  return command(
    { prompt: '# Do it\n', workspace: '/repo', session: { kind: 'new', id: 'id-1' }, permissions: 'all', root: false, ...attempt },
    { executable: '/bin/claude', hasApiKey: false, args: [], options: options.parse(own), ...settings },
  );
}

/** What follows a flag, up to the next one. */
function after({ args }: Command, flag: string): readonly string[] | undefined {
  const at = args.indexOf(flag);
  if (at < 0) return undefined;
  const rest = args.slice(at + 1);
  const end = rest.findIndex((arg) => arg.startsWith('--'));
  return end < 0 ? rest : rest.slice(0, end);
}

test('a new session, with everything the CLI needs to be read', () => {
  expect(build({ model: 'sonnet' }, { baseUrl: 'http://127.0.0.1:4000', model: 'opus', args: ['--betas', 'x'] })).toEqual({
    file: '/bin/claude',
    args: [
      ...'-p --output-format stream-json --verbose --include-partial-messages --dangerously-skip-permissions --model sonnet'.split(' '),
      ...'--session-id id-1 --setting-sources user --add-dir /repo --betas x'.split(' '),
    ],
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:4000',
      CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD: '1',
    },
    apiKeyVariable: 'ANTHROPIC_API_KEY',
    stdin: '# Do it\n',
  });
});

test('a resumed session is gone on in; the configured model stands in for none', () => {
  const built = build({ session: { kind: 'resume', id: 'id-2' } }, { model: 'opus' });
  expect([after(built, '--model'), after(built, '--resume'), after(built, '--session-id')]).toEqual([['opus'], ['id-2'], undefined]);
});

test('a trusted workspace may configure the CLI, which then reads CLAUDE.md itself', () => {
  const { args, env } = build({ trusted: true });
  expect(args.filter((arg) => /setting-sources|add-dir/.test(arg))).toEqual([]);
  expect(env).not.toHaveProperty('CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD');
});

test('sub-agents say every word where each call must be told at once', () => {
  expect(build({ metered: true }).env).toHaveProperty('CLAUDE_CODE_FORWARD_SUBAGENT_TEXT', '1');
  expect(build().env).not.toHaveProperty('CLAUDE_CODE_FORWARD_SUBAGENT_TEXT');
});

test('as root the CLI is told of a sandbox for "all" only, and not if that is forbidden', () => {
  expect(build({ root: true }).env).toHaveProperty('IS_SANDBOX', '1');
  expect(build({ root: true, permissions: 'edits' }).env).not.toHaveProperty('IS_SANDBOX');
  const forbidden = { allow_root: false };
  expect(() => build({ root: true }, {}, forbidden)).toThrow(RefusedAttempt);
  expect(build({ root: true, permissions: 'read' }, {}, forbidden).env).not.toHaveProperty('IS_SANDBOX');
});

describe('options', () => {
  const schema = { type: 'object', properties: { n: { type: 'integer' } } };
  const own = {
    effort: 'high',
    append_system_prompt: '--Be "terse".\n',
    allowed_tools: ['Bash(npm test)', 'mcp__docs'],
    disallowed_tools: ['WebFetch'],
    json_schema: schema,
    auto_compact_tokens: 120_000,
    max_retries: 0,
    api_timeout_sec: 1.5,
    non_streaming_fallback: false,
    mcp_servers: {
      docs: { url: 'https://h/mcp', bearer_token_env_var: 'TOKEN' },
      open: { url: 'https://o/mcp' },
      db: { command: 'db', args: ['a b'], env_vars: ['PGHOST'] },
    },
  };

  test('are flags and variables of the CLI; of a secret only the name of its variable', () => {
    const built = build({ permissions: 'edits' }, {}, own);
    expect(after(built, '--effort')).toEqual(['high']);
    expect(built.args[built.args.indexOf('--append-system-prompt') + 1]).toBe('--Be "terse".\n');
    expect(after(built, '--allowedTools')).toEqual(['Bash(npm test)', 'mcp__docs']);
    expect(after(built, '--disallowedTools')).toEqual(['WebFetch']);
    expect(JSON.parse(after(built, '--json-schema')?.[0] ?? '')).toEqual(schema);
    expect(JSON.parse(after(built, '--mcp-config')?.[0] ?? '')).toEqual({
      mcpServers: {
        docs: { type: 'http', url: 'https://h/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } },
        open: { type: 'http', url: 'https://o/mcp' },
        db: { type: 'stdio', command: 'db', args: ['a b'], env: { PGHOST: '${PGHOST:-}' } },
      },
    });
    expect(built.env).toMatchObject({
      CLAUDE_CODE_AUTO_COMPACT_WINDOW: '120000',
      CLAUDE_CODE_MAX_RETRIES: '0',
      API_TIMEOUT_MS: '1500',
      CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: '1',
    });
  });

  test('never widen "read": no server, no rule, and only the tools that look', () => {
    const built = build({ permissions: 'read' }, {}, own);
    expect([after(built, '--mcp-config'), after(built, '--allowedTools')]).toEqual([undefined, undefined]);
    expect([after(built, '--tools'), after(built, '--strict-mcp-config')]).toEqual([['Read,Glob,Grep'], []]);
    expect(after(built, '--disallowedTools')).toEqual(['WebFetch']);
  });

  test('need no rules with "all"', () => expect(after(build({}, {}, own), '--allowedTools')).toBeUndefined());

  test.each<[string, object]>([
    ['an unknown option', { alow_root: true }],
    ['an effort that there is not', { effort: 'enormous' }],
    ['a rule that is a flag', { allowed_tools: ['--dangerously-skip-permissions'] }],
    ['a context that is too small', { auto_compact_tokens: 1_000 }],
    ['a system prompt that fits no argument', { append_system_prompt: 'x'.repeat(200_000) }],
    ['a server without command and url', { mcp_servers: { a: {} } }],
    ['a server with both', { mcp_servers: { a: { command: 'a', url: 'http://h' } } }],
    ['the value of a variable', { mcp_servers: { a: { command: 'a', env: { TOKEN: 'secret' } } } }],
    ['what is no name of a variable', { mcp_servers: { a: { command: 'a', env_vars: ['TOKEN=secret'] } } }],
    ['a server whose name is no plain word', { mcp_servers: { 'a.b': { command: 'a' } } }],
  ])('%s is refused', (_, wrong) => expect(options.safeParse(wrong).success).toBe(false));
});

describe('arguments of the user', () => {
  test.each<[string[], RegExp]>([
    [['--effort', 'low'], /args: --effort .*options\.effort/],
    [['--max-turns', '3', '--resume'], /args: --resume is set by Singletree itself/],
    [['--output-format=text'], /set by Singletree itself/],
    [['-p'], /set by Singletree itself/],
    [['-rID'], /args: -r is set/],
    [['-c'], /set by Singletree itself/],
    [['--model=x'], /use "model"/],
    [['--dangerously-skip-permissions'], /what the agent may do/],
    [['--permission-mode=bypassPermissions'], /what the agent may do/],
    [['--tools', 'default'], /what the agent may do/],
    [['--allowedTools=Bash'], /options\.allowed_tools/],
    [['--mcp-config', '{}'], /options\.mcp_servers/],
    [['--settings', '{"hooks":{}}'], /settings file/],
    [['--plugin-dir=/x'], /settings file/],
    [['--setting-sources', 'user,project'], /trust the workspace/],
    [['-wname'], /other than this attempt/],
    [['--bg'], /other than this attempt/],
    [['--', 'x'], /set by Singletree itself/],
    [['do something else'], /take it for a prompt/],
    [['--brief', 'doctor'], /take it for a prompt/],
    [['--fallback-model=opus', 'word'], /take it for a prompt/],
    [['--fallback-model', 'opus', 'word'], /take it for a prompt/],
  ])('%j are refused, with the reason', (args, why) => {
    expect(() => build({}, { args })).toThrow(RefusedAttempt);
    expect(() => build({}, { args })).toThrow(why);
  });

  test.each([
    [['--max-turns', '3', '--max-budget-usd', '1.5']],
    [['--add-dir', '/data', '/more', '--betas', 'x', 'y']],
    [['--agents', '{"a":{}}', '--agent=a']],
    [['--fallback-model=opus', '--brief']],
    [['-nname', '-n', 'other']],
    [['--debug-file', '/tmp/x']],
  ])('%j are handed on, last of all', (args) => expect(build({}, { args }).args.slice(-args.length)).toEqual(args));
});

test('its own traces go where they are told to, and nothing else does', () => {
  const telemetry = {
    transport: 'grpc',
    endpoint: 'https://collector:4317',
    timeoutMs: 5_000,
    certificate: '/ca.pem',
    resource: { 'singletree.task.id': 'id-1' },
  } as const;
  const { args, env } = build({ telemetry });
  expect(args).toEqual(build().args);
  expect(Object.fromEntries(Object.entries(env).filter(([name]) => /OTEL|TELEMETRY/.test(name)))).toEqual({
    CLAUDE_CODE_ENABLE_TELEMETRY: '1',
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector:4317',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '5000',
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: '/ca.pem',
    OTEL_RESOURCE_ATTRIBUTES: 'singletree.task.id=id-1',
  });
  expect(Object.keys(build().env).filter((name) => /OTEL|TELEMETRY/.test(name))).toEqual([]);
});
