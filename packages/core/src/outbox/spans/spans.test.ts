import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import type { TaskHistory } from '../../store/outbox.ts';
import { completionOf } from '../../task/completion.ts';
import type { TaskEvent } from '../../task/events.ts';
import type { LedgerEntry } from '../../task/ledger.ts';
import { failureReasons } from '../../task/reasons.ts';
import type { Attempt, AttemptAccount, FrozenTree, Task } from '../../task/task.ts';
import { attemptSpanId, gateSpanId, rootSpanId } from '../../trace.ts';
import { spansOf, type TaskSpan } from './spans.ts';
import { aGate, anAttempt, aTask, noon } from '../stand-ins.testsuite.ts';

const change = (at: number, to: 'assigned' | 'created', reason?: 'lost'): TaskEvent => ({
  sequence: at,
  at: noon + at,
  body: { kind: 'state_changed', from: 'created', to, edge: 'assign', ...(reason ? { reason } : {}) },
});

/** Dispatched at once, unless the history says otherwise. */
function traceOfTask(task: Task, history: Partial<TaskHistory> = {}, most = 10): TaskSpan[] {
  return spansOf(task, completionOf(task), { events: [change(0, 'assigned')], calls: [], ...history }, most);
}

/** What a person sees in a trace view: names, red marks and what is below what. */
function outline(spans: readonly TaskSpan[]): string[] {
  return spans.map(({ name, status, attributes, parentSpanContext }) => {
    const red = status.code === SpanStatusCode.ERROR ? ` ✗ ${String(attributes['error.type'])}` : '';
    return `${parentSpanContext ? '- ' : ''}${name}${red}`;
  });
}

function nanoseconds([seconds, rest]: readonly [number, number]): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}

const tree: FrozenTree = {
  commit: 'a'.repeat(40),
  tree: 'b'.repeat(40),
  ref: 'refs/singletree/x/1',
  changed: true,
  files: [{ path: 'price.js', change: 'modified' }],
  linesAdded: 1,
  linesRemoved: 2,
  notKept: [],
};
const account: AttemptAccount = {
  sessionId: 'ses-1',
  model: 'claude-sonnet-4-5-20250929',
  provider: 'anthropic',
  harnessVersion: '2.1.329',
  usage: {
    uncachedInputTokens: 20,
    cacheReadInputTokens: 300,
    cacheWriteInputTokens: 4_000,
    outputTokens: 50_000,
    reasoningOutputTokens: 600_000,
    provenance: 'reported',
    lowerBound: false,
  },
  turns: 3,
  costUsdMicros: 31_000,
  costSource: 'harness',
  compactions: 1,
  context: { windowTokens: 200_000, finalTokens: 20_000, peakTokens: 50_000 },
  summary: 'Fixed, all tests pass.',
};
const gateFailed = { reason: 'gate_failed', message: 'gate test failed' } as const;

/** Red, sent back, green: the two attempts share a session. */
const reworked = aTask(1, {
  attempts: [
    anAttempt(1, { account, tree, failure: gateFailed, requestedModel: 'claude-sonnet-4-5', session: { id: 'ses-1', resumed: false } }),
    anAttempt(2, { account: { ...account, costUsdMicros: 17_000 }, tree, session: { id: 'ses-1', resumed: true } }),
  ],
  gateResults: [aGate(1, 0, 'failed', { exitCode: 1 }), aGate(2, 0, 'passed', { exitCode: 0 })],
});

