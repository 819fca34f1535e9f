import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { configurationHash, otelHash } from './hash.ts';
import { loadConfiguration, type LoadedConfiguration } from './load.ts';
import { retryOverrides } from './retry.ts';
import { watchdogThresholds } from './watchdogs.ts';

const folder = mkdtempSync(join(tmpdir(), 'singletree-config-'));
const file = join(folder, 'config.yaml');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(text: string, environment: NodeJS.ProcessEnv = {}): LoadedConfiguration {
  writeFileSync(file, text);
  return loadConfiguration(file, environment);
}

function refusal(text: string, environment: NodeJS.ProcessEnv = {}): string {
  try {
    load(text, environment);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.reason).toBe('INVALID_CONFIGURATION');
    return [error.message.replaceAll(file, 'FILE'), ...(error.hint?.split('\n') ?? [])].join('\n');
  }
  throw new Error('the configuration was accepted');
}

const topKeys = 'known keys: version, listen, concurrency, defaults, retry, prices, watchdogs, supervision, telemetry, harnesses';
const retriable =
  'unauthenticated, rate_limited, quota_exhausted, transient_api_error, context_exhausted, stalled, no_first_output, attempt_timeout, ' +
  'disk_full, gate_failed, no_change_made, no_progress, permission_denied, harness_failed, harness_crashed, harness_never_ended, ' +
  'decoder_failed, out_of_memory, lost, unsupervised';
const builtIn = 'known harnesses: claude_code, codex, opencode';

