import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine, type Typed } from '../support/machine.ts';
import { commands, install, root, writeFiles } from '../../packages/cli/src/harness/page.testsuite.ts';

let machine: Machine;
beforeAll(async () => void (machine = await Machine.make()));
afterAll(async () => await machine[Symbol.asyncDispose]());

const json = (typed: Typed): unknown => JSON.parse(typed.stdout);

test('harness decode --summary --json has the fields of the contract, and no others', async () => {
  const edit = join(root, 'packages/harness-claude/fixtures/2.1.329/success-with-edit.jsonl');
  const { code, stdout } = await machine.type(['harness', 'decode', 'claude_code', edit, '--summary', '--json']);
  const usage = {
    uncached_input_tokens: 1016,
    cache_read_input_tokens: 91_700,
    cache_write_input_tokens: 1650,
    output_tokens: 101,
    reasoning_output_tokens: 0,
    provenance: 'reported',
  };
  expect(JSON.parse(stdout)).toEqual({
    harness: 'claude_code',
    cli_version: '2.1.329',
    session_id: '1989ed88-7943-4387-971d-ae4eaefa7c75',
    model: 'claude-sonnet-4-5-20250929',
    turns: 3,
    usage,
    usage_by_model: { 'claude-sonnet-4-5-20250929': usage },
    cost_usd_micros: 38_260,
    cost_source: 'harness',
    context: { compactions: 0, window_tokens: 200_000, final_tokens: 31_659, peak_tokens: 31_659 },
    tools: { Write: 1, Bash: 1 },
    files_changed: 1,
    api_retries: 0,
    permission_denials: 0,
    unknown_events: 0,
    ended: { kind: 'completed' },
  });
  expect(code).toBe(0);
  // No daemon was needed.
  expect(machine.daemons()).toEqual([]);
});

test('harnesses show tells all about one, without a daemon and without a value of its environment', async () => {
  const executable = join(machine.path, 'claude');
  writeFileSync(executable, '#!/bin/sh\necho "2.1.197 (Claude Code)"\n');
  chmodSync(executable, 0o755);
  const config = join(machine.path, 'show.yaml');
  const claude = {
    executable,
    api_key: { env: 'CLAUDE_KEY' },
    env: { PROXY: 'http://u:secret@proxy' },
    options: { allow_root: false },
    telemetry: true,
  };
  writeFileSync(config, JSON.stringify({ harnesses: { claude_code: claude } }));
  const typing = { env: { SINGLETREE_CONFIG: config, CLAUDE_KEY: 'a-secret-key' } };
  const shown = await machine.type(['harnesses', 'show', 'claude_code', '--json'], typing);
  expect(shown.stdout).not.toMatch(/secret/);
  expect(json(shown)).toMatchObject({
    id: 'claude_code',
    plugin: '@singletree/harness-claude',
    plugin_version: expect.any(String) as string,
    specification_version: 'harness/v1',
    status: 'ready',
    version: '2.1.197',
    supported_versions: expect.stringContaining('2.1.329') as string,
    executable,
    capabilities: {
      resume: true,
      usage: { scope: 'model_call', counts: 'delta' },
      session_files: true,
      telemetry: { traces: 'joins', transports: ['http', 'grpc'] },
    },
    telemetry: true,
    permission_modes: ['all', 'edits', 'read'],
    options: { allow_root: false },
    options_schema: { type: 'object', properties: { allow_root: { type: 'boolean', default: true } }, additionalProperties: false },
    api_key_variable: 'ANTHROPIC_API_KEY',
    environment: expect.arrayContaining(['HOME', 'PATH', 'PROXY', 'ANTHROPIC_API_KEY', 'DISABLE_AUTOUPDATER']) as string[],
    known_limits: expect.arrayContaining([{ versions: '2.1.197', text: expect.any(String) as string, applies: true }]) as object[],
  });
  const { stdout } = await machine.type(['harnesses', 'show', 'claude_code'], typing);
  expect(stdout).toMatch(/✓ claude_code · Claude Code · ready · 2\.1\.197\n/);
  expect(stdout).toMatch(/its own traces +join those of the task, below its attempts; on, by harnesses\.claude_code\.telemetry\n/);
  expect(stdout).toMatch(/options +allow_root = false \(boolean\) · /);
  expect(stdout).toMatch(/^ +2\.1\.197: /m);
});