describe('the trace of a task that was sent back once', () => {
  const spans = traceOfTask(reworked);
  const [root, first, second, red, green] = spans as [TaskSpan, TaskSpan, TaskSpan, TaskSpan, TaskSpan];

  test('is one root with the attempts and the gates below it; the second run of a gate is a span of its own', () => {
    expect(outline(spans)).toEqual([
      'invoke_workflow debugging',
      '- invoke_agent claude_code',
      '- invoke_agent claude_code',
      '- gate test ✗ gate_failed',
      '- gate test',
    ]);
    expect(spans.map((span) => span.spanContext().spanId)).toEqual([
      rootSpanId(reworked.id),
      attemptSpanId(reworked.id, 1),
      attemptSpanId(reworked.id, 2),
      gateSpanId(reworked.id, 1, 0),
      gateSpanId(reworked.id, 2, 0),
    ]);
    for (const span of spans) {
      expect(span.spanContext()).toMatchObject({ traceId: reworked.id.replaceAll('-', ''), traceFlags: 1 });
      expect(span).toMatchObject({ kind: SpanKind.INTERNAL, ended: true, events: [] });
      expect(span.attributes['singletree.task.id']).toBe(reworked.id);
      expect(span.parentSpanContext?.spanId).toBe(span === root ? undefined : rootSpanId(reworked.id));
    }
  });

  test('has the times of the record', () => {
    expect(spans.map(({ startTime, endTime }) => [nanoseconds(startTime), nanoseconds(endTime)])).toEqual(
      [
        [noon, noon + 9_000],
        [noon + 1_000, noon + 1_500],
        [noon + 2_000, noon + 2_500],
        [noon + 1_600, noon + 1_640],
        [noon + 2_600, noon + 2_640],
      ].map((times) => times.map((ms) => BigInt(ms) * 1_000_000n)),
    );
  });

  test('links an attempt to the one before', () => {
    expect(first.links).toEqual([]);
    expect(second.links).toEqual([{ context: first.spanContext(), attributes: { 'singletree.link': 'previous_attempt' } }]);
  });

  test('tells of the task on the root, never in names that backends add up', () => {
    expect(root.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': 'debugging',
      'gen_ai.agent.name': 'claude_code',
      'singletree.task.id': reworked.id,
      'singletree.event.id': reworked.id,
      'singletree.task.type': 'debugging',
      'singletree.task.outcome': 'success',
      'singletree.task.retry_count': 1,
      'singletree.task.turns': 6,
      'singletree.task.turns_lower_bound': false,
      'singletree.task.queue_duration_ms': 12,
      'singletree.task.duration_ms': 8_988,
      'singletree.task.active_duration_ms': 8_120,
      'singletree.task.gate_duration_ms': 868,
      'singletree.task.backoff_duration_ms': 0,
      'singletree.task.blocked_duration_ms': 0,
      'singletree.task.review_duration_ms': 0,
      'singletree.usage.input_tokens': 8_640,
      'singletree.usage.output_tokens': 1_300_000,
      'singletree.usage.cache_read.input_tokens': 600,
      'singletree.usage.cache_write.input_tokens': 8_000,
      'singletree.usage.reasoning.output_tokens': 1_200_000,
      'singletree.usage.provenance': 'reported',
      'singletree.usage.lower_bound': false,
      'singletree.cost_usd_micros': 48_000,
      'singletree.cost.source': 'harness',
      'singletree.cost.lower_bound': false,
      'singletree.quality_gate.passed': true,
      'singletree.quality_gate.run_count': 1,
      'singletree.quality_gate.failed_count': 0,
      'singletree.quality_gate.errored_count': 0,
      'singletree.context.compactions': 2,
      'singletree.context.rotations': 0,
      'singletree.context.utilization': 0.1,
      'singletree.context.utilization_peak': 0.25,
      'singletree.change.files': 1,
      'singletree.change.lines_added': 1,
      'singletree.change.lines_removed': 2,
      'vcs.ref.head.revision': tree.commit,
    });
  });

  test('tells of each attempt what it used; input includes the cached kinds, output the reasoning', () => {
    expect(first.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'claude_code',
      'gen_ai.agent.version': '2.1.329',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.request.model': 'claude-sonnet-4-5',
      'gen_ai.response.model': 'claude-sonnet-4-5-20250929',
      'gen_ai.conversation.id': 'ses-1',
      'gen_ai.usage.input_tokens': 4_320,
      'gen_ai.usage.output_tokens': 650_000,
      'gen_ai.usage.cache_read.input_tokens': 300,
      'gen_ai.usage.cache_write.input_tokens': 4_000,
      'gen_ai.usage.reasoning.output_tokens': 600_000,
      'singletree.usage.provenance': 'reported',
      'singletree.usage.lower_bound': false,
      'singletree.task.id': reworked.id,
      'singletree.attempt.number': 1,
      'singletree.attempt.state': 'ended',
      'singletree.attempt.charged': true,
      'singletree.attempt.turns': 3,
      'singletree.session.resumed': false,
      'singletree.cost_usd_micros': 31_000,
      'singletree.cost.source': 'harness',
      'singletree.cost.lower_bound': false,
      'singletree.context.compactions': 1,
      'singletree.context.utilization': 0.1,
      'singletree.context.utilization_peak': 0.25,
    });
  });

  test('tells the same under names of ours where the spans of the harness tell its usage: whoever sums up a trace counts once', () => {
    const [, told] = traceOfTask({ ...reworked, attempts: reworked.attempts.map((attempt) => ({ ...attempt, spansTellUsage: true })) });
    expect(Object.keys(told?.attributes ?? {}).filter((name) => name.startsWith('gen_ai.usage'))).toEqual([]);
    expect(told?.attributes).toMatchObject({
      'singletree.usage.input_tokens': 4_320,
      'singletree.usage.output_tokens': 650_000,
      'singletree.usage.cache_read.input_tokens': 300,
      'singletree.usage.cache_write.input_tokens': 4_000,
      'singletree.usage.reasoning.output_tokens': 600_000,
    });
  });

  test('tells of each gate what it was and how it went', () => {
    const both = {
      'cicd.pipeline.task.name': 'test',
      'cicd.pipeline.task.type': 'test',
      'singletree.task.id': reworked.id,
      'singletree.quality_gate.required': true,
    };
    expect(red.attributes).toEqual({
      ...both,
      'cicd.pipeline.task.run.id': `${reworked.id}.1.0`,
      'cicd.pipeline.task.run.result': 'failure',
      'singletree.attempt.number': 1,
      'process.exit.code': 1,
      'error.type': 'gate_failed',
    });
    expect(green.attributes).toEqual({
      ...both,
      'cicd.pipeline.task.run.id': `${reworked.id}.2.0`,
      'cicd.pipeline.task.run.result': 'success',
      'singletree.attempt.number': 2,
      'process.exit.code': 0,
    });
  });
});