describe('a configuration', () => {
  test('has a value for everything without a file', () => {
    const loaded = loadConfiguration(undefined, { HOME: folder });
    expect(loaded).toStrictEqual({
      configuration: {
        version: 1,
        concurrency: { total: 4, per_harness: {}, max_waiting: 10_000 },
        defaults: {
          harness: 'claude_code',
          max_attempts: 3,
          timeout: 3_600_000,
          max_output: 67_108_864,
          gate_timeout: 900_000,
          first_output: 120_000,
          stall: 300_000,
          min_free_disk: 268_435_456,
          blocked_limit: 86_400_000,
        },
        retry: {},
        prices: {},
        watchdogs: {
          same_call: { warn: 5, stop: 30 },
          same_failure: { warn: 5, stop: 20 },
          unchanged_turns: { warn: 40, stop: 0 },
          empty_turns: { warn: 5, stop: 20 },
          end_grace: 120_000,
        },
        supervision: { containment: 'auto', unsupervised_limit: 600_000 },
        telemetry: {
          health: false,
          spans: [],
          max_spans: 500,
          content: false,
          redact: [],
          destinations: {},
          retain: 2_592_000_000,
          max_pending: 50_000,
        },
        listen: { socket: true, hosts: [] },
        harnesses: {},
      },
      plugins: { claude_code: '@singletree/harness-claude', codex: '@singletree/harness-codex', opencode: '@singletree/harness-opencode' },
    });
  });

  test.each(['', '# nothing\n', '{}\n', '---\n'])('of %j is the same as none', (text) => {
    expect(load(text).configuration).toStrictEqual(loadConfiguration(undefined, {}).configuration);
  });

  test('says what the file says', () => {
    const text = `
version: 1
concurrency: { total: 8, per_harness: { codex: 2 } }
defaults: { harness: codex, permissions: edits, max_attempts: 5, timeout: 1h30m, max_output: 1048576, gate_timeout: 90s }
harnesses:
  codex:
    executable: /opt/codex
    model: gpt-5
    base_url: http://127.0.0.1:4000
    api_key: { command: [pass, show, codex] }
    env: { HTTPS_PROXY: "http://proxy:3128" }
    args: [--verbose]
    options: { anything: [1] }
`;
    expect(load(text)).toMatchObject({
      file,
      configuration: {
        concurrency: { total: 8, per_harness: { codex: 2 }, max_waiting: 10_000 },
        defaults: {
          harness: 'codex',
          permissions: 'edits',
          max_attempts: 5,
          timeout: 5_400_000,
          max_output: 1_048_576,
          gate_timeout: 90_000,
        },
        harnesses: {
          codex: {
            executable: '/opt/codex',
            model: 'gpt-5',
            base_url: 'http://127.0.0.1:4000',
            api_key: { command: ['pass', 'show', 'codex'] },
            env: { HTTPS_PROXY: 'http://proxy:3128' },
            args: ['--verbose'],
            options: { anything: [1] },
          },
        },
      },
    });
  });

  test('changes rules of the retry table, in the words of the life cycle', () => {
    const text = `
retry:
  harness_crashed: { retry: true, charged: false, session: fresh, initial: 0, factor: 1.5, cap: 90s, jitter: 0, max_retries: 0 }
  stalled: { initial: 250ms }
  lost: {}
`;
    expect(retryOverrides(load(text).configuration)).toStrictEqual({
      harness_crashed: { retry: true, charged: false, session: 'fresh', initialMs: 0, factor: 1.5, capMs: 90_000, jitter: 0, most: 0 },
      stalled: { initialMs: 250 },
      lost: {},
    });
  });

  test('has prices and secrets', () => {
    const rates = {
      input: 3,
      output: 15,
      cache_read: 0.3,
      cache_write: 3.75,
      cache_write_1h: 6,
      tiers: [{ above: 200_000, input: 6, output: 22.5 }],
    };
    const secrets = { GITHUB_TOKEN: { env: 'TOKEN' }, OTHER: { file: '/run/other' }, THIRD: { command: ['pass', 'third'] } };
    const text = JSON.stringify({ prices: { 'openrouter/x': rates, 'ollama/*': 'free', '*': 'free' }, harnesses: { codex: { secrets } } });
    expect(load(text).configuration).toMatchObject({
      prices: { 'openrouter/x': rates, 'ollama/*': 'free', '*': 'free' },
      harnesses: { codex: { secrets } },
    });
  });

  test.each([
    ['{ warn: 10 }', { warn: 10, stop: 30 }],
    ['{ stop: 60 }', { warn: 5, stop: 60 }],
    ['{ stop: 0 }', { warn: 5 }],
    ['{ warn: 0 }', { stop: 30 }],
    ['{ warn: 40, stop: 0 }', { warn: 40 }],
    ['{}', { warn: 5, stop: 30 }],
  ])('changes of a watchdog what it says and nothing else: %s', (text, threshold) => {
    const { configuration } = load(`watchdogs: { same_call: ${text} }\n`);
    expect(watchdogThresholds(configuration)).toStrictEqual({
      sameCall: threshold,
      sameFailure: { warn: 5, stop: 20 },
      emptyTurns: { warn: 5, stop: 20 },
      unchangedTurns: { warn: 40 },
      endGraceMs: 120_000,
    });
  });

  test('adds plugins by package name, or by a path from its own folder', () => {
    const { plugins } = load(
      'harnesses:\n  mine: { plugin: ./mine.ts }\n  yours: { plugin: their-plugin }\n  codex: { plugin: /abs/codex.ts }\n',
    );
    expect(plugins).toMatchObject({ mine: join(folder, 'mine.ts'), yours: 'their-plugin', codex: '/abs/codex.ts' });
    expect(plugins).toMatchObject({ claude_code: '@singletree/harness-claude' });
  });
});

