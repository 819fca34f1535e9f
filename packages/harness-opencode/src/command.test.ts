import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import {
  arrayOf,
  objectOf,
  RefusedAttempt,
  type AttemptContext,
  type Command,
  type HarnessSettings,
  type JsonObject,
  type TelemetryTarget,
} from '@singletree/harness';
import { expect, test } from 'vitest';
import { command } from './command.ts';
import { options, type OpenCodeOptions } from './options.ts';

type Given = Partial<Omit<HarnessSettings<OpenCodeOptions>, 'options'>> & { readonly options?: object };

function build(attempt: Partial<AttemptContext> = {}, settings: Given = {}): Command {
  const { options: given = {}, ...rest } = settings;
  return command(
    { prompt: '# Do it\n', workspace: '/repo', session: { kind: 'new', id: 'id-1' }, permissions: 'all', root: false, ...attempt },
    { executable: '/bin/opencode', hasApiKey: false, args: [], options: options.parse(given), ...rest },
  );
}
const telemetry: TelemetryTarget = {
  transport: 'http',
  endpoint: 'http://collector:4318/v1/traces',
  timeoutMs: 10_000,
  resource: { 'singletree.task.id': 'id-1', team: 'a,b' },
};
const configuration = (built: Command): JsonObject => objectOf(JSON.parse(built.env['OPENCODE_CONFIG_CONTENT'] ?? ''));

test('a new session has a fixed title; what is printed and what is logged go into one log', () => {
  const built = build({ model: 'mk/m2' }, { model: 'mk/m1', args: ['--thinking'], options: { effort: 'high' } });
  expect(built).toMatchObject({ file: '/bin/opencode', stdin: '# Do it\n', oneOutput: true, apiKeyVariable: 'OPENCODE_PROVIDER_API_KEY' });
  expect(built.args.join(' ')).toBe(
    'run --format json --print-logs --log-level INFO --agent build --model mk/m2 --variant high --title singletree --thinking',
  );
  expect(build({ session: { kind: 'resume', id: 'ses_1' } }).args.slice(-2)).toEqual(['--session', 'ses_1']);
});

test('address, key by reference and limits belong to the provider of the model that is asked for', () => {
  const built = build(
    {},
    { model: 'mk/m/1', baseUrl: 'http://gateway/v1', hasApiKey: true, options: { context_window: 100_000, max_output: 5_000 } },
  );
  expect(configuration(built)['provider']).toEqual({
    mk: {
      npm: '@ai-sdk/openai-compatible',
      models: { 'm/1': { limit: { context: 100_000, output: 5_000 } } },
      options: { baseURL: 'http://gateway/v1', apiKey: '{env:OPENCODE_PROVIDER_API_KEY}' },
    },
  });
  expect(configuration(build({}, { model: 'mk/m1' }))).not.toHaveProperty('provider');
  expect(configuration(build({}, { model: 'anthropic/c', hasApiKey: true }))['provider']).toEqual({
    anthropic: { options: { apiKey: '{env:OPENCODE_PROVIDER_API_KEY}' } },
  });
  expect(() => build({}, { model: 'm1', baseUrl: 'http://gateway/v1' })).toThrow(/need a model of the form "provider\/model"; got "m1"/);
  expect(() => build({}, { options: { context_window: 5 } })).toThrow(/got no model/);
});

test('what a project configures is ignored until somebody trusts it, but not what it tells the model', () => {
  const untrusted = build({}, { options: { instructions: ['/etc/house.md'] } });
  expect(untrusted.env['OPENCODE_DISABLE_PROJECT_CONFIG']).toBe('1');
  expect(configuration(untrusted)['instructions']).toEqual(['/repo/AGENTS.md', '/etc/house.md']);
  const trusted = build({ trusted: true });
  expect(trusted.env).not.toHaveProperty('OPENCODE_DISABLE_PROJECT_CONFIG');
  expect(configuration(trusted)).not.toHaveProperty('instructions');
});

