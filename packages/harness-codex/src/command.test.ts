import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings, type TelemetryTarget } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { command } from './command.ts';
import { options, type CodexOptions } from './options.ts';

const agentsHint =
  'developer_instructions="If the workspace has a file AGENTS.md, read it before you begin: it says how to work in this project."';
const untrusted = 'projects={"/repo"={"trust_level"="untrusted"},"/"={"trust_level"="untrusted"}}';
const noSkills = ['skills.include_instructions=false', 'features.skill_mcp_dependency_install=false'];
const ofItsShells = ['shell_environment_policy.set.RUST_LOG=""', 'features.shell_snapshot=false'];

function build(attempt: Partial<AttemptContext> = {}, settings: Partial<HarnessSettings<CodexOptions>> = {}, own: object = {}): Command {
  return command(
    { prompt: '# Do it\n', workspace: '/repo', session: { kind: 'new', id: 'id-1' }, permissions: 'all', root: false, ...attempt },
    { executable: '/bin/codex', hasApiKey: false, args: [], options: options.parse(own), ...settings },
  );
}

/** What is set by `-c`, in order. */
function config({ args }: Command): string[] {
  return args.flatMap((arg, at) => (args[at - 1] === '-c' ? [arg] : []));
}

test('a new session, with everything the CLI needs to be read', () => {
  expect(build({ model: 'gpt-5.5' }, { model: 'other', args: ['--enable', 'x'] })).toEqual({
    file: '/bin/codex',
    args: [
      ...'exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --model gpt-5.5 --enable x'.split(' '),
      ...[untrusted, ...noSkills, ...ofItsShells, agentsHint].flatMap((set) => ['-c', set]),
      '-',
    ],
    env: { RUST_LOG: 'error,codex_otel.trace_safe=info' },
    apiKeyVariable: 'CODEX_API_KEY',
    stdin: '# Do it\n',
    oneOutput: true,
  });
});

test('a resumed session is gone on in; the configured model stands in for none', () => {
  const { args } = build({ session: { kind: 'resume', id: 'id-2' } }, { model: 'other' });
  expect(args.slice(-3)).toEqual(['resume', 'id-2', '-']);
  expect(args).toContain('other');
});

test.each([
  ['edits', 'workspace-write', ['approval_policy="never"', 'sandbox_workspace_write.network_access=false']],
  ['read', 'read-only', ['approval_policy="never"']],
] as const)('permissions "%s" are the sandbox %s', (permissions, sandbox, set) => {
  const built = build({ permissions });
  expect(built.args.slice(3, 5)).toEqual(['--sandbox', sandbox]);
  expect(config(built)).toEqual([...set, untrusted, ...noSkills, ...ofItsShells, agentsHint]);
});

test("an address of the configuration's own is a provider of our own name; the key's variable is named, never the key", () => {
  const provider = (hasApiKey: boolean): string | undefined => config(build({}, { baseUrl: 'http://h/v1', hasApiKey }))[1];
  expect(provider(true)).toBe(
    'model_providers.singletree={"name"="Singletree","base_url"="http://h/v1","wire_api"="responses","env_key"="CODEX_API_KEY"}',
  );
  expect(provider(false)).not.toContain('env_key');
});

test('nothing above the workspace may configure the CLI either: it may lie deep in its repository', () => {
  const [set = ''] = config(build({ workspace: '/home/me/repo/packages/a' }));
  expect([...set.matchAll(/"(\/[^"]*)"=\{"trust_level"="untrusted"\}/g)].map(([, folder]) => folder)).toEqual([
    '/home/me/repo/packages/a',
    '/home/me/repo/packages',
    '/home/me/repo',
    '/home/me',
    '/home',
    '/',
  ]);
});

test('a trusted workspace may configure the CLI, which then reads AGENTS.md itself', () => {
  expect(config(build({ trusted: true }))).toEqual(['projects={"/repo"={"trust_level"="trusted"}}', ...ofItsShells]);
});

test('options are settings of the CLI', () => {
  const own = {
    effort: 'high',
    append_system_prompt: 'Be "terse".\n',
    network: true,
    disallowed_tools: ['web_search', 'sub_agents'],
    context_window: 100_000,
    auto_compact_tokens: 80_000,
    mcp_servers: {
      docs: { url: 'https://h/mcp', bearer_token_env_var: 'TOKEN' },
      db: { command: 'db', args: ['a b'], env_vars: ['PGHOST'] },
    },
  };
  expect(config(build({ permissions: 'edits', trusted: true }, {}, own))).toEqual([
    'approval_policy="never"',
    'sandbox_workspace_write.network_access=true',
    'model_reasoning_effort="high"',
    'model_context_window=100000',
    'model_auto_compact_token_limit=80000',
    'mcp_servers.docs={"url"="https://h/mcp","bearer_token_env_var"="TOKEN"}',
    'mcp_servers.db={"command"="db","args"=["a b"],"env_vars"=["PGHOST"]}',
    'web_search="disabled"',
    'features.multi_agent=false',
    'features.multi_agent_v2=false',
    'projects={"/repo"={"trust_level"="trusted"}}',
    ...ofItsShells,
    'developer_instructions="Be \\"terse\\".\\n"',
  ]);
});