describe('where it is read', () => {
  const named = (name: string, total: number): string => {
    const path = join(folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `concurrency: { total: ${total} }\n`);
    return path;
  };
  const flag = named('flag.yaml', 2);
  const variable = named('variable.yaml', 3);
  named('xdg/singletree/config.yaml', 5);
  named('home/.config/singletree/config.yaml', 6);
  const environment = { SINGLETREE_CONFIG: variable, XDG_CONFIG_HOME: join(folder, 'xdg'), HOME: join(folder, 'home') };

  test.each([
    [flag, environment, 2],
    [undefined, environment, 3],
    [undefined, { ...environment, SINGLETREE_CONFIG: undefined }, 5],
    [undefined, { HOME: join(folder, 'home') }, 6],
    [undefined, { HOME: join(folder, 'home'), XDG_CONFIG_HOME: '' }, 6],
    [undefined, {}, 4],
  ])('%s, %j', (path, variables, total) => {
    expect(loadConfiguration(path, variables).configuration.concurrency.total).toBe(total);
  });

  test.each([
    [join(folder, 'missing.yaml'), {}],
    [undefined, { SINGLETREE_CONFIG: join(folder, 'missing.yaml') }],
    [folder, {}],
  ])('a file that was named must be there: %s %j', (path, variables) => {
    expect(() => loadConfiguration(path, variables)).toThrow(/^cannot read the configuration file \/.*: E(NOENT|ISDIR)/);
  });

  test('one that cannot be read is told, also at the default place', () => {
    mkdirSync(join(folder, 'odd/singletree/config.yaml'), { recursive: true });
    expect(() => loadConfiguration(undefined, { XDG_CONFIG_HOME: join(folder, 'odd') })).toThrow(/EISDIR/);
  });
});

