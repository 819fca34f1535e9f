import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, startOtlpReceiver, temporaryFolder, until } from '@singletree/testing';
import { expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { filesThatHold } from './support/files.ts';
import { ask, type Target } from './support/raw-http.ts';

/** Secrets with a shape of their own, in every place where one may be configured, looked for in every place where one could end. */
test('a secret is found nowhere but in the environment of the agent and of what it starts', async () => {
  await using folder = await temporaryFolder();
  await using repo = await repository({ files: { 'a.txt': 'before\n' } });
  await using receiver = await startOtlpReceiver();
  const at = (name: string): string => join(folder.path, name);
  const canary = (): string => `canary${randomBytes(16).toString('hex')}`;
  const [key, named, header] = [canary(), canary(), canary()];
  const files = { key: at('key'), named: at('named'), header: at('header') };
  writeFileSync(files.key, key);
  writeFileSync(files.named, named);
  writeFileSync(files.header, header);
  const script = at('script.json');
  const fake = {
    plugin: '@singletree/testing/fake-harness',
    options: { script },
    api_key: { file: files.key },
    secrets: { NAMED: { file: files.named } },
  };
  const destinations = { other: { endpoint: receiver.url, headers: { 'x-key': { file: files.header } } } };
  await using daemon = new TestDaemon({
    folder: folder.path,
    configuration: {
      listen: { tcp: '127.0.0.1:0' },
      harnesses: { fake },
      telemetry: { content: true, spans: ['tools', 'model_calls'], destinations },
    },
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
  });
  const [running, go] = [at('running'), at('go')];
  daemon.follow([
    { mark: running },
    { run: 'sleep 300 >/dev/null 2>&1 & true' },
    { waitFor: go },
    { write: { path: 'a.txt', content: 'after\n' } },
    { say: 'Done.' },
  ]);
  const client = await daemon.start();
  const left = JSON.parse(readFileSync(join(daemon.state, 'address.json'), 'utf8')) as { tcp: string };
  const tokenFiles = ['token', 'token.read', 'token.submit'];
  const [token = '', readToken = '', submitToken = ''] = tokenFiles.map((name) => readFileSync(join(daemon.state, name), 'utf8').trim());
  const tokens = [token, readToken, submitToken];
  const secrets = [key, named, header, ...tokens];

  const { id } = await client.tasks.create(aTask(repo.path, { setup: ['true'], gates: [{ name: 'test', command: 'grep after a.txt' }] }));
  await until(() => existsSync(running), { what: 'the agent', timeoutMs: 30_000 });

  // Every process of the machine that may be looked into, while the agent runs.
  const holders = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => ['cmdline', 'environ'].map((kind) => ({ pid, kind, text: readProc(pid, kind) })));
  const holding = (secret: string): string[] =>
    holders.filter(({ text }) => text.includes(secret)).map(({ pid, kind }) => `${kind} of ${readProc(pid, 'cmdline')}`);
  for (const secret of [header, ...tokens]) expect(holding(secret)).toEqual([]);
  for (const secret of [key, named]) {
    const found = holding(secret);
    expect(found.length, 'the agent has it').toBeGreaterThan(0);
    for (const holder of found) expect(holder).toMatch(/^environ of .*(fake-agent|sleep 300|sh -c)/s);
  }
  expect(holding(`${daemon.state}/processes`).join(), 'the scan sees the shim').toContain('shim');

  writeFileSync(go, '');
  const task = await finished(client, id);
  expect(task.state).toBe('completed');
  // What fails is told, and the telling holds nothing of it.
  daemon.follow([{ exit: 7 }]);
  const failed = await finished(client, (await client.tasks.create(aTask(repo.path, { limits: { maxAttempts: 1 } }))).id);
  rmSync(files.named);
  const refused = await finished(client, (await client.tasks.create(aTask(repo.path, { limits: { maxAttempts: 1 } }))).id);
  expect(refused.completion?.failure?.reason).toBe('invalid_configuration');

  const tcp: Target = { version: 1, port: Number(new URL(left.tcp).port) };
  const headers = { 'content-type': 'application/json', 'connect-protocol-version': '1', host: `127.0.0.1:${tcp.port}` };
  const calls = [
    { path: '/singletree.v1.TaskService/GetTask', headers: { ...headers, authorization: `Bearer ${token}` }, body: '{"taskId": 1}' },
    { path: `/singletree.v1.DaemonService/StopDaemon`, headers: { ...headers, authorization: `Bearer ${readToken}` }, body: '{}' },
    { path: `/singletree.v1.DaemonService/GetStatus`, headers: { ...headers, authorization: `Bearer ${submitToken}` }, body: '{}' },
    { path: `/nope?${token}`, headers: { ...headers, authorization: `Bearer ${token}x` }, body: token },
    { method: 'GET', path: '/metrics', headers: { ...headers, authorization: `Bearer ${readToken}` } },
  ];
  const answers = await Promise.all(calls.map(async (call) => Buffer.concat([(await ask(tcp, call)).body]).toString()));
  const events: unknown[] = [];
  for (const each of [task, failed, refused]) for await (const event of client.tasks.watch(each.id)) events.push(event);
  const told = JSON.stringify(
    [task, failed, refused, events, answers, await client.daemon.status(), await client.harnesses.list({ refresh: true })],
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  );
  await until(() => receiver.requests.length >= 4, { what: 'spans and metrics at both destinations', timeoutMs: 20_000 });
  await daemon.stop();
  const sent = receiver.requests.map(({ body }) => Buffer.from(body).toString('latin1')).join('\n');
  expect(sent).toContain('invoke_workflow');
  for (const secret of secrets) {
    expect(told, 'what callers are told').not.toContain(secret);
    expect(sent, 'what leaves the machine').not.toContain(secret);
    expect(daemon.log, 'the log, with a line for each call').not.toContain(secret);
    expect(filesThatHold(secret, daemon.state).map((path) => path.slice(daemon.state.length + 1))).toEqual(
      tokens.includes(secret) ? [tokenFiles[tokens.indexOf(secret)]] : [],
    );
    expect(filesThatHold(secret, repo.path)).toEqual([]);
    expect(filesThatHold(secret, daemon.home)).toEqual([]);
  }
  expect(daemon.log).toContain('"principal":"token.read"');
});

function readProc(pid: string, kind: string): string {
  try {
    return readFileSync(`/proc/${pid}/${kind}`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
