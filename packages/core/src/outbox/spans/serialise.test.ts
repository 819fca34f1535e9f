import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { expect, test } from 'vitest';
import type { TaskHistory } from '../../store/outbox.ts';
import { completionOf } from '../../task/completion.ts';
import type { TaskEvent } from '../../task/events.ts';
import type { Task } from '../../task/task.ts';
import type { Privacy } from '../attributes.ts';
import { redactor } from '../redaction.ts';
import { readSender, serialise } from './serialise.ts';
import { spansOf } from './spans.ts';
import { aGate, anAttempt, aTask, fields, noon, spanBytes } from '../stand-ins.testsuite.ts';

const own = { version: '0.1.0', instanceId: 'b7a1c0de-0000-4000-8000-000000000001' };
const { sender } = readSender({}, own);
const dispatched: TaskEvent = {
  sequence: 2,
  at: noon,
  body: { kind: 'state_changed', from: 'created', to: 'assigned', edge: 'assign' },
};
const history: TaskHistory = { events: [dispatched], calls: [] };

const task = aTask(1, { attempts: [anAttempt(1), anAttempt(2)], gateResults: [aGate(1, 0, 'failed'), aGate(2, 0, 'passed')] });

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}

test("the bytes are those of OpenTelemetry's own serializer, one request with one resource and one scope", () => {
  const resource = resourceFromAttributes(sender.resource);
  const instrumentationScope = { name: 'singletree', version: '0.1.0' };
  const spans = spansOf(task, completionOf(task), history, 10).map((span) => ({ ...span, resource, instrumentationScope }));
  const bytes = serialise({ task, completion: completionOf(task), history }, sender, 10);
  expect(hex(bytes)).toBe(hex(ProtobufTraceSerializer.serializeRequest(spans)));
  expect(fields(bytes, 1)).toHaveLength(1);
});

test('ids, parents and times stand in the bytes', () => {
  const spans = spanBytes(serialise({ task, completion: completionOf(task), history }, sender, 10));
  const traceId = task.id.replaceAll('-', '');
  expect(spans).toHaveLength(5);
  // Span: trace_id 1, span_id 2, parent_span_id 4.
  const root = hex(fields(spans[0]!, 2)[0]);
  expect(spans.map((span) => hex(fields(span, 1)[0]))).toEqual(Array(5).fill(traceId));
  expect(spans.map((span) => hex(fields(span, 4)[0]))).toEqual(['', root, root, root, root]);
  expect(new Set(spans.map((span) => hex(fields(span, 2)[0]))).size).toBe(5);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(noon) * 1_000_000n);
  expect(Buffer.from(spans[0]!).includes(start)).toBe(true);
});

test('the same task gives the same bytes, also after a way through JSON', () => {
  const bytes = serialise({ task, completion: completionOf(task), history }, sender, 10);
  const stored = JSON.parse(JSON.stringify(task)) as Task;
  expect(hex(serialise({ task: stored, completion: completionOf(stored), history }, sender, 10))).toBe(hex(bytes));
});

/** Strings that spans may carry, by their place in the task. Whoever adds one decides that it may leave the machine. */
const mayLeave = [
  /^tools\.(kind|tool|toolId)$/,
  /^id$/,
  /^state$/,
  /^spec\.(taskType|complexity|harness|model)$/,
  /^spec\.gates\.\d+\.(name|kind)$/,
  /^attempts\.\d+\.(state|harness|requestedModel)$/,
  /^attempts\.\d+\.session\.id$/,
  /^attempts\.\d+\.account\.(sessionId|model|provider|harnessVersion|costSource|priceVersion|usage\.provenance)$/,
  /^attempts\.\d+\.failure\.reason$/,
  /^attempts\.\d+\.tree\.(commit|tree)$/,
  /^base\.(commit|tree|language|repoSizeCategory)$/,
  /^gateResults\.\d+\.(name|kind|verdict)$/,
  /^failure\.reason$/,
];

function withCanaries<T>(value: T, path: string): T;
function withCanaries(value: unknown, path: string): unknown {
  if (typeof value === 'string') return mayLeave.some((allowed) => allowed.test(path)) ? value : 'CANARY';
  if (Array.isArray(value)) return value.map((item, index) => withCanaries(item, path === '' ? `${index}` : `${path}.${index}`));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withCanaries(inner, path === '' ? key : `${path}.${key}`)]);
  return Object.fromEntries(path.endsWith('labels') ? [...entries, ['CANARY', 'CANARY']] : entries);
}

