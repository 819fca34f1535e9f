import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask } from '@singletree/sdk';
import {
  startOtlpReceiver,
  until,
  type ModelServer,
  type OtlpReceiver,
  type ReceivedSpan,
  type Repository,
  type Step,
} from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { claudeCode, claudeScene, claudeVersion, oldestClaudeVersion } from './support/claude.ts';
import { codexScene, codexVersion, fetchCodex, oldestCodexVersion } from './support/codex.ts';
import { finished, type TestDaemon } from './support/daemon.ts';
import { filesThatHold } from './support/files.ts';
import { fetchOpenCode, openCodeScene, openCodeVersion } from './support/opencode.ts';

/** The real CLIs with traces of their own, against a scripted model and one receiver for them and the daemon. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const limit = 240_000;

interface Scene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly models: ModelServer;
  readonly repo: Repository;
  readonly folder: string;
  readonly apiKey: string;
}

interface Cli {
  readonly id: string;
  readonly version: string;
  /** As it names itself in its resource. */
  readonly service: string;
  readonly joins: boolean;
  readonly fetch: () => Promise<unknown>;
  readonly scene: (steps: readonly Step[], telemetry: boolean, files: Readonly<Record<string, string>>) => Promise<Scene>;
  readonly shell: (command: string) => Step;
}

const claude = (version: string): Cli => ({
  id: 'claude_code',
  version,
  service: 'claude-code',
  joins: true,
  fetch: () => claudeCode(version),
  scene: (steps, telemetry, files) => claudeScene(steps, { version, telemetry, files }),
  shell: (command) => ({ text: 'I look.', tools: [{ name: 'Bash', input: { command } }] }),
});
const codex = (version: string): Cli => ({
  id: 'codex',
  version,
  service: 'codex_exec',
  joins: true,
  fetch: () => fetchCodex(version),
  scene: (steps, telemetry, files) => codexScene(steps, { version, telemetry, files }),
  shell: (cmd) => ({ text: 'I look.', tools: [{ name: 'exec_command', input: { cmd } }] }),
});
const openCode: Cli = {
  id: 'opencode',
  version: openCodeVersion,
  service: 'opencode',
  joins: false,
  fetch: fetchOpenCode,
  scene: (steps, telemetry, files) => openCodeScene(steps, { telemetry, files, own: { experimental: { openTelemetry: true } } }),
  shell: (command) => ({ text: 'I look.', tools: [{ name: 'bash', input: { command, description: 'looks' } }] }),
};

const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