test.each([
  ['what is limited is counted', { metered: true, trusted: true }, ['meter.ts']],
  ['what a repository brings that is not trusted is held back', {}, ['guard.ts']],
  ['both', { metered: true }, ['guard.ts', 'meter.ts']],
  ['what it logs stays here where its traces are sent', { trusted: true, telemetry }, ['traces-only.ts']],
])('%s by plugins of ours, and the start does not wait long for npm', (_, attempt, names) => {
  const built = build(attempt);
  const files = arrayOf(configuration(built)['plugin']).map((file) => new URL(String(file)));
  expect(files.map(({ pathname }) => basename(pathname))).toEqual(names);
  expect(files.every((file) => existsSync(file))).toBe(true);
  expect(built.env).toMatchObject({ npm_config_fetch_retries: '0' });
  expect(() => build(attempt, { args: ['--pure'] })).toThrow(RefusedAttempt);
});

test('a trusted workspace without limits needs none', () => {
  expect(configuration(build({ trusted: true }))).not.toHaveProperty('plugin');
  expect(Object.keys(build({ trusted: true }).env).filter((name) => name.startsWith('npm_'))).toEqual([]);
});

test('rules of a mode come last, under names that no other rule has, for all agents and for the one that works', () => {
  const { permission, agent } = configuration(
    build(
      { permissions: 'read' },
      { options: { agent: 'mine', permission_rules: { read: { 'docs_*': 'allow', bash: { 'git log*': 'allow' } } } } },
    ),
  );
  expect(Object.entries(objectOf(permission))).toEqual([
    ['**', 'deny'],
    ['rea?', 'allow'],
    ['glo?', 'allow'],
    ['gre?', 'allow'],
    ['lis?', 'allow'],
    ['doom_loo?', 'allow'],
    ['docs_*', 'allow'],
    ['bas?', { 'git log*': 'allow' }],
  ]);
  expect(agent).toEqual({ mine: { permission } });
  expect(configuration(build())['permission']).toEqual({ '**': 'allow' });
});

test('MCP servers get variables by name, never by value', () => {
  const mcp_servers = {
    files: { command: 'mcp-files', args: ['--root', '/x'], env_vars: ['TOKEN'], timeout_sec: 2.5 },
    web: { url: 'https://mcp.example/sse', bearer_token_env_var: 'WEB_TOKEN' },
  };
  expect(configuration(build({}, { options: { mcp_servers } }))['mcp']).toEqual({
    files: { type: 'local', command: ['mcp-files', '--root', '/x'], environment: { TOKEN: '{env:TOKEN}' }, enabled: true, timeout: 2500 },
    web: { type: 'remote', url: 'https://mcp.example/sse', enabled: true, headers: { Authorization: 'Bearer {env:WEB_TOKEN}' } },
  });
});

test.each([
  '--format',
  '--format=default',
  '-mX',
  '--logLevel',
  '--no-print-logs',
  '--session',
  '-s',
  '--auto',
  '--attach',
  '--',
  '--dir=/x',
  '-c',
])('%s among the configured arguments is refused', (flag) => expect(() => build({}, { args: [flag] })).toThrow(RefusedAttempt));
test.each([[['do this instead']], [['--thinking=true', 'and this']], [['--file', 'a', 'b']]])('%j would be a prompt', (args) =>
  expect(() => build({}, { args })).toThrow(/would take it for a prompt/),
);
test('other flags with their values pass', () =>
  expect(build({ trusted: true }, { args: ['--file', '/x/y.png', '--pure'] }).args.slice(-3)).toEqual(['--file', '/x/y.png', '--pure']));

test.each([
  { context_windw: 5 },
  { permission_rules: { all: { bash: 'ask' } } },
  { instructions: ['AGENTS.md'] },
  { mcp_servers: { a: { command: 'x', url: 'http://y' } } },
  { small_model: 'haiku' },
  { effort: '--auto' },
])('options %j are refused', (given) => expect(options.safeParse(given).success).toBe(false));

test('its own traces go to the address that it adds the path to, marked with the task, without what is said', () => {
  const built = build({ telemetry });
  expect(built.env).toMatchObject({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_RESOURCE_ATTRIBUTES: 'singletree.task.id=id-1,team=a%2Cb',
  });
  expect(configuration(built)['experimental']).toEqual({ openTelemetry: false });
  expect(Object.keys(build().env).filter((name) => name.startsWith('OTEL_'))).toEqual([]);
  expect(configuration(build())).not.toHaveProperty('experimental');
  expect(() => build({ telemetry: { ...telemetry, endpoint: 'http://collector:4318/otlp' } })).toThrow(/ends in \/v1\/traces only/);
});
