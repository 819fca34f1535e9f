import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startOtlpReceiver, until } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
/** A task that ended while export was off. It was created by a step of somebody's trace. */
let id: string;
const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

beforeAll(async () => {
  machine = await Machine.make();
  const env = { TRACEPARENT: `00-${caller.traceId}-${caller.spanId}-01` };
  const { stdout } = await machine.type(['run', '--json', '--title', 'A secret title', '--gate', 'test=true', 'x'], { env });
  id = JSON.parse(stdout).task_id;
});
afterAll(async () => await machine[Symbol.asyncDispose]());

test('preview prints what would leave the machine, although export is off', async () => {
  const { code, stdout } = await machine.type(['telemetry', 'preview', '-']);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^  task +${id}\n  trace +${caller.traceId}\n`));
  expect(stdout).toMatch(/\n  record +kept without a destination\n  to +nowhere: export is off\n  resource +service\.name=singletree\n/);
  expect(stdout).toMatch(/\ninvoke_workflow +success +\d+\.\d s\n│    gen_ai\.operation\.name +invoke_workflow\n/);
  expect(stdout).toMatch(new RegExp(`\n└─ gate test +passed .*\n( {8}.*\n)* {8}singletree\\.task\\.id +${id}\n`));
  expect(stdout).not.toContain('A secret title');
});

test('preview --json is one object', async () => {
  const { code, stdout } = await machine.type(['telemetry', 'preview', id.slice(0, 13), '--json']);
  expect(code).toBe(0);
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({
    task_id: id,
    trace_id: caller.traceId,
    frozen: false,
    state: 'undirected',
    resource: { 'service.name': 'singletree' },
    scope: { name: 'singletree' },
  });
  const [root, ...others] = told.spans;
  expect(root).toMatchObject({
    name: 'invoke_workflow',
    parent_span_id: caller.spanId,
    kind: 'internal',
    attributes: { 'singletree.task.outcome': 'success' },
  });
  expect(others.map(({ name }: { name: string }) => name)).toEqual(['invoke_agent fake', 'gate test', 'wait queue']);
  expect(new Set(others.map((span: { parent_span_id: string }) => span.parent_span_id))).toEqual(new Set([root.span_id]));
});

test('the record of a finished task is exported, to the byte as it is printed, or as a table', async () => {
  const { completion } = JSON.parse((await machine.type(['get', id, '--json'])).stdout);
  expect(await machine.type(['completions', 'export'])).toMatchObject({ code: 0, stdout: `${JSON.stringify(completion)}\n`, stderr: '' });
  const file = join(machine.path, 'all.csv');
  const written = await machine.type(['completions', 'export', '--format', 'csv', '--since', '1h', '--out', file, '--json']);
  expect(JSON.parse(written.stdout)).toEqual({ file, bytes: statSync(file).size, last_event_id: id });
  const [header = '', line = '', ...rest] = readFileSync(file, 'utf8').split('\r\n');
  expect([header.split(',')[0], line.split(',')[0], rest]).toEqual(['event_id', id, ['']]);
  expect(await machine.type(['completions', 'export', '--out', '/dev/full'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^error: cannot write \/dev\/full: ENOSPC.*\n {2}what is in it is not all.*\n$/),
  });
  const none = await machine.type([
    'completions',
    'export',
    '--after',
    id,
    '--outcome',
    'failure',
    'timeout',
    '--type',
    'testing',
    '--until',
    '1h',
  ]);
  expect(none).toMatchObject({ code: 0, stdout: '' });
});

test('of a task that has not ended nothing can be told', async () => {
  machine.follow([{ sleep: 60_000 }]);
  const { stdout } = await machine.type(['run', '--detach', 'x']);
  expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  const { code, stderr } = await machine.type(['telemetry', 'preview', stdout.trim(), '--json']);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'failed_precondition', reason: 'TASK_NOT_FINAL' } });
  await machine.type(['terminate', '-']);
  expect(await machine.type(['watch', '-'])).toMatchObject({ code: 130 });
});

test('what was kept is not sent while export is off, and then it is, the same bytes as were shown', async () => {
  const tried = await machine.type(['doctor', 'telemetry', '--json']);
  expect(tried.code).toBe(1);
  expect(JSON.parse(tried.stdout)).toMatchObject({
    status: 'error',
    by: 'daemon',
    probes: [{ id: 'telemetry.otlp.traces', status: 'skipped', result: 'off' }, {}],
  });
  expect(await machine.type(['telemetry', 'send', '--since', '1h'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^error: traces are not exported: no OTEL_EXPORTER_OTLP_ENDPOINT\n.*OTEL_EXPORTER_OTLP_ENDPOINT set/),
  });
  await machine.type(['down']);
  machine.configure({ telemetry: { content: true, redact: ['secret'] } });
  await using receiver = await startOtlpReceiver();
  const alone = await machine.type(['doctor', 'telemetry'], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } });
  expect(alone).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/no daemon runs.*\n\n  otlp\n  ✓ traces .*has taken it.*\n  ✓ metrics .*has taken it/),
  });
  expect(receiver.spans()).toMatchObject([{ name: 'probe', attributes: { 'singletree.probe': true } }]);
  const probes = receiver.requests.length;
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRICS_EXPORTER: 'none' };
  await machine.type(['up', '--detach'], { env });
  const shown = JSON.parse((await machine.type(['telemetry', 'preview', id, '--json'], { env })).stdout);
  expect(shown).toMatchObject({ frozen: false, spans: [{ attributes: { 'singletree.task.title': 'A [redacted] title' } }, {}, {}, {}] });
  expect((await machine.type(['status'], { env })).stdout).toMatch(/ telemetry +http\S+ · \d records? kept without a destination\n/);
  const kept: number = JSON.parse((await machine.type(['status', '--json'], { env })).stdout).telemetry.undirected_rows;
  expect(await machine.type(['telemetry', 'send', '--task', id, '--to', 'lab'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^error: traces are not sent to a destination "lab"\n.*there is: otlp/),
  });
  expect(await machine.type(['telemetry', 'send', '--task', id, '--to', 'otlp'], { env })).toMatchObject({
    code: 0,
    stdout: '1 record put into the queue\n',
  });
  await until(() => receiver.requests.length === probes + 1, { what: 'the record' });
  const spans = receiver.spans().slice(1);
  expect(spans.map(({ spanId }) => spanId)).toEqual(shown.spans.map((span: { span_id: string }) => span.span_id));
  expect(receiver.requests[probes]?.body.byteLength).toBe(shown.bytes);
  expect(await machine.type(['telemetry', 'send', '--since', '1h', '--json'], { env })).toMatchObject({
    code: 0,
    stdout: `{"rows":${kept - 1}}\n`,
  });
  await until(() => receiver.requests.length === probes + kept, { what: 'the other records' });
  const after = await until(
    async () => {
      const told = JSON.parse((await machine.type(['telemetry', 'preview', id, '--json'], { env })).stdout);
      return told.state === 'delivered' ? told : undefined;
    },
    { what: 'the delivery to be told' },
  );
  expect(after).toMatchObject({ frozen: true, spans: shown.spans, endpoint: `${receiver.url}/v1/traces` });
});

test.each([
  [['telemetry', 'show'], /"show" is nothing that telemetry does/],
  [['telemetry', 'preveiw', '-'], /did you mean preview\?/],
  [['telemetry', 'preview'], /something is missing/],
  [['telemetry', 'preview', '-', '-'], /too many arguments/],
  [['telemetry', 'preview', '-', '--dead'], /--dead is no flag of telemetry preview/],
  [['telemetry', 'send'], /telemetry send: what\?/],
  [['telemetry', 'send', '--since', 'yesterday'], /--since "yesterday" is no time/],
])('%j is refused', async (argv, problem) => {
  const { code, stderr } = await machine.type(argv);
  expect(code).toBe(2);
  expect(stderr).toMatch(problem);
});
