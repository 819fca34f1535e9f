import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Probe } from '@singletree/harness';
import { afterAll, describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { createCatalogue } from './catalogue.ts';
import { findExecutable } from './executable.ts';
import { keyReader, type KeySource } from './key.ts';
import { loadPlugin, type HarnessConfiguration } from './load.ts';
import { probeWith } from './probe.ts';
import type { HarnessExport } from './telemetry.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-plugins-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string, mode = 0o644): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

/** A plugin's module. Its options take a number `level` and nothing else. */
function pluginNamed(id: string, set = ''): string {
  return `
    const options = { safeParse: (value) => typeof value.level === 'number' || Object.keys(value).length === 0
      ? { success: true, data: { level: value.level ?? 1 } }
      : { success: false, error: { issues: [{ path: ['level'], message: 'expected a number' }] } } };
    export default { specificationVersion: 'harness/v1', harnessId: '${id}', displayName: 'Agent', defaultExecutable: 'agent', options, capabilities: {},
      command() {}, decoder() {}, probe: async () => ({ status: 'ready', version: '1' }), ${set} };`;
}

const installed = join(folder, 'installed');
const own = join(folder, 'own');
write('installed/node_modules/agent-plugin/package.json', '{"name":"agent-plugin","type":"module","main":"index.js"}');
write('installed/node_modules/agent-plugin/index.js', pluginNamed('agent'));
write('own/node_modules/own-plugin/package.json', '{"name":"own-plugin","type":"module","main":"index.js"}');
write('own/node_modules/own-plugin/index.js', pluginNamed('agent'));
write(
  'own/node_modules/import-only/package.json',
  '{"name":"import-only","type":"module","exports":{".":{"types":"./x.d.ts","import":"./x.js"}}}',
);
write('own/node_modules/import-only/x.js', pluginNamed('agent'));
const agent = write('bin/agent', '#!/bin/sh\necho "agent 1.2.3"\n', 0o755);

const load = (plugin: string, set: Partial<HarnessConfiguration> = {}, telemetry?: HarnessExport) =>
  loadPlugin(
    'agent',
    { plugin, env: {}, secrets: {}, args: [], options: {}, telemetry: false, ...set },
    {
      resolveFrom: [installed, own],
      environment: { PATH: join(folder, 'bin') },
      ownEnvironment: { KEY: 'k' },
      monotonicMs: () => 0,
      telemetry,
    },
  );

describe('a plugin', () => {
  test.each([
    ['a package where the program is installed', 'agent-plugin'],
    ['a package beside the configuration', 'own-plugin'],
    ['a package that can only be imported', 'import-only'],
    ['a module by its path', write('module.mjs', pluginNamed('agent'))],
    ['the folder of a package with exports', join(own, 'node_modules/import-only')],
    ['the folder of a package with a main module', join(own, 'node_modules/own-plugin')],
  ])('is found: %s', async (_, source) => {
    expect(await load(source)).toMatchObject({
      id: 'agent',
      source,
      settings: { executable: agent, hasApiKey: false, options: { level: 1 } },
    });
  });

  test.each([
    ['nowhere', 'nowhere', /^harnesses\.agent\.plugin: cannot find "nowhere"$/, `looked from ${installed} and ${own}`],
    ['missing', join(folder, 'missing.mjs'), /missing\.mjs" cannot be loaded: Cannot find module/, ''],
    ['throws', write('throws.mjs', "throw new Error('not today');"), /throws\.mjs" cannot be loaded: not today$/, ''],
    ['no JavaScript', write('broken.mjs', 'export default {'), /broken\.mjs" cannot be loaded: /, ''],
    ['no default export', write('empty.mjs', 'export const x = 1;'), /has no harness of harness\/v1 as its default export$/, ''],
    ['default export is null', write('null.mjs', 'export default null;'), /has no harness of harness\/v1/, ''],
    [
      'another specification',
      write('v2.mjs', pluginNamed('agent', "specificationVersion: 'harness/v2'")),
      /v2\.mjs" is of the contract "harness\/v2", and this Singletree knows harness\/v1: another version of one of them is needed$/,
      '',
    ],
    ['no decoder', write('mute.mjs', pluginNamed('agent', 'decoder: undefined')), /is no whole harness: "decoder" is no function$/, ''],
    ['no options', write('bare.mjs', pluginNamed('agent', 'options: null')), /is no whole harness: "options" is no object$/, ''],
    ['another harness', write('other.mjs', pluginNamed('other')), /other\.mjs" drives "other", not "agent"$/, 'name the entry other'],
  ])('is refused: %s', async (_, source, message, hint) => {
    const error: unknown = await load(source).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({ reason: 'INVALID_CONFIGURATION', message: expect.stringMatching(message) as string });
    expect((error as DomainError).hint ?? '').toContain(hint);
  });

  test('brings its own options: a wrong one is told by its path', async () => {
    expect(await load('agent-plugin', { options: { level: 3 } })).toMatchObject({ settings: { options: { level: 3 } } });
    await expect(load('agent-plugin', { options: { level: 'high' } })).rejects.toMatchObject({
      reason: 'INVALID_CONFIGURATION',
      message: 'harnesses.agent.options.level: expected a number',
    });
  });

  test('gets what is configured, and no more', async () => {
    const plugin = await load('agent-plugin', {
      executable: 'not-there',
      model: 'm',
      baseUrl: 'http://x',
      apiKey: { env: 'KEY' },
      args: ['-v'],
      env: { A: '1' },
      secrets: { B: { env: 'KEY' }, C: { env: 'NOBODY' } },
    });
    expect(plugin.settings).toStrictEqual({
      executable: 'not-there',
      hasApiKey: true,
      args: ['-v'],
      options: { level: 1 },
      model: 'm',
      baseUrl: 'http://x',
    });
    expect(plugin.configuredEnvironment).toEqual({ A: '1' });
    expect(await plugin.apiKey?.()).toBe('k');
    expect(Object.keys(plugin.secrets)).toEqual(['B', 'C']);
    expect(await plugin.secrets['B']?.()).toBe('k');
    await expect(plugin.secrets['C']?.()).rejects.toThrow(/^harnesses\.agent\.secrets\.C: the daemon's environment has no NOBODY$/);
    expect(Object.keys((await load('agent-plugin')).settings)).toEqual(['executable', 'hasApiKey', 'args', 'options']);
  });

  test('runs the program that its executable only starts, where that is there', async () => {
    const wrapper = write('wrapped/bin/agent.js', '#!/bin/sh\n', 0o755);
    const native = write('wrapped/vendor/agent', '#!/bin/sh\n', 0o755);
    const executable = async (set: string): Promise<string> =>
      (await load(write('native.mjs', pluginNamed('agent', set)), { executable: wrapper })).settings.executable;
    const candidates = "nativeExecutables: (path) => [path + '.none', path.replace('bin/agent.js', 'vendor/agent')]";
    await expect(executable(candidates)).resolves.toBe(native);
  });

  test.each([
    ['there is none', "nativeExecutables: () => ['/no/such/program']"],
    ['it fails', "nativeExecutables: () => { throw new Error('no'); }"],
    ['it names no path', "nativeExecutables: () => ['agent']"],
  ])('runs its executable where %s', async (name, set) => {
    expect((await load(write(`${name}.mjs`, pluginNamed('agent', set)))).settings.executable).toBe(agent);
  });

  test('gets the variables of the user that it asks for; configured ones win', async () => {
    const source = write('asking.mjs', pluginNamed('agent', "environment: ['KEY', 'NOBODY', 'A']"));
    expect((await load(source, { env: { A: '1' } })).configuredEnvironment).toEqual({ KEY: 'k', A: '1' });
  });

  describe('with traces of its own', () => {
    const target = { transport: 'http', endpoint: 'http://collector:4318/v1/traces', timeoutMs: 10_000, resource: {} } as const;
    const to = { target, headers: { authorization: 'Bearer a,b', 'x-share': '100%' } };
    const by = (transport: 'http' | 'grpc'): string =>
      write(
        `sends-${transport}.mjs`,
        pluginNamed(
          'agent',
          `capabilities: { telemetry: { traces: 'joins', transports: ['${transport}'], headersVariable: 'AGENT_HEADERS' } }`,
        ),
      );
    const sending = (set: Partial<HarnessConfiguration> = {}) => load(by('http'), { telemetry: true, ...set }, to);

    test('is told where they go; the headers are secrets', async () => {
      const plugin = await sending();
      expect(plugin).toMatchObject({ wantsTelemetry: true, telemetry: target });
      expect(JSON.stringify(plugin)).not.toContain('Bearer');
      expect(await plugin.secrets['AGENT_HEADERS']?.()).toBe('authorization=Bearer a%2Cb,x-share=100%25');
    });

    test('keeps what the user has configured under the same name', async () => {
      expect((await sending({ env: { AGENT_HEADERS: 'mine=1' } })).secrets).toEqual({});
      const { secrets } = await sending({ secrets: { AGENT_HEADERS: { env: 'KEY' } } });
      expect(await secrets['AGENT_HEADERS']?.()).toBe('k');
    });

    test('is told nothing where it is not switched on, or where nothing is sent', async () => {
      const off = await sending({ telemetry: false });
      expect([off.wantsTelemetry, off.telemetry, off.secrets]).toEqual([false, undefined, {}]);
      const nowhere = await load(by('http'), { telemetry: true });
      expect([nowhere.wantsTelemetry, nowhere.telemetry, nowhere.secrets]).toEqual([true, undefined, {}]);
    });

    test('is refused where it could not send them, or has none', async () => {
      await expect(load(by('grpc'), { telemetry: true }, to)).rejects.toMatchObject({
        message: 'harnesses.agent.telemetry: Agent cannot send its traces by http',
        hint: 'set OTEL_EXPORTER_OTLP_PROTOCOL to grpc, with the address for it, or leave the key out',
      });
      await expect(load('agent-plugin', { telemetry: true })).rejects.toMatchObject({
        reason: 'INVALID_CONFIGURATION',
        message: 'harnesses.agent.telemetry: the plugin of Agent knows no traces of its own to switch on',
      });
    });
  });

  test('has no secret in the place of a variable that says where its files are', async () => {
    const source = write('placed.mjs', pluginNamed('agent', "environment: ['AGENT_HOME']"));
    await expect(load(source, { secrets: { AGENT_HOME: { env: 'KEY' } } })).rejects.toMatchObject({
      reason: 'INVALID_CONFIGURATION',
      message: 'harnesses.agent.secrets.AGENT_HOME: it says where files of the agent are, and is no secret',
      hint: 'put it into harnesses.agent.env',
    });
  });

  test('is got from the catalogue by its id; another id is refused with what is known', async () => {
    const catalogue = createCatalogue([await load('agent-plugin')]);
    expect(catalogue.get('agent').source).toBe('agent-plugin');
    expect(catalogue.all()).toHaveLength(1);
    expect(() => catalogue.get('agnet')).toThrow(
      expect.objectContaining({ reason: 'UNKNOWN_HARNESS', hint: 'known harnesses: agent\ndid you mean agent?' }) as Error,
    );
    expect(() => catalogue.get('xyzzy')).toThrow(expect.objectContaining({ hint: 'known harnesses: agent' }) as Error);
  });
});

describe('an executable', () => {
  write('plain/agent', 'text');
  mkdirSync(join(folder, 'directory/agent'), { recursive: true });
  mkdirSync(join(folder, 'linked'));
  symlinkSync(agent, join(folder, 'linked/agent'));
  const at = (...folders: string[]): string => folders.map((name) => join(folder, name)).join(':');

  test.each([
    ['on the PATH', 'agent', at('bin'), agent],
    ['behind what is no program', 'agent', at('missing', 'plain', 'directory', 'bin'), agent],
    ['by a link, as what it is', 'agent', at('linked'), agent],
    ['by an absolute path', agent, '', agent],
    ['not by a relative entry of the PATH', 'agent', 'bin:.:', undefined],
    ['not at all', 'agent', at('plain', 'directory'), undefined],
    ['not by an absolute path that is no program', join(folder, 'plain/agent'), at('bin'), undefined],
  ])('is found %s', async (_, name, path, found) => expect(await findExecutable(name, path)).toBe(found));
});

describe('a key', () => {
  const file = write('key', '  from-file\n');
  const script = (name: string, text: string): KeySource => ({ command: [write(name, `#!/bin/sh\n${text}\n`, 0o755), 'arg'] });
  const environment = { KEY: 'from-env', EMPTY: '', PATH: '/usr/bin:/bin', SHOWN: 'from-command' };
  const read = (source: KeySource) => keyReader('harnesses.agent.api_key', source, environment)();

  test.each<[string, KeySource]>([
    ['from-env', { env: 'KEY' }],
    ['from-file', { file }],
    ['from-command arg', script('show', 'echo "$SHOWN $1"')],
  ])('%s is read', async (key, source) => expect(await read(source)).toBe(key));

  test('is read again at each use', async () => {
    const rotated = write('rotated', 'one');
    const reader = keyReader('harnesses.agent.api_key', { file: rotated }, {});
    expect(await reader()).toBe('one');
    write('rotated', 'two');
    expect(await reader()).toBe('two');
  });

  test.each<[string, KeySource, string]>([
    ['variable missing', { env: 'NOBODY' }, "the daemon's environment has no NOBODY"],
    ['variable empty', { env: 'EMPTY' }, "the daemon's environment has no EMPTY"],
    ['file missing', { file: '/nowhere' }, 'cannot read a key from /nowhere'],
    ['file empty', { file: write('blank', ' \n') }, `cannot read a key from ${join(folder, 'blank')}`],
    ['command fails', script('fails', 'echo key; exit 3'), `${join(folder, 'fails')} gave no key (exit code 3)`],
    ['command says nothing', script('silent', 'exit 0'), `${join(folder, 'silent')} gave no key (exit code 0)`],
    ['command is killed', script('killed', 'kill -9 $$'), `${join(folder, 'killed')} gave no key (exit code SIGKILL)`],
    ['command not found', { command: ['/nowhere/show'] }, '/nowhere/show was not found'],
    ['command is no program', { command: [file] }, `${file} cannot be executed (EACCES)`],
    ['command empty', { command: [] }, 'the command is empty'],
    ['file with a NUL', { file: write('nul', 'a\0b') }, 'it holds a NUL, which no variable can'],
  ])('cannot be read: %s', async (_, source, message) => {
    await expect(read(source)).rejects.toMatchObject({ reason: 'INVALID_CONFIGURATION', message: `harnesses.agent.api_key: ${message}` });
  });
});

describe('a probe', () => {
  const ready: Probe = { status: 'ready', version: '1' };
  async function probing(answer: () => Promise<Probe>) {
    const { harness, settings } = await load('agent-plugin');
    let [now, asked] = [0, 0];
    const probe = probeWith({ ...harness, probe: async () => ((asked += 1), await answer()) }, settings, {}, () => now);
    return { probe, asked: () => asked, sleep: (ms: number) => (now += ms) };
  }

  test('is asked again when its answer is older than the caller allows', async () => {
    const { probe, asked, sleep } = await probing(async () => ready);
    await Promise.all([probe(60), probe(60)]);
    expect([await probe(0), asked()]).toEqual([ready, 1]);
    sleep(60);
    expect([await probe(60), asked()]).toEqual([ready, 1]);
    sleep(1);
    expect([await probe(60), asked()]).toEqual([ready, 2]);
    expect([await probe(100), asked()]).toEqual([ready, 2]);
  });

  test('that failed for the machine is not remembered', async () => {
    const answers = [() => Promise.reject(new Error('EMFILE')), () => Promise.resolve(ready)];
    const { probe, asked } = await probing(async () => await (answers.shift()?.() ?? ready));
    await expect(probe(60)).rejects.toThrow('EMFILE');
    expect([await probe(60), asked()]).toEqual([ready, 2]);
  });

  test.each([
    ['agent', agent, 'found', '1.2.3'],
    ['a program that is not there', '/nowhere/agent', 'missing', '/nowhere/agent was not found'],
    ['a program that tells no version', '/bin/true', 'missing', '/bin/true --version did not tell a version'],
  ])('asks a program for its version: %s', async (_, executable, key, text) => {
    const { harness } = await load('agent-plugin');
    const seen: unknown[] = [];
    const curious = {
      ...harness,
      probe: async (host: { version(args: string[], pattern: RegExp): Promise<unknown> }) => (
        seen.push(await host.version(['--version'], /(\d+\.\d+\.\d+)/)),
        ready
      ),
    };
    await probeWith(curious, { executable, hasApiKey: false, args: [], options: {} }, { PATH: '/usr/bin:/bin' }, () => 0)(0);
    expect(seen).toEqual([{ [key]: text }]);
  });

  test('sees files of the home folder and names of variables', async () => {
    const { harness, settings } = await load('agent-plugin');
    write('home/.agent/auth.json', '{}');
    const seen: unknown[] = [];
    const curious = {
      ...harness,
      probe: async (host: Parameters<typeof harness.probe>[0]) => {
        seen.push(
          await host.homeFileExists('.agent/auth.json'),
          await host.homeFileExists('.agent/none'),
          host.hasEnvironment('A'),
          host.hasEnvironment('B'),
        );
        return ready;
      },
    };
    await probeWith(curious, settings, { HOME: join(folder, 'home'), A: '' }, () => 0)(0);
    await probeWith(curious, settings, {}, () => 0)(0);
    await probeWith(curious, settings, {}, () => 0, ['B'])(0);
    expect(seen).toEqual([true, false, true, false, false, false, false, false, false, false, false, true]);
  });
});