describe('what is wrong is told with its line, and what would be right', () => {
  test.each([
    ['concurency:\n  total: 3\n', `unknown key "concurency" in FILE, line 1\n${topKeys}\ndid you mean concurrency?`],
    ['version: 1\nxyzzy: 3\n', `unknown key "xyzzy" in FILE, line 2\n${topKeys}`],
    [
      'concurrency:\n  total: 3\n\n  totl: 4\n',
      'unknown key "concurrency.totl" in FILE, line 4\nknown keys: total, per_harness, max_waiting\ndid you mean total?',
    ],
    [
      'defaults:\n  max_atempts: 3\n',
      'unknown key "defaults.max_atempts" in FILE, line 2\nknown keys: harness, permissions, max_attempts, timeout, max_output, gate_timeout, attempt_timeout, first_output, stall, max_turns, max_tokens, max_cost_usd, max_context, min_free_disk, blocked_limit\ndid you mean max_attempts?',
    ],
    ['retry:\n  stall: {}\n', `unknown key "retry.stall" in FILE, line 2\nknown keys: ${retriable}\ndid you mean stalled?`],
    [
      'retry:\n  lost: {}\n  timeout:\n    retry: true\n',
      `retry.timeout in FILE, line 3: a task is never tried again for this reason\nreasons with a rule: ${retriable}`,
    ],
    [
      'retry:\n  lost:\n    charged: false\n    most: 3\n',
      'unknown key "retry.lost.most" in FILE, line 4\nknown keys: retry, charged, session, initial, factor, cap, jitter, max_retries',
    ],
    ['retry: { lost: never }\n', 'retry.lost in FILE, line 1: expected a mapping such as { retry: false }'],
    ['retry: { lost: { retry: never } }\n', 'retry.lost.retry in FILE, line 1: expected true or false'],
    ['retry: { lost: { factor: 0.5 } }\n', 'retry.lost.factor in FILE, line 1: expected a number from 1 to 10, got 0.5'],
    ['retry: { lost: { initial: 5 } }\n', 'retry.lost.initial in FILE, line 1: expected a duration such as 30s, or 0'],
    ['retry: { lost: { max_retries: 101 } }\n', 'retry.lost.max_retries in FILE, line 1: expected a whole number from 0 to 100, got 101'],
    [
      'watchdogs:\n  same_call: { wran: 3 }\n',
      'unknown key "watchdogs.same_call.wran" in FILE, line 2\nknown keys: warn, stop\ndid you mean warn?',
    ],
    [
      'watchdogs:\n  same_call: { warn: 9, stop: 9 }\n',
      'watchdogs.same_call in FILE, line 2: warn must be less than stop, and they are 9 and 9; 0 is for never',
    ],
    [
      'watchdogs:\n  same_call: { stop: 3 }\n',
      'watchdogs.same_call in FILE, line 2: warn must be less than stop, and they are 5 and 3; 0 is for never',
    ],
    [
      'watchdogs: { same_call: { stop: 1 } }\n',
      'watchdogs.same_call.stop in FILE, line 1: expected a whole number, 2 or more, or 0 for never, got 1',
    ],
    ['watchdogs: { same_call: 5 }\n', 'watchdogs.same_call in FILE, line 1: expected a mapping such as { warn: 5, stop: 20 }'],
    ['version: 1\nretry:\n', 'retry in FILE, line 2: expected a mapping of keys to values, found nothing: leave the key out'],
    ['harnesses:\n  codex:\n', 'harnesses.codex in FILE, line 2: expected a mapping of keys to values, found nothing: leave the key out'],
    ['concurrency: 4\n', 'concurrency in FILE, line 1: expected a mapping of keys to values, found a number'],
    ['defaults: { max_output: 9999999GiB }\n', 'defaults.max_output in FILE, line 1: a size must be less than 8192 TiB'],
    ['defaults: { min_free_disk: 9999999GiB }\n', 'defaults.min_free_disk in FILE, line 1: a size must be less than 8192 TiB'],
    [
      'supervision: { containment: docker }\n',
      'supervision.containment in FILE, line 1: expected one of auto, marker, cgroup, pid_namespace',
    ],
    [
      'supervision: { unsupervised_limit: 999ms }\n',
      'supervision.unsupervised_limit in FILE, line 1: must be at least 1s: a daemon that is well takes up to a quarter of a second to vouch again',
    ],
    [
      'telemetry:\n  destinations:\n    otlp: { endpoint: "http://h" }\n',
      'telemetry.destinations.otlp in FILE, line 3: otlp is the destination that the OTEL_ variables speak of: call this one otherwise',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "h:4318" }\n',
      'telemetry.destinations.lab.endpoint in FILE, line 3: expected an http or https URL',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "https://me:secret@h" }\n',
      'telemetry.destinations.lab.endpoint in FILE, line 3: a name and password belong in headers, as { authorization: { env: NAME } }',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "http://h", headers: { key: secret } }\n',
      'telemetry.destinations.lab.headers.key in FILE, line 3: expected one of { env: NAME }, { file: PATH } or { command: [ … ] }; the key itself never stands in the configuration',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "https://h", certificate: ca.pem }\n',
      'telemetry.destinations.lab.certificate in FILE, line 3: a PEM file is named by an absolute path',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpont: "https://h" }\n',
      'unknown key "telemetry.destinations.lab.endpont" in FILE, line 3\nknown keys: endpoint, protocol, headers, compression, timeout, certificate, client_certificate, client_key, signals\ndid you mean endpoint?',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "https://h", protocol: GRPC }\n',
      'telemetry.destinations.lab.protocol in FILE, line 3: expected one of http/protobuf, grpc',
    ],
    [
      'telemetry:\n  destinations:\n    lab: { endpoint: "https://h", signals: [] }\n',
      'telemetry.destinations.lab.signals in FILE, line 3: expected traces, metrics, or both',
    ],
    ['telemetry: { redact: token }\n', 'telemetry.redact in FILE, line 1: expected a list, such as [ … ], found a text'],
    ['defaults: { blocked_limit: 366d }\n', 'defaults.blocked_limit in FILE, line 1: a duration must be at most 365d'],
    [
      'harnesses:\n  codex:\n    modle:\n      gpt-5\n',
      'unknown key "harnesses.codex.modle" in FILE, line 3\nknown keys: plugin, executable, model, base_url, api_key, env, secrets, args, options, telemetry\ndid you mean model?',
    ],
    ['harnesses:\n  claud:\n    model: x\n', `unknown harness "claud" in FILE, line 2\n${builtIn}\ndid you mean claude_code?`],
    ['defaults:\n  timeout: 1h\n  harness: codx\n', `unknown harness "codx" in FILE, line 3\n${builtIn}\ndid you mean codex?`],
    ['concurrency:\n  per_harness:\n    xyzzy: 2\n', `unknown harness "xyzzy" in FILE, line 3\n${builtIn}`],
    ['harnesses:\n  Claude:\n    plugin: x\n', 'harnesses.Claude in FILE, line 2: a harness id is lower case, with underscores'],
    ['harnesses:\n  codex:\n    env:\n      1X: a\n', 'harnesses.codex.env.1X in FILE, line 4: not a variable name'],
    ['harnesses:\n  codex:\n    args:\n      - a\n      - 2\n', 'harnesses.codex.args.1 in FILE, line 5: expected a text, found a number'],
    ['harnesses:\n  codex:\n    base_url: ftp://x\n', 'harnesses.codex.base_url in FILE, line 3: expected an http or https URL'],
    [
      'harnesses:\n  codex:\n    api_key: sk-secret\n',
      'harnesses.codex.api_key in FILE, line 3: expected one of { env: NAME }, { file: PATH } or { command: [ … ] }; the key itself never stands in the configuration',
    ],
    [
      'harnesses:\n  codex:\n    secrets:\n      TOKEN: ghp_secret\n',
      'harnesses.codex.secrets.TOKEN in FILE, line 4: expected one of { env: NAME }, { file: PATH } or { command: [ … ] }; the key itself never stands in the configuration',
    ],
    ...['PATH', 'HOME', 'XDG_DATA_HOME', 'SINGLETREE_PROCESS', 'SINGLETREE_X'].map((name) => [
      `harnesses:\n  codex:\n    secrets:\n      ${name}: { env: A }\n`,
      `harnesses.codex.secrets.${name} in FILE, line 4: PATH, HOME, XDG_… and SINGLETREE_… say where things are: they are no secrets`,
    ]),
    ['harnesses:\n  codex:\n    secrets: { A-B: { env: A } }\n', 'harnesses.codex.secrets.A-B in FILE, line 3: not a variable name'],
    [
      'harnesses:\n  codex:\n    env: { A: x }\n    secrets:\n      A: { env: A }\n',
      'harnesses.codex.secrets.A in FILE, line 5: the variable stands in env too: leave one of them out',
    ],
    [
      'prices: { m: fre }\n',
      'prices.m in FILE, line 1: expected free, or a mapping such as { input: 3, output: 15 } in US dollars per million tokens',
    ],
    [
      'prices:\n  m:\n',
      'prices.m in FILE, line 2: expected free, or a mapping such as { input: 3, output: 15 } in US dollars per million tokens',
    ],
    ['prices:\n  m: { input: 3 }\n', 'prices.m.output in FILE, line 2: expected a number from 0 to 1000000, got undefined'],
    [
      'prices:\n  gpt-5.6:\n    input: 3\n    outptu: 4\n    output: 15\n',
      'unknown key "prices.gpt-5.6.outptu" in FILE, line 4\nknown keys: input, output, cache_read, cache_write, cache_write_1h, tiers\ndid you mean output?',
    ],
    [
      'prices:\n  m:\n    input: 3\n    output: 15\n    tiers:\n      - { above: 200, inptu: 4 }\n',
      'unknown key "prices.m.tiers.0.inptu" in FILE, line 6\nknown keys: above, input, output, cache_read, cache_write, cache_write_1h\ndid you mean input?',
    ],
    ['prices:\n  m:\n    input: -3\n    output: 15\n', 'prices.m.input in FILE, line 3: expected a number from 0 to 1000000, got -3'],
    [
      'prices: { m: { input: 3, output: 15, cache_write_1h: 6 } }\n',
      'prices.m in FILE, line 1: cache_write_1h needs cache_write beside it',
    ],
    [
      'prices: { m: { input: 3, output: 15, tiers: [{ above: 9, cache_read: 1 }] } }\n',
      'prices.m in FILE, line 1: a tier has cache_read, so that smaller calls need it too',
    ],
    ['prices: { a*b: free }\n', 'prices.a*b in FILE, line 1: a model is a name without spaces; a * stands at its end only'],
    ['version: 2\n', 'version in FILE, line 1: this program reads version 1'],
    ['concurrency: { total: 0 }\n', 'concurrency.total in FILE, line 1: expected a whole number from 1 to 1000, got 0'],
    ['concurrency: { total: 1001 }\n', 'concurrency.total in FILE, line 1: expected a whole number from 1 to 1000, got 1001'],
    [
      'concurrency: { per_harness: { codex: 1.5 } }\n',
      'concurrency.per_harness.codex in FILE, line 1: expected a whole number, 1 or more, got 1.5',
    ],
    ['defaults: { max_attempts: many }\n', 'defaults.max_attempts in FILE, line 1: expected a whole number from 1 to 20, got "many"'],
    ['defaults: { timeout: 90 }\n', 'defaults.timeout in FILE, line 1: expected a duration such as 90s, 5m or 1h30m'],
    ['defaults: { timeout: 5 min }\n', 'defaults.timeout in FILE, line 1: "5 min" is not a duration; write for example 90s, 5m or 1h30m'],
    ['defaults: { timeout: 0s }\n', 'defaults.timeout in FILE, line 1: a duration must be longer than 0'],
    ['defaults: { max_output: 5kb }\n', 'defaults.max_output in FILE, line 1: "5kb" is not a size; write for example 64MiB'],
    ['defaults: { max_output: 0 }\n', 'defaults.max_output in FILE, line 1: a size must be larger than 0'],
    ['defaults: { permissions: root }\n', 'defaults.permissions in FILE, line 1: expected one of all, edits, read'],
    ['- a\n', 'FILE: expected a mapping of keys to values'],
    ['just text\n', 'FILE: expected a mapping of keys to values'],
    ['a: 1\ndefaults: [\n', 'FILE, line 3: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['version: 1\nversion: 1\n', 'FILE, line 2: Map keys must be unique'],
  ])('%j', (text, message) => expect(refusal(text)).toBe(message));
});

