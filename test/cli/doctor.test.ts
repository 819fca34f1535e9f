import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@singletree/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Machine, type Typed } from '../support/machine.ts';

let machine: Machine;
beforeEach(async () => void (machine = await Machine.make()));
afterEach(async () => await machine[Symbol.asyncDispose]());

interface Check {
  readonly id: string;
  readonly subject: string;
  readonly check: string;
  readonly status: string;
  readonly message: string;
  readonly mend?: string;
}

async function examined(
  argv: readonly string[] = [],
): Promise<Typed & { status: string; of: (subject: string, check: string) => Check | undefined }> {
  const typed = await machine.type(['doctor', '--json', ...argv]);
  const { status, checks } = JSON.parse(typed.stdout) as { status: string; checks: Check[] };
  return { ...typed, status, of: (subject, check) => checks.find((each) => each.subject === subject && each.check === check) };
}

/** Names, sizes and contents below the state folder. What a living daemon does meanwhile is its own affair, so only for one at rest. */
function contents(): Record<string, string> {
  const files = readdirSync(machine.state, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name)).toString('base64')]),
  );
}

test('a machine on which nothing has run yet is left so', async () => {
  const { code, status, of } = await examined();
  expect(of('state folder', 'folder')).toMatchObject({ status: 'ok', message: expect.stringContaining('not there yet') });
  expect(of('configuration', 'file')).toMatchObject({ status: 'ok', where: machine.config });
  expect(of('configuration', 'trust')).toMatchObject({ status: 'ok', message: 'no folder is trusted' });
  expect(of('harnesses', 'fake')).toMatchObject({ status: 'ok', message: '1.0.0' });
  expect(of('harnesses', 'codex')).toMatchObject({ status: 'warning', mend: expect.stringContaining('npm install') });
  expect(of('harnesses', 'PATH')).toMatchObject({ message: machine.env['PATH'] });
  expect(of('supervision', 'containment')?.message).toMatch(/processes are held by/);
  expect(of('supervision', 'orphans')).toBeDefined();
  expect(of('database', 'database')).toMatchObject({ status: 'ok', message: 'there is none yet' });
  expect(of('listeners', 'tcp')).toMatchObject({ id: 'listeners.tcp', status: 'skipped' });
  expect(of('telemetry', 'otlp')).toMatchObject({
    id: 'telemetry.otlp',
    status: 'skipped',
    message: expect.stringContaining('no OTEL_EXPORTER_OTLP_ENDPOINT'),
  });
  expect([code, status]).toEqual([0, 'warning']);
  expect(existsSync(machine.state)).toBe(false);
  expect(machine.daemons()).toEqual([]);
});

test('beside a daemon, after one that has stopped, and after one that was killed', async () => {
  const mark = join(machine.path, 'mark');
  machine.follow([{ mark }, { waitFor: join(machine.path, 'go') }]);
  await machine.type(['run', '--detach', '--quiet', 'x'], { env: { SINGLETREE_LISTEN_TCP: '127.0.0.1:0' } });
  await until(() => existsSync(mark), { what: 'the agent to run', timeoutMs: 20_000 });
  const pid = machine.daemonPid;
  const beside = await examined();
  expect(beside.of('state folder', 'daemon')).toMatchObject({ status: 'ok', message: expect.stringContaining(`pid ${pid}`) });
  expect(beside.of('state folder', 'processes')).toMatchObject({ status: 'ok', message: '1 of tasks run' });
  expect(beside.of('database', 'database')).toMatchObject({ status: 'ok', message: expect.stringContaining('whole, schema') });
  // By the daemon, whatever this shell would have it do.
  expect(beside.of('listeners', 'tcp')).toMatchObject({ status: 'ok', message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:[1-9]\d*,/) });
  expect(beside.code).toBe(0);

  await machine.killDaemon();
  const killed = await examined();
  const leftovers = { status: 'warning', message: '1 of tasks run, and nobody judges what they make', mend: 'singletree up --detach' };
  expect(killed.of('state folder', 'daemon')).toMatchObject({ status: 'warning', message: expect.stringContaining(`with pid ${pid}`) });
  expect(killed.of('state folder', 'processes')).toMatchObject(leftovers);

  writeFileSync(join(machine.path, 'go'), '');
  await machine.type(['up', '--detach', '--quiet']);
  expect((await machine.type(['watch', '-'])).code).toBe(0);
  await machine.type(['down']);
  const before = contents();
  const stopped = await machine.type(['doctor']);
  expect(stopped.stdout).toMatch(/✓ daemon +none runs\n +✓ processes +none is left running/);
  expect(contents()).toEqual(before);
});

test('what is wrong is told with what mends it, each in its place, and the rest is looked at all the same', async () => {
  await machine.type(['up', '--detach', '--quiet']);
  await machine.type(['down']);
  writeFileSync(machine.config, 'version: 1\nconcurency: { total: 2 }\n');
  const record = join(machine.path, 'home/.config/singletree/trusted.json');
  mkdirSync(join(record, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(record, '{');
  chmodSync(machine.state, 0o755);
  const file = statSync(join(machine.state, 'singletree.db'));
  writeFileSync(join(machine.state, 'singletree.db'), Buffer.alloc(file.size, 'x'));
  const { code, stdout } = await machine.type(['doctor', '--quiet']);
  expect(stdout).toContain(`unknown key "concurency" in ${machine.config}, line 2`);
  expect(stdout).toContain('did you mean concurrency?');
  expect(stdout).toMatch(/✗ trust .*trusted\.json, which says what is trusted, is damaged/);
  expect(stdout).toMatch(/✗ folder .*open to other users/);
  expect(stdout).toContain(`mend: chmod 700 '${machine.state}'`);
  expect(stdout).toMatch(/✗ database +damaged: /);
  // Quiet is about what is well, and about what could not be looked at for a reason that is told.
  expect(stdout).not.toMatch(/[✓⊘]/);
  expect(code).toBe(1);
});