test.each<[string, object]>([
  ['an unknown option', { efort: 'high' }],
  ['an effort that there is not', { effort: 'enormous' }],
  ['a tool that it cannot do without', { disallowed_tools: ['apply_patch'] }],
  ['a server without command and url', { mcp_servers: { a: {} } }],
  ['a server with both', { mcp_servers: { a: { command: 'a', url: 'http://h' } } }],
  ['the value of a variable', { mcp_servers: { a: { command: 'a', env: { TOKEN: 'secret' } } } }],
  ['what is no name of a variable', { mcp_servers: { a: { command: 'a', env_vars: ['TOKEN=secret'] } } }],
  ['a server whose name is no plain word', { mcp_servers: { 'a.b': { command: 'a' } } }],
])('%s is refused', (_, own) => expect(options.safeParse(own).success).toBe(false));

describe('arguments of the user', () => {
  test.each([
    [['--json']],
    [['--model=x']],
    [['-mx']],
    [['-s', 'read-only']],
    [['--dangerously-bypass-approvals-and-sandbox']],
    [['--ephemeral']],
    [['--cd=/']],
    [['--trust']],
    [['--', 'x']],
    [['-c', 'model="x"']],
    [['-cmodel=x']],
    [['--config', 'sandbox_mode="danger-full-access"']],
    [['--config=approval_policy="on-request"']],
    [['-c', ' "projects"."/repo".trust_level="trusted"']],
    [['-c', 'mcp_servers.evil={command="x"}']],
    [['-c', '\'mcp_servers\' . evil={command="x"}']],
    [['-c', '"mod\\u0065l"="x"']],
    [['-c', 'sandbox_workspace_write.network_access=true']],
    [['-c', 'sandbox_workspace_write={network_access=true}']],
    [['--config=permissions.mine={}']],
    [['-c', 'default_permissions="mine"']],
    [['-c', 'nonsense']],
    [['-c', '=x']],
    [['--enable', 'x', '-c']],
    [['--oss']],
    [['--local-provider=ollama']],
    [['-c', 'model_providers."singletree".base_url="http://evil"']],
    [['--enable', 'x', 'resume', 'other-session']],
    [['do something else']],
    [['--color=never', 'word']],
  ])('%j are refused', (args) => expect(() => build({}, { args, baseUrl: 'http://h' })).toThrow(RefusedAttempt));

  test.each([
    [['--enable', 'multi_agent_v2']],
    [['-c', 'model_verbosity="low"', '--add-dir', '/data']],
    [['-c', 'model_providers.singletree.request_max_retries=1']],
    [['--profile=work']],
    [['-i', '/picture.png']],
    [['-cfeatures.x=true']],
    [['-c', 'sandbox_workspace_write.writable_roots=["/data"]']],
  ])('%j are handed on behind the provider and before all that must hold', (args) => {
    const built = build({}, { args, baseUrl: 'http://h' }).args;
    const provider = built.findIndex((arg) => arg.startsWith('model_providers.singletree={'));
    expect(built.slice(provider + 1, provider + args.length + 3)).toEqual([...args, '-c', untrusted]);
  });

  test('may name a provider where the configuration names none', () => {
    const args = ['-c', 'model_provider="azure"'];
    expect(build({}, { args }).args).toContain('model_provider="azure"');
    expect(() => build({}, { args, baseUrl: 'http://h' })).toThrow('is set by Singletree itself');
    expect(() => build({}, { args: ['-c', 'model_providers={}'], baseUrl: 'http://h' })).toThrow('is set by Singletree itself');
  });
});

describe('its own traces', () => {
  const telemetry: TelemetryTarget = {
    transport: 'http',
    endpoint: 'http://collector:4318/v1/traces',
    timeoutMs: 10_000,
    resource: { 'singletree.task.id': 'id-1' },
  };

  test('go where they are told to, and nothing else does; a setting of the user wins', () => {
    const built = build({ telemetry }, { args: ['-c', 'otel.metrics_exporter="x"'] });
    expect(config(built).slice(0, 5)).toEqual([
      'otel.trace_exporter={"otlp-http"={"endpoint"="http://collector:4318/v1/traces","protocol"="binary"}}',
      'otel.metrics_exporter="none"',
      'otel.exporter="none"',
      'otel.log_user_prompt=false',
      'otel.metrics_exporter="x"',
    ]);
    expect(built.env).toMatchObject({ OTEL_RESOURCE_ATTRIBUTES: 'singletree.task.id=id-1', OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2000' });
    for (const name of ['HEADERS', 'TIMEOUT'])
      expect(config(built)).toContain(`shell_environment_policy.set.OTEL_EXPORTER_OTLP_TRACES_${name}=""`);
    expect(config(built)).toContain('shell_environment_policy.set.OTEL_RESOURCE_ATTRIBUTES=""');
  });

  test('go by gRPC, and by TLS with certificates of ours', () => {
    const files = { certificate: '/ca.pem', clientCertificate: '/me.pem', clientKey: '/me.key' };
    const [exporter] = config(build({ telemetry: { ...telemetry, ...files, transport: 'grpc', endpoint: 'https://collector:4317' } }));
    const tls = '"tls"={"ca-certificate"="/ca.pem","client-certificate"="/me.pem","client-private-key"="/me.key"}';
    expect(exporter).toBe(`otel.trace_exporter={"otlp-grpc"={"endpoint"="https://collector:4317",${tls}}}`);
  });
});