const timedOut = { reason: 'timeout', message: 'the task used up its 3600 s' } as const;
const cancelled = { reason: 'cancelled', message: 'cancelled by anna' } as const;
const lost = { reason: 'lost', message: 'the shim died' } as const;
const unable = { reason: 'gate_could_not_run', message: 'gate lint could not run' } as const;

test.each<[string, Task, string[]]>([
  [
    'success without a task type',
    aTask(2, { attempts: [anAttempt(1)] }, { taskType: undefined } as never),
    ['invoke_workflow', '- invoke_agent claude_code'],
  ],
  [
    'partial, because an optional gate stayed red: no error at the root',
    aTask(2, { attempts: [anAttempt(1)], gateResults: [aGate(1, 0, 'failed', { name: 'lint', kind: 'lint', required: false })] }),
    ['invoke_workflow debugging', '- invoke_agent claude_code', '- gate lint ✗ gate_failed'],
  ],
  [
    'partial, because a required gate stayed red but work was kept: no error at the root',
    aTask(2, {
      state: 'failed',
      failure: gateFailed,
      attempts: [anAttempt(1, { tree, failure: gateFailed })],
      gateResults: [aGate(1, 0, 'failed')],
    }),
    ['invoke_workflow debugging', '- invoke_agent claude_code', '- gate test ✗ gate_failed'],
  ],
  [
    'a gate that could not run',
    aTask(2, {
      state: 'failed',
      failure: unable,
      attempts: [anAttempt(1, { tree, failure: unable })],
      gateResults: [aGate(1, 0, 'errored')],
    }),
    ['invoke_workflow debugging ✗ gate_could_not_run', '- invoke_agent claude_code', '- gate test ✗ gate_could_not_run'],
  ],
  [
    'timeout in an attempt',
    aTask(2, { state: 'failed', failure: timedOut, attempts: [anAttempt(1, { failure: timedOut })] }),
    ['invoke_workflow debugging ✗ timeout', '- invoke_agent claude_code ✗ timeout'],
  ],
  [
    'cancelled while it ran',
    aTask(2, { state: 'cancelled', failure: cancelled, attempts: [anAttempt(1, { failure: cancelled })] }),
    ['invoke_workflow debugging ✗ cancelled', '- invoke_agent claude_code ✗ cancelled'],
  ],
  [
    'cancelled before it was dispatched',
    aTask(2, { state: 'cancelled', failure: cancelled, dispatchedAt: undefined } as never),
    ['invoke_workflow debugging ✗ cancelled'],
  ],
  [
    'lost, then done by another attempt',
    aTask(2, { attempts: [anAttempt(1, { state: 'lost', failure: lost }), anAttempt(2)] }),
    ['invoke_workflow debugging', '- invoke_agent claude_code ✗ lost', '- invoke_agent claude_code'],
  ],
  [
    'an attempt that never started has no span',
    aTask(2, { attempts: [anAttempt(1, { state: 'revoked', startedAt: undefined } as never), anAttempt(2)] }),
    ['invoke_workflow debugging', '- invoke_agent claude_code'],
  ],
])('%s', (_, task, expected) => {
  expect(outline(traceOfTask(task))).toEqual(expected);
});

