import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  ArtifactKind,
  Complexity,
  ComplexitySource,
  CostSource,
  FailureReason,
  GateStatus,
  Outcome,
  Provenance,
  RepoSizeCategory,
  TaskCompletionEventSchema,
  TaskEventSchema,
  TaskSchema,
  TaskState,
  TaskType,
} from '@singletree/protocol';
import { expect, test } from 'vitest';
import { toJson, toPlain } from './write.ts';

const at = (time: string) => timestampFromDate(new Date(time));

const repaired: MessageInitShape<typeof TaskCompletionEventSchema> = {
  eventId: '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c',
  schemaVersion: '1.0',
  taskId: '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c',
  traceId: '0199c1d47f3a7b11a2c40d9e8f7a6b5c',
  createdAt: at('2026-11-21T13:30:00.000Z'),
  completedAt: at('2026-11-21T13:30:08.900Z'),
  taskType: TaskType.DEBUGGING,
  complexity: Complexity.LOW,
  complexitySource: ComplexitySource.ASSESSED,
  harness: 'claude_code',
  harnessVersion: '2.1.329',
  requestedModel: 'claude-sonnet-4-5',
  model: 'claude-sonnet-4-5-20250929',
  provider: 'anthropic',
  attemptCount: 2,
  queueDurationMs: 12n,
  taskDurationMs: 8888n,
  activeDurationMs: 8120n,
  gateDurationMs: 768n,
  backoffDurationMs: 0n,
  blockedDurationMs: 0n,
  reviewDurationMs: 0n,
  estimatedInputTokens: 29_800n,
  estimatedOutputTokens: 1_100n,
  estimatedCostUsdMicros: 51_000n,
  actualInputTokens: 30_120n,
  actualOutputTokens: 902n,
  usage: {
    uncachedInputTokens: 2_014n,
    cacheReadInputTokens: 26_006n,
    cacheWriteInputTokens: 2_100n,
    outputTokens: 902n,
    reasoningOutputTokens: 0n,
    provenance: Provenance.REPORTED,
  },
  actualCostUsdMicros: 48_231n,
  costSource: CostSource.HARNESS,
  qualityGatePassed: true,
  qualityGatesRun: ['test'],
  contextCompactions: 0,
  contextUtilizationFinal: 0.15,
  contextUtilizationPeak: 0.15,
  outcome: Outcome.SUCCESS,
  retryCount: 1,
  retriesByCause: { gate_failed: 1 },
  language: 'javascript',
  repoSizeCategory: RepoSizeCategory.TINY,
  turnsPerTask: 5,
  tokensPerTask: 31_022n,
  costPerTaskUsdMicros: 48_231n,
  summary: 'price.js now rounds half up; …',
  filesChanged: 1,
  linesAdded: 1n,
  linesRemoved: 1n,
};

test('a completion event as --json prints it', () => {
  const event = toPlain(TaskCompletionEventSchema, create(TaskCompletionEventSchema, repaired));
  expect(JSON.parse(JSON.stringify(toJson(event)))).toEqual({
    event_id: '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c',
    schema_version: '1.0',
    task_id: '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c',
    trace_id: '0199c1d47f3a7b11a2c40d9e8f7a6b5c',
    created_at: '2026-11-21T13:30:00.000Z',
    completed_at: '2026-11-21T13:30:08.900Z',
    task_type: 'debugging',
    complexity: 'low',
    complexity_source: 'assessed',
    harness: 'claude_code',
    harness_version: '2.1.329',
    requested_model: 'claude-sonnet-4-5',
    model: 'claude-sonnet-4-5-20250929',
    provider: 'anthropic',
    attempt_count: 2,
    queue_duration_ms: 12,
    task_duration_ms: 8888,
    active_duration_ms: 8120,
    gate_duration_ms: 768,
    backoff_duration_ms: 0,
    blocked_duration_ms: 0,
    review_duration_ms: 0,
    estimated_input_tokens: 29800,
    estimated_output_tokens: 1100,
    estimated_cost_usd_micros: 51000,
    actual_input_tokens: 30120,
    actual_output_tokens: 902,
    usage: {
      uncached_input_tokens: 2014,
      cache_read_input_tokens: 26006,
      cache_write_input_tokens: 2100,
      output_tokens: 902,
      reasoning_output_tokens: 0,
      provenance: 'reported',
      lower_bound: false,
    },
    actual_cost_usd_micros: 48231,
    cost_source: 'harness',
    cost_lower_bound: false,
    quality_gate_passed: true,
    quality_gates_run: ['test'],
    quality_gates_failed: [],
    quality_gates_errored: [],
    context_compactions: 0,
    context_rotations: 0,
    context_utilization_final: 0.15,
    context_utilization_peak: 0.15,
    outcome: 'success',
    retry_count: 1,
    retries_by_cause: { gate_failed: 1 },
    language: 'javascript',
    repo_size_category: 'tiny',
    turns_per_task: 5,
    turns_lower_bound: false,
    tokens_per_task: 31022,
    cost_per_task_usd_micros: 48231,
    summary: 'price.js now rounds half up; …',
    artifacts: [],
    files_changed: 1,
    lines_added: 1,
    lines_removed: 1,
  });
});