test('harness record gives away neither paths nor keys nor names, and brings the session file', async () => {
  await using own = await Machine.make();
  const fake = {
    plugin: '@singletree/testing/fake-harness',
    options: { script: own.script },
    env: { PROXY: 'http://u:pass-word@proxy' },
    api_key: { env: 'FAKE_KEY' },
  };
  own.configure({ harnesses: { fake } });
  own.follow([
    { call: { input: 40, output: 3 } },
    { say: `In ${own.repo.path} of ${own.env['HOME']} by marvin-7 with key-of-fake and http://u:pass-word@proxy` },
    { write: { path: 'made.txt', content: 'x' } },
  ]);
  const env = { USER: 'marvin-7', FAKE_KEY: 'key-of-fake' };
  expect((await own.type(['run', '--quiet', 'Say where you are'], { env })).code).toBe(0);
  const out = join(own.path, 'fixtures');
  const record = ['harness', 'record', '-', '--out', out, '--name', 'told'];
  const { code, stdout, stderr } = await own.type([...record, '--json'], { env });
  expect([code, stderr]).toEqual([0, expect.not.stringContaining('left out') as string]);
  const { files } = JSON.parse(stdout) as { files: string[] };
  const folder = join(out, '1.0.0');
  const session = ['stdout.jsonl', 'file-0.jsonl', 'case.json'].map((name) => join(folder, 'sessions/told', name));
  expect(files).toEqual([join(folder, 'told.jsonl'), join(folder, 'told.expected.json'), ...session]);
  const texts = files.map((file) => readFileSync(file, 'utf8')).join('');
  expect(texts).toContain('In /repository of /home/user by user with REMOVED and REMOVED');
  expect(texts).not.toMatch(new RegExp([own.path, 'marvin', 'key-of-fake', 'pass-word'].join('|')));
  const expected = JSON.parse(readFileSync(files[1] ?? '', 'utf8')) as object;
  expect(expected).toMatchObject({ expected: { total: { uncachedInputTokens: 40, outputTokens: 3 }, turns: 1, subagents: null } });
  const again = await own.type(record, { env });
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('is there already\n  give another --name')]);
});

test('the tutorial works as it is written: a task runs, and becomes a recording that the plugin keeps every rule with', async () => {
  const plugin = join(machine.path, 'singletree-harness-owl');
  const files = writeFiles(machine.path);
  expect(files).toEqual(['bin/owl', 'singletree-harness-owl/index.js', 'singletree-harness-owl/package.json', 'config.yaml']);
  expect(readFileSync(join(plugin, 'index.js'), 'utf8').split('\n').length).toBeLessThan(100);
  install(plugin);
  symlinkSync(process.execPath, join(machine.path, 'bin/node'));
  writeFileSync(join(machine.path, 'bin/singletree'), `#!/bin/sh\nexec node ${join(root, 'packages/cli/src/main.ts')} "$@"\n`);
  chmodSync(join(machine.path, 'bin/singletree'), 0o755);

  const typed: Typed[] = [];
  for (const line of commands()) {
    const said = await shell(line);
    expect(said.code, `${line}\n${said.stdout}${said.stderr}`).toBe(0);
    typed.push(said);
  }
  const [shown, ran, recorded, , conforms, decoded] = typed.map(({ stdout }) => stdout);
  expect(shown).toContain('nest = "oak" (string) · The tree that it sits in.');
  expect(ran).toContain('I have read');
  expect(recorded).toBe(
    'singletree-harness-owl/fixtures/1.4.0/greeting.jsonl\nsingletree-harness-owl/fixtures/1.4.0/greeting.expected.json\n',
  );
  expect(conforms).toMatch(/✓ package +4 cases\n/);
  expect(conforms).toMatch(/keeps every rule\n$/);
  expect(decoded).toContain('500 uncached input · 2,000 cache read · 55 output · 20 reasoning · reported');
}, 120_000);

async function shell(line: string): Promise<Typed> {
  const env = { ...machine.env, PATH: `${join(machine.path, 'bin')}:${machine.env['PATH']}` };
  const child = spawn('/bin/sh', ['-c', line], { cwd: machine.path, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}