/** Two attempts: the first one looks, the gate fails, the second one does it. What may be found nowhere stands in all that is said, read and run. */
async function runTwice(cli: Cli, telemetry: boolean, receiver: OtlpReceiver) {
  const canary = `canary-${randomUUID()}`;
  const steps = [
    cli.shell(`cat secret.txt; grep ${canary}-pattern a.txt; echo ${canary}-result`),
    { text: `${canary}-answer` },
    cli.shell(`printenv > "$TMPDIR/env"; sed -i s/before/after/ a.txt; echo ${canary}-edit > b.txt`),
    { text: 'Done.' },
  ].map((step) => ({ ...step, usage: { input_tokens: 1_000, cache_read_input_tokens: 20, output_tokens: 3 } }));
  await using scene = await cli.scene(steps, telemetry, { 'secret.txt': `${canary}-file\n` });
  const { daemon, folder } = scene;
  const password = `secret-${randomUUID()}`;
  const client = await daemon.start({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-collector-key=${password}`,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.namespace=tools',
  });
  const { id } = await client.tasks.create({
    title: `${canary}-title`,
    instructions: `${canary}-prompt`,
    harness: cli.id,
    workspace: scene.repo.path,
    gates: [{ name: 'test', command: `printenv TRACEPARENT TRACESTATE >> '${folder}/gates'; grep -q after a.txt` }],
    traceparent: `00-${caller.traceId}-${caller.spanId}-00`,
    tracestate: 'vendor=1',
  } satisfies CreateTask);
  const task = await finished(client, id, limit - 20_000);
  expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success' }, attempts: [{ resumed: false }, { resumed: true }] });
  await until(() => named(receiver, 'invoke_agent ').length === 2, { what: 'our own spans', timeoutMs: 20_000 });
  await daemon.stop();
  const gates = readFileSync(join(folder, 'gates'), 'utf8').trim().split('\n');
  const tools = readFileSync(join(folder, 'tmp/env'), 'utf8');
  const leaks = receiver.requests.flatMap(({ path, body }) => around([canary, scene.apiKey], body).map((text) => `${path} ${text}`));
  return { task, gates, tools, leaks, password, holders: filesThatHold(password, folder) };
}

/** Where one of these stands, with what stands around it. */
function around(texts: readonly string[], body: Uint8Array): string[] {
  const all = Buffer.from(body).toString('latin1');
  return texts.flatMap((text) => [...all.matchAll(new RegExp(`.{0,200}${text}.{0,80}`, 'gs'))].map(([found]) => found));
}

function named({ spans }: Pick<OtlpReceiver, 'spans'>, beginning: string): ReceivedSpan[] {
  return spans().filter(({ resource, name }) => resource['service.name'] === 'singletree' && name.startsWith(beginning));
}

/** Tokens as who sums up a trace finds them. */
function summedTokens(spans: readonly ReceivedSpan[]): number {
  return spans.reduce((sum, { attributes }) => sum + Number(attributes['gen_ai.usage.input_tokens'] ?? 0), 0);
}

function expectJoined(spans: readonly ReceivedSpan[], own: readonly ReceivedSpan[]): void {
  for (const [index, attempt] of own.entries()) {
    const number = String(index + 1);
    expect(attempt.attributes['singletree.attempt.number']).toBe(index + 1);
    const theirs = spans.filter(({ resource, traceId }) => resource['singletree.attempt.number'] === number && traceId === attempt.traceId);
    const byId = new Map(theirs.map((span) => [span.spanId, span]));
    const topOf = (span: ReceivedSpan): string | undefined => {
      const parent = byId.get(span.parentSpanId ?? '');
      return parent ? topOf(parent) : span.parentSpanId;
    };
    expect(
      theirs.filter((span) => span.parentSpanId === attempt.spanId),
      `children of attempt ${number}`,
    ).not.toEqual([]);
    expect(
      theirs.filter((span) => topOf(span) === undefined),
      'begin a trace of their own',
    ).toEqual([]);
  }
}

async function expectTraces(cli: Cli): Promise<void> {
  await using receiver = await startOtlpReceiver();
  const { task, gates, tools, leaks, password, holders } = await runTwice(cli, true, receiver);
  const [spans, attempts, gateSpans] = [receiver.spans(), named(receiver, 'invoke_agent '), named(receiver, 'gate ')];
  const theirs = spans.filter(({ resource }) => resource['service.name'] === cli.service);

  expect(named(receiver, 'invoke_workflow')).toMatchObject([{ traceId: caller.traceId, parentSpanId: caller.spanId }]);
  expect(new Set(attempts.map(({ spanId }) => spanId)).size).toBe(2);
  for (const number of ['1', '2']) {
    const marks = { 'singletree.task.id': task.id, 'singletree.attempt.number': number, 'service.namespace': 'tools' };
    expect(theirs.map(({ resource }) => resource)).toContainEqual(expect.objectContaining(marks));
  }
  if (cli.joins) expectJoined(theirs, attempts);
  expect(summedTokens(spans), 'tokens of the trace').toBe(task.completion?.actualInputTokens);
  // What OpenCode logs before a plugin of ours is there goes along: where its own files are, and nothing of the task.
  const paths = new Set(receiver.requests.map(({ path }) => path).filter((path) => cli.joins || path !== '/v1/logs'));
  expect(paths, 'neither logs nor metrics of the CLI').toEqual(new Set(['/v1/traces', '/v1/metrics']));
  const metrics = receiver.points().filter(({ resource }) => resource['service.name'] !== 'singletree');
  expect(metrics).toEqual([]);

  expect(leaks).toEqual([]);
  expect(new Set(receiver.requests.map(({ headers }) => headers['x-collector-key']))).toEqual(new Set([password]));
  expect(holders, 'the headers are in no file').toEqual([]);
  expect(tools).not.toContain(password);
  expect(tools).not.toMatch(/^OTEL_\w+=./m);
  expect(tools).toContain(`TRACEPARENT=00-${caller.traceId}-`);
  expect(gates).toEqual(gateSpans.flatMap(({ spanId }) => [`00-${caller.traceId}-${spanId}-01`, 'vendor=1']));
}

async function expectNothing(cli: Cli): Promise<void> {
  await using receiver = await startOtlpReceiver();
  const { task, tools, leaks } = await runTwice(cli, false, receiver);
  const attempts = named(receiver, 'invoke_agent ');
  expect(new Set(receiver.spans().map(({ resource }) => resource['service.name']))).toEqual(new Set(['singletree']));
  expect(summedTokens(attempts)).toBe(task.completion?.actualInputTokens);
  expect(leaks).toEqual([]);
  expect(tools).not.toMatch(/^OTEL_/m);
  expect(tools).toContain(`TRACEPARENT=00-${caller.traceId}-${attempts[1]?.spanId}-01\n`);
}

// Codex is the quickest, and the one whose spans tell tokens.
const rows = full
  ? [claude(claudeVersion), claude(oldestClaudeVersion), codex(codexVersion), codex(oldestCodexVersion), openCode]
  : [codex(codexVersion)];

describe.concurrent.each(rows.map((cli) => [`${cli.id} ${cli.version}`, cli] as const))('%s', (_, cli) => {
  beforeAll(cli.fetch, 300_000);
  const means = cli.joins ? 'join ours below their attempts' : "are found by the task's id";
  test(`its own traces ${means}, with nothing in them that was said, read or run, and no token twice`, () => expectTraces(cli), limit);
  test.runIf(full)('sends nothing unless it is told to', () => expectNothing(cli), limit);
});