test('what is unknown is absent, and a list without items is there', () => {
  const event = toPlain(
    TaskCompletionEventSchema,
    create(TaskCompletionEventSchema, {
      taskId: 'a',
      outcome: Outcome.FAILURE,
      failure: { reason: FailureReason.KILLED, message: 'stopped', scope: 'harness=codex' },
      artifacts: [{ kind: ArtifactKind.FILE_CHANGED, path: 'price.js' }],
    }),
  );
  expect(toJson(event)).toEqual({
    task_id: 'a',
    attempt_count: 0,
    cost_lower_bound: false,
    quality_gates_run: [],
    quality_gates_failed: [],
    quality_gates_errored: [],
    context_rotations: 0,
    outcome: 'failure',
    failure: { reason: 'killed', message: 'stopped', scope: 'harness=codex' },
    retry_count: 0,
    retries_by_cause: {},
    turns_lower_bound: false,
    artifacts: [{ kind: 'file_changed', path: 'price.js' }],
  });
  expect(event.actualCostUsdMicros ?? 'unknown').toBe('unknown');
  expect('taskType' in event).toBe(false);
});

test('an event names its kind in code, and is named by its member in JSON', () => {
  const event = toPlain(
    TaskEventSchema,
    create(TaskEventSchema, {
      taskId: 'a',
      sequence: 7n,
      at: at('2026-11-21T13:30:00.5Z'),
      attempt: 1,
      kind: { case: 'gateFinished', value: { attempt: 1, name: 'test', status: GateStatus.FAILED, exitCode: 1, durationMs: 400n } },
    }),
  );
  expect(event.kind === 'gate_finished' && event.gateFinished.status).toBe('failed');
  expect(event.at).toEqual(new Date('2026-11-21T13:30:00.500Z'));
  expect(toJson(event)).toEqual({
    task_id: 'a',
    sequence: 7,
    at: '2026-11-21T13:30:00.500Z',
    attempt: 1,
    gate_finished: { attempt: 1, name: 'test', status: 'failed', required: false, exit_code: 1, duration_ms: 400 },
  });
});

test('a task: durations, labels as they were given, and the completion event inside it', () => {
  const message = create(TaskSchema, {
    id: 'a',
    state: TaskState.IN_PROGRESS,
    limits: { timeout: durationFromMs(90_500), maxOutputBytes: 1n },
    labels: { someTeam: 'billing' },
    context: [{ source: { case: 'file', value: 'a.md' } }],
    completion: repaired,
  });
  const task = toPlain(TaskSchema, message);
  expect(task).toMatchObject({
    state: 'in_progress',
    limits: { timeoutMs: 90_500, maxOutputBytes: 1 },
    labels: { someTeam: 'billing' },
    context: [{ source: 'file', file: 'a.md' }],
  });
  expect(toJson(task)).toMatchObject({
    state: 'in_progress',
    limits: { timeout: '90.500s', max_output_bytes: 1 },
    labels: { someTeam: 'billing' },
    context: [{ file: 'a.md' }],
    completion: { outcome: 'success' },
  });
  expect(toJson(message)).toEqual(toJson(task));
  expect(toJson(task.completion ?? {})).toMatchObject({ outcome: 'success' });
  expect(() => toJson({ ...task })).toThrow('not a copy');
});

test('a value that only a newer daemon knows is its number, an event that only it knows has an unknown kind', () => {
  const task = toPlain(TaskSchema, create(TaskSchema, { state: 99 as TaskState }));
  expect(task.state).toBe('99');
  expect(toPlain(TaskEventSchema, create(TaskEventSchema, {})).kind).toBe('unknown');
});
