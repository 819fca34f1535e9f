import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { until } from '@singletree/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
beforeEach(async () => void (machine = await Machine.make()));
afterEach(async () => await machine[Symbol.asyncDispose]());

test('two runs at once start one daemon, and both are served', async () => {
  const both = await Promise.all([machine.type(['run', '--json', 'one']), machine.type(['run', '--json', 'two'])]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  for (const { stdout, stderr } of both) {
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'success' });
    expect(stderr).not.toMatch(/error|in use|warning/);
  }
  // One that lost may still be on its way out.
  const { daemonPid } = machine;
  await until(() => machine.daemons().every((pid) => pid === daemonPid), { what: 'one daemon to be left', timeoutMs: 10_000 });
  expect(machine.daemons()).toEqual([daemonPid]);
});

test('a daemon that is on its way out is waited for: who lost the lock tries again', async () => {
  mkdirSync(machine.state, { mode: 0o700 });
  const lock = new DatabaseSync(join(machine.state, 'lock.db'));
  lock.exec('BEGIN EXCLUSIVE');
  const { ended } = machine.start(['run', '--json', 'x']);
  const log = join(machine.state, 'daemon.log');
  await until(() => readFileSync(log, 'utf8').includes('STATE_FOLDER_IN_USE'), { what: 'the daemon to lose the lock', timeoutMs: 20_000 });
  lock.close();
  const { code, stdout, stderr } = await ended;
  expect([code, JSON.parse(stdout).outcome]).toEqual([0, 'success']);
  expect(stderr).not.toContain('in use');
});

test('one daemon a state folder: a second is refused with its pid; after kill -9 the folder is free at once', async () => {
  const up = await machine.type(['up', '--detach', '--json']);
  expect(up.code).toBe(0);
  const status = JSON.parse(up.stdout);
  expect(status).toMatchObject({
    pid: machine.daemonPid,
    state: machine.state,
    address: `unix:${machine.state}/singletree.sock`,
    kill_switch: [],
  });
  expect(status.tasks).toEqual({
    created: 0,
    assigned: 0,
    in_progress: 0,
    in_review: 0,
    blocked: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  });
  for (const argv of [['up'], ['up', '--detach']]) {
    const second = await machine.type(argv);
    expect(second).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(new RegExp(`with pid ${status.pid}\\b`)) });
    expect(second.stderr).toContain('singletree down');
  }

  await machine.killDaemon();
  expect(existsSync(join(machine.state, 'address.json'))).toBe(true);
  // The address of the dead one is not believed.
  expect(await machine.type(['status'])).toMatchObject({ code: 69 });
  expect(await machine.type(['run', 'x'])).toMatchObject({ code: 0 });
  expect(machine.daemonPid).not.toBe(status.pid);

  expect(await machine.type(['down'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^daemon \d+ has stopped\n$/) });
  expect(machine.daemons()).toEqual([]);
  expect(await machine.type(['down'])).toMatchObject({ code: 0, stderr: 'no daemon runs\n' });
});

test('up says what it is bound to, is quiet then, and Ctrl-C ends it; a daemon without work ends by itself', async () => {
  const env = { SINGLETREE_HARNESSES_CODEX_TELEMETRY: 'true' };
  const unsent = 'warning: harnesses.codex.telemetry: its traces are not sent: no OTEL_EXPORTER_OTLP_ENDPOINT\n';
  const { child, said, ended } = machine.start(['up'], { env });
  await until(() => said.stdout.includes('harnesses'), { what: 'the banner', timeoutMs: 20_000 });
  expect(said.stdout).toMatch(
    new RegExp(
      `^  singletree \\S+ · pid ${child.pid}\n\n  socket +unix:${machine.state}/singletree\\.sock\n  state +${machine.state}\n  config +${machine.config}\n  telemetry +off: `,
    ),
  );
  expect(said.stdout).toMatch(/ {2}harnesses +1 of 4 ready · claude_code not installed/);
  const banner = said.stdout;
  expect((await machine.type(['run', 'x'])).code).toBe(0);
  child.kill('SIGINT');
  expect(await ended).toEqual({ code: 0, stdout: banner, stderr: unsent });

  expect((await machine.type(['up', '--detach', '--idle', '300ms'], { env })).stderr).toBe(unsent);
  await until(() => machine.daemons().length === 0, { what: 'the idle daemon to end' });
  expect(existsSync(join(machine.state, 'address.json'))).toBe(false);
});