describe('a variable sets one value above the file', () => {
  test.each([
    ['SINGLETREE_CONCURRENCY_TOTAL', '8', { concurrency: { total: 8 } }],
    ['SINGLETREE_CONCURRENCY_PER_HARNESS', '{ codex: 1 }', { concurrency: { total: 2, per_harness: { codex: 1 } } }],
    ['SINGLETREE_DEFAULTS_TIMEOUT', '90s', { defaults: { timeout: 90_000 } }],
    ['SINGLETREE_RETRY_STALLED_MAX_RETRIES', '0', { retry: { stalled: { max_retries: 0 } } }],
    ['SINGLETREE_WATCHDOGS_UNCHANGED_TURNS_STOP', '50', { watchdogs: { unchanged_turns: { stop: 50 } } }],
    ['SINGLETREE_PRICES', '{ "ollama/*": free }', { prices: { 'ollama/*': 'free' } }],
    ['SINGLETREE_HARNESSES_CODEX_SECRETS', '{ A: { env: B } }', { harnesses: { codex: { secrets: { A: { env: 'B' } } } } }],
    ['SINGLETREE_WATCHDOGS_END_GRACE', '2s', { watchdogs: { end_grace: 2_000 } }],
    ['SINGLETREE_SUPERVISION_CONTAINMENT', 'marker', { supervision: { containment: 'marker' } }],
    ['SINGLETREE_HARNESSES_CLAUDE_CODE_BASE_URL', 'http://127.0.0.1:1', { harnesses: { claude_code: { base_url: 'http://127.0.0.1:1' } } }],
    ['SINGLETREE_HARNESSES_CLAUDE_CODE_API_KEY', '{ env: KEY }', { harnesses: { claude_code: { api_key: { env: 'KEY' } } } }],
    ['SINGLETREE_HARNESSES_MINE_MODEL', 'x: [y', { harnesses: { mine: { model: 'x: [y', plugin: 'm' } } }],
  ])('%s=%s', (name, value, configuration) => {
    expect(load('concurrency: { total: 2 }\nharnesses: { mine: { plugin: m } }\n', { [name]: value })).toMatchObject({ configuration });
  });

  test.each([
    [
      { SINGLETREE_CONCURENCY_TOTAL: '8' },
      'unknown environment variable SINGLETREE_CONCURENCY_TOTAL\ndid you mean SINGLETREE_CONCURRENCY_TOTAL?',
    ],
    [{ SINGLETREE_TOKENS: 'x' }, 'unknown environment variable SINGLETREE_TOKENS\ndid you mean SINGLETREE_TOKEN?'],
    [
      { SINGLETREE_TELEMETRY_DESTINATIONS_LAB_ENDPOINT: 'x' },
      'unknown environment variable SINGLETREE_TELEMETRY_DESTINATIONS_LAB_ENDPOINT\nSINGLETREE_TELEMETRY_DESTINATIONS sets the whole mapping, as YAML; a single value of it stands in the file',
    ],
    [
      { SINGLETREE_TELEMETRY_DESTINATIONS: '{ lab: { endpoint: x } }' },
      'telemetry.destinations.lab.endpoint in environment variable SINGLETREE_TELEMETRY_DESTINATIONS: expected an http or https URL',
    ],
    [{ SINGLETREE_HARNESSES_MINE_MODEL: 'x' }, /^unknown environment variable SINGLETREE_HARNESSES_MINE_MODEL/],
    [
      { SINGLETREE_CONCURRENCY_TOTAL: 'x' },
      'concurrency.total in environment variable SINGLETREE_CONCURRENCY_TOTAL: expected a whole number from 1 to 1000, got "x"',
    ],
    [{ SINGLETREE_DEFAULTS_TIMEOUT: '' }, /^defaults\.timeout in environment variable SINGLETREE_DEFAULTS_TIMEOUT: "" is not a duration/],
    [
      { SINGLETREE_DEFAULTS_HARNESS: 'codx' },
      `unknown harness "codx" in environment variable SINGLETREE_DEFAULTS_HARNESS\n${builtIn}\ndid you mean codex?`,
    ],
  ])('%j is refused by its name', (environment, message) => expect(refusal('', environment)).toMatch(message));

  test('those that mean something else are left alone', () => {
    const names = [
      'CONFIG',
      'STATE',
      'ADDRESS',
      'TOKEN',
      'PROCESS',
      'USER_PATH',
      'FAILPOINTS',
      'FAILPOINT_DIR',
      'LOG_LEVEL',
      'TEST_FULL',
      'TEST_SEED',
    ];
    const reserved = Object.fromEntries(names.map((name) => [`SINGLETREE_${name}`, 'x']));
    expect(load('', { ...reserved, SINGLETREEHOUSE: 'x' }).configuration).toStrictEqual(load('').configuration);
  });
});

describe('a hash', () => {
  test('tells configurations apart by what they say, not by where', () => {
    const hash = configurationHash(load('concurrency: { total: 8 }\n'));
    expect(configurationHash(load('', { SINGLETREE_CONCURRENCY_TOTAL: '8' }))).toBe(hash);
    expect(configurationHash(load('# eight\nconcurrency:\n  total: 8\n'))).toBe(hash);
    expect(configurationHash(load('concurrency: { total: 9 }\n'))).not.toBe(hash);
    expect(configurationHash(load('concurrency: { total: 8 }\nharnesses: { codex: { plugin: mine } }\n'))).not.toBe(hash);
  });

  test('of the OTEL_ variables knows no order and nothing else', () => {
    const hash = otelHash({ OTEL_A: '1', OTEL_B: '2' });
    expect(otelHash({ OTEL_B: '2', PATH: '/bin', OTEL_A: '1' })).toBe(hash);
    expect(otelHash({ OTEL_A: '1', OTEL_B: '3' })).not.toBe(hash);
    expect(otelHash({ OTEL_A: '1' })).not.toBe(hash);
  });
});