test('no text of a task leaves: not a title, prompt, label, command, message, summary, path or output', () => {
  const failure = { reason: 'gate_failed', message: 'x', scope: 'x', by: 'x', why: 'x' } as const;
  const exit = {
    code: 1,
    signal: 'x',
    spawnError: 'x',
    startedAt: noon,
    endedAt: noon,
    durationMs: 1,
    lengths: { stdout: 1, stderr: 1 },
    survivors: [],
  };
  const full = aTask(
    9,
    {
      state: 'failed',
      failure,
      stop: { kind: 'cancel', by: 'x', why: 'x', scope: 'x', at: noon },
      blocked: { reason: 'quota_exhausted', message: 'x', from: 'created' },
      lease: { owner: 'x' },
      workspace: { root: 'x', cwd: 'x', repository: 'x', head: 'x' },
      base: { commit: 'a'.repeat(40), tree: 'b'.repeat(40), language: 'javascript', repoSizeCategory: 'tiny' },
      attempts: [
        anAttempt(1, {
          failure,
          exit,
          directory: 'x',
          requestedModel: 'sonnet',
          prompt: 'full',
          session: { id: 'ses-1', resumed: false },
          baseline: { version: 1, data: { text: 'x' } },
          evidence: { result: 'failed', reason: 'harness_failed', message: 'x' },
          live: { turns: 1, activity: 'x', model: 'x' },
          account: {
            sessionId: 'ses-1',
            model: 'sonnet',
            provider: 'anthropic',
            harnessVersion: '2.1',
            costUsdMicros: 1,
            costSource: 'harness',
            summary: 'x',
          },
          tree: {
            commit: 'a'.repeat(40),
            tree: 'b'.repeat(40),
            ref: 'x',
            changed: true,
            files: [{ path: 'x', change: 'added' }],
            linesAdded: 1,
            linesRemoved: 0,
            notKept: [{ path: 'x', reason: 'x' }],
          },
        }),
      ],
      processes: [{ attempt: 1, role: 'harness', ordinal: 0, directory: 'x', state: 'exited', openedAt: noon, exit }],
      gateResults: [aGate(1, 0, 'failed', { message: 'x', hint: 'x', tail: 'x' })],
    },
    {
      title: 'x',
      instructions: 'x',
      acceptanceCriteria: ['x'],
      context: [
        { kind: 'text', text: 'x' },
        { kind: 'file', path: 'x' },
      ],
      setup: ['x'],
      gates: [{ name: 'test', command: 'x', kind: 'test', required: true, timeoutMs: 1 }],
      labels: { team: 'x' },
      traceparent: 'x',
    },
  );
  const canaried = withCanaries(full, '');
  const completion = completionOf(canaried);
  expect(JSON.stringify(canaried).split('CANARY').length).toBeGreaterThan(40);
  expect(completion.summary).toBe('CANARY');
  const told = [
    { kind: 'tool.started', thread: { subagent: 'x' }, toolId: 'x', tool: 'Bash', summary: 'x', inputDigest: 'x' },
    { kind: 'tool.finished', thread: 'main', toolId: 'x', failed: true, summary: 'x' },
  ];
  const events = told.map((event, index) => ({
    sequence: index,
    at: noon,
    body: { kind: 'harness' as const, attempt: 1, event: withCanaries({ source: 'stdout' as const, endsAt: 1, ...event }, 'tools') },
  }));
  const finished = { task: canaried, completion, history: { events, calls: [] } };
  const bytes = Buffer.from(serialise(finished, sender, 10));
  expect(bytes.includes('execute_tool')).toBe(true);
  expect(bytes.includes('CANARY')).toBe(false);
  expect(bytes.includes('sonnet')).toBe(true);

  // The other way round: where content may leave, it is these and no others, and what is secret in them is not.
  const withContent: Privacy = { content: true, redact: redactor(['CANARY-\\d+']) };
  const said = attributesWith('CANARY', serialise(finished, sender, 10, withContent));
  expect(said).toEqual([
    'singletree.change.paths',
    'singletree.failure.message',
    'singletree.task.labels',
    'singletree.task.summary',
    'singletree.task.title',
  ]);
  for (const secret of ['ghp_CANARY0123456789abc', 'CANARY-17', 'canary@example.org', '/home/canary']) {
    const text = JSON.stringify(finished).replaceAll('"CANARY"', JSON.stringify(`a ${secret} b`));
    const told = Buffer.from(serialise(JSON.parse(text) as typeof finished, sender, 10, withContent));
    expect(told.toString('latin1').match(/canary/i), secret).toBeNull();
    expect(told.toString('latin1'), secret).toContain('singletree.task.summary');
  }
});

/** The names of the attributes whose value holds a text. */
function attributesWith(text: string, bytes: Uint8Array): string[] {
  // Span: attributes 9; KeyValue: key 1, value 2.
  const pairs = spanBytes(bytes).flatMap((span) => fields(span, 9));
  const names = pairs
    .filter((pair) => fields(pair, 2).some((value) => Buffer.from(value).includes(text)))
    .map((pair) => Buffer.from(fields(pair, 1)[0] ?? []).toString());
  return [...new Set(names)].sort();
}

test.each<[string, Record<string, string>, Record<string, string>]>([
  [
    'our own name and the instance id of the store',
    {},
    { 'service.name': 'singletree', 'service.version': '0.1.0', 'service.instance.id': own.instanceId },
  ],
  ['a name of its own', { OTEL_SERVICE_NAME: 'agents' }, { 'service.name': 'agents' }],
  ['a name in the attributes', { OTEL_RESOURCE_ATTRIBUTES: 'service.name=agents,team=a%2Cb' }, { 'service.name': 'agents', team: 'a,b' }],
  ['the variable for the name goes first', { OTEL_SERVICE_NAME: 'a', OTEL_RESOURCE_ATTRIBUTES: 'service.name=b' }, { 'service.name': 'a' }],
  ['what is set by hand goes first', { OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod-7' }, { 'service.instance.id': 'pod-7' }],
  ['empty counts as unset', { OTEL_SERVICE_NAME: '', OTEL_RESOURCE_ATTRIBUTES: ' ' }, { 'service.name': 'singletree' }],
])('the resource: %s', (_, environment, expected) => {
  expect(readSender(environment, own)).toMatchObject({ sender: { resource: expected }, warnings: [] });
});

test('attributes that cannot be read are ignored as a whole, with a warning', () => {
  const read = readSender({ OTEL_RESOURCE_ATTRIBUTES: 'team=a,region' }, own);
  expect(read.sender.resource).not.toHaveProperty('team');
  expect(read.warnings).toEqual(['OTEL_RESOURCE_ATTRIBUTES: entry 2 is not key=value; the whole variable is ignored']);
});