test('run says in what the daemon that runs differs, and goes on', async () => {
  await machine.type(['up', '--detach', '--quiet']);
  expect((await machine.type(['run', 'x'])).stderr).not.toContain('warning');
  machine.configure({ concurrency: { total: 2 } });
  const { code, stderr } = await machine.type(['run', 'x'], { env: { OTEL_SERVICE_NAME: 'other' } });
  expect(code).toBe(0);
  expect(stderr).toContain(
    `the daemon that runs (pid ${machine.daemonPid}) has another configuration than this shell would give it (${machine.config})`,
  );
  expect(stderr).toContain('has other OTEL_* variables than this shell');
  expect(stderr).toContain('singletree down && singletree up');
});

test('a bad configuration is named with file, line and what was meant, whoever reads it', async () => {
  writeFileSync(machine.config, 'version: 1\nconcurency: { total: 2 }\n');
  for (const argv of [['run', 'x'], ['up'], ['up', '--detach']]) {
    const { code, stderr } = await machine.type(argv);
    // The page of the configuration is held against the list of keys.
    const [what, known, meant] = stderr.split('\n');
    expect([what, meant]).toEqual([`error: unknown key "concurency" in ${machine.config}, line 2`, '  did you mean concurrency?']);
    expect(known).toMatch(/^ {2}known keys: version, listen, concurrency, /);
    expect(code).toBe(78);
  }
  for (const [set, message] of [
    [{ plugin: '@singletree/none' }, '@singletree/none'],
    [
      { plugin: '@singletree/testing/fake-harness', options: { script: machine.script }, telemetry: true },
      'harnesses.fake.telemetry: the plugin of Fake Agent knows no traces',
    ],
  ] as const) {
    machine.configure({ harnesses: { fake: set } });
    const { code, stderr } = await machine.type(['run', '--json', 'x']);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { reason: 'INVALID_CONFIGURATION', message: expect.stringContaining(message) as string },
    });
    expect(code).toBe(78);
  }
});

test('a state folder that cannot be trusted is refused, and nothing is written into it', async () => {
  mkdirSync(join(machine.path, 'real'), { mode: 0o700 });
  symlinkSync('real', join(machine.path, 'link'));
  mkdirSync(join(machine.path, 'open'));
  chmodSync(join(machine.path, 'open'), 0o755);
  writeFileSync(join(machine.path, 'file'), '');
  const refusals: [string, string][] = [
    ['link', 'STATE_FOLDER_SYMLINK'],
    ['open', 'STATE_FOLDER_OPEN_TO_OTHERS'],
    ['file', 'STATE_FOLDER_NOT_A_FOLDER'],
  ];
  if (process.getuid?.() === 0) {
    mkdirSync(join(machine.path, 'foreign'), { mode: 0o700 });
    chownSync(join(machine.path, 'foreign'), 65_534, 65_534);
    refusals.push(['foreign', 'STATE_FOLDER_FOREIGN']);
  }
  for (const [name, reason] of refusals) {
    for (const argv of [['run', 'x'], ['up']]) {
      const { code, stderr } = await machine.type([...argv, '--json', '--state', join(machine.path, name)]);
      expect(JSON.parse(stderr)).toMatchObject({ error: { reason, hint: expect.stringMatching(/--state|chmod/) } });
      expect(code).toBe(78);
    }
  }
  expect(existsSync(join(machine.path, 'real/daemon.log'))).toBe(false);
});

test('a state folder whose socket path would be too long works', async () => {
  const state = join(machine.path, 'a'.repeat(90), 'b'.repeat(90));
  const { code } = await machine.type(['run', '--state', state, 'x'], { env: { TMPDIR: machine.path } });
  expect(code).toBe(0);
  expect((await machine.type(['ls', '--quiet', '--state', state])).stdout).toMatch(/^[0-9a-f-]{36}\n$/);
});