test.each(failureReasons.filter((reason) => !['timeout', 'attempt_timeout'].includes(reason)))(
  'failed for %s: its error.type',
  (reason) => {
    const task = aTask(3, { state: 'failed', failure: { reason, message: 'why' } });
    const [root] = traceOfTask(task);
    expect(root?.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(root?.attributes).toMatchObject({ 'error.type': reason, 'singletree.task.outcome': 'failure' });
  },
);

test('the link goes to the attempt that started before, across one that never did', () => {
  const never = (number: number): Attempt => anAttempt(number, { state: 'revoked', startedAt: undefined } as never);
  const spans = traceOfTask(aTask(4, { attempts: [never(1), anAttempt(2), never(3), anAttempt(4)] }));
  expect(spans.map(({ links }) => links.map(({ context }) => context.spanId))).toEqual([[], [], [attemptSpanId(aTask(4).id, 2)]]);
});

test('each run of each gate has an id of its own', () => {
  const gateResults = [
    aGate(1, 0, 'passed'),
    aGate(1, 1, 'failed', { name: 'lint' }),
    aGate(2, 0, 'passed'),
    aGate(2, 1, 'passed', { name: 'lint' }),
  ];
  const spans = traceOfTask(aTask(4, { attempts: [anAttempt(1), anAttempt(2)], gateResults }));
  expect(new Set(spans.map((span) => span.spanContext().spanId)).size).toBe(7);
  expect(outline(spans).slice(3)).toEqual(['- gate test', '- gate lint ✗ gate_failed', '- gate test', '- gate lint']);
});

test('unknown usage, cost, model and context are absent, not zero', () => {
  const task = aTask(5, { attempts: [anAttempt(1, { account: {} })] });
  for (const { attributes } of traceOfTask(task)) {
    expect(Object.keys(attributes).filter((name) => /usage|cost|model|utilization|turns|compactions|estimate/.test(name))).toEqual([]);
  }
});

test('a cost that is a lower bound says so', () => {
  const task = aTask(5, { attempts: [anAttempt(1, { account }), anAttempt(2)] });
  expect(traceOfTask(task)[0]?.attributes).toMatchObject({
    'singletree.cost_usd_micros': 31_000,
    'singletree.cost.lower_bound': true,
    'singletree.usage.lower_bound': true,
  });
});

test("the caller's trace goes on: the root is below the caller's span, sampled or not", () => {
  const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
  const task = aTask(6, { attempts: [anAttempt(1)] }, { traceparent: `00-${caller.traceId}-${caller.spanId}-00` });
  const [root, attempt] = traceOfTask(task);
  expect(root?.parentSpanContext).toEqual({ ...caller, traceFlags: 1, isRemote: true });
  expect(root?.spanContext()).toMatchObject({ traceId: caller.traceId, traceFlags: 1 });
  expect(attempt?.spanContext().traceId).toBe(caller.traceId);
});

test('a wall clock that was set back gives no span that ends before it begins', () => {
  const task = aTask(7, { attempts: [anAttempt(1, { endedAt: noon - 60_000 })] });
  const attempt = traceOfTask(task)[1];
  expect(attempt?.endTime).toEqual(attempt?.startTime);
});

test('an attempt whose end nobody saw ends with the task', () => {
  const { endedAt: _, ...unended }: Attempt = anAttempt(1);
  expect(nanoseconds(traceOfTask(aTask(8, { attempts: [unended] }))[1]!.endTime)).toBe(BigInt(noon + 9_000) * 1_000_000n);
});

test('waits are children of the task, and say what they were for', () => {
  const events = [change(12, 'assigned'), change(1_500, 'created', 'lost'), change(1_900, 'assigned')];
  const spans = traceOfTask(aTask(9, { attempts: [anAttempt(1)] }), { events });
  expect(outline(spans)).toEqual(['invoke_workflow debugging', '- invoke_agent claude_code', '- wait queue', '- wait backoff']);
  expect(spans.slice(2).map(({ attributes }) => attributes['singletree.wait.reason'])).toEqual([undefined, 'lost']);
  expect(spans[3]?.parentSpanContext?.spanId).toBe(rootSpanId(aTask(9).id));
  expect([spans[3]?.startTime, spans[3]?.endTime].map((time) => nanoseconds(time!) / 1_000_000n)).toEqual([
    BigInt(noon + 1_500),
    BigInt(noon + 1_900),
  ]);
});

const tool = (at: number, toolId: string, more: object): TaskEvent => {
  const event = { kind: '', source: 'stdout' as const, endsAt: at, toolId, thread: 'main', ...more };
  return { sequence: at, at: noon + at, body: { kind: 'harness', attempt: 1, event } };
};
const doings = {
  events: [
    change(0, 'assigned'),
    tool(1_200, 'a', { kind: 'tool.started', tool: 'Bash' }),
    tool(1_300, 'a', { kind: 'tool.finished', failed: true }),
    tool(1_400, 'b', { kind: 'tool.started', tool: 'Edit' }),
    tool(1_450, 'b', { kind: 'tool.finished', failed: false }),
  ],
  calls: [
    {
      attempt: 1,
      callId: 'm1',
      at: noon + 1_100,
      model: 'sonnet',
      provenance: 'reported',
      uncachedInputTokens: 5,
      cacheReadInputTokens: 7,
    },
  ] satisfies LedgerEntry[],
};

test('what the agent did stands below its attempt, in the order of time', () => {
  const spans = traceOfTask(aTask(10, { attempts: [anAttempt(1, { account })] }), doings);
  expect(outline(spans)).toEqual([
    'invoke_workflow debugging',
    '- invoke_agent claude_code',
    '- chat sonnet',
    '- execute_tool Bash ✗ tool_failed',
    '- execute_tool Edit',
  ]);
  const [, attempt, call, bash] = spans;
  for (const span of spans.slice(2)) expect(span.parentSpanContext).toEqual(attempt?.spanContext());
  expect(call).toMatchObject({ kind: SpanKind.CLIENT });
  expect(call?.attributes).toEqual({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.response.model': 'sonnet',
    'singletree.task.id': aTask(10).id,
    'singletree.thread': 'main',
    'singletree.usage.input_tokens': 12,
    'singletree.usage.cache_read.input_tokens': 7,
    'singletree.usage.provenance': 'reported',
  });
  expect(bash?.attributes).toEqual({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'Bash',
    'gen_ai.tool.call.id': 'a',
    'singletree.task.id': aTask(10).id,
    'singletree.thread': 'main',
    'error.type': 'tool_failed',
  });
  expect(new Set(spans.map((span) => span.spanContext().spanId)).size).toBe(5);
});

test('what was read of only after the process had ended, or before it began by a clock set since, stands inside it', () => {
  const late = { ...doings, events: [...doings.events, tool(5_000, 'c', { kind: 'tool.started', tool: 'Late' })] };
  const started = noon + 1_420;
  const task = aTask(10, {
    attempts: [anAttempt(1, { startedAt: started, endedAt: noon + 1_440 }), anAttempt(2, { endedAt: noon + 99_000 })],
  });
  const spans = traceOfTask(task, late);
  expect(
    spans.map(({ name, startTime, endTime }) => [
      name.split(' ')[1],
      ...[startTime, endTime].map((time) => Number(nanoseconds(time) / 1_000_000n) - noon),
    ]),
  ).toEqual([
    ['debugging', 0, 9_000],
    ['claude_code', 1_420, 1_440],
    ['claude_code', 2_000, 9_000],
    ['sonnet', 1_420, 1_420],
    ['Bash', 1_420, 1_420],
    ['Edit', 1_420, 1_440],
    ['Late', 1_440, 1_440],
  ]);
  for (const { duration, startTime, endTime } of spans) expect(nanoseconds(duration)).toBe(nanoseconds(endTime) - nanoseconds(startTime));
});

test('what a trace has no room for is counted on the root; the first ones stay', () => {
  const task = aTask(11, { attempts: [anAttempt(1)] });
  const [root, ...rest] = traceOfTask(task, doings, 2);
  expect(root?.attributes['singletree.spans.omitted']).toBe(1);
  expect(outline(rest)).toEqual(['- invoke_agent claude_code', '- chat sonnet', '- execute_tool Bash ✗ tool_failed']);
  expect(traceOfTask(task, doings, 3)[0]?.attributes).not.toHaveProperty('singletree.spans.omitted');
});
