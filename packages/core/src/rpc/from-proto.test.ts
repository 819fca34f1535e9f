import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  Complexity,
  CreateTaskRequestSchema,
  FailureReason,
  GateKind,
  PermissionMode,
  RetrySession,
  TaskType,
  WorkspaceMode,
} from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import type { Catalogue, Plugin } from '../plugins/catalogue.ts';
import type { TaskSpec } from '../task/task.ts';
import { specFrom, type TaskDefaults } from './from-proto.ts';

const limits = { timeoutMs: 3_600_000, maxOutputBytes: 64, maxAttempts: 3, firstOutputMs: 120_000, stallMs: 300_000, minFreeBytes: 7 };
const defaults: TaskDefaults = { ...limits, harness: 'claude_code', gateTimeoutMs: 900_000, blockedLimitMs: 86_400_000, retry: {} };

/** One harness, and what it can. */
function catalogue(permissionModes: readonly string[] = ['all', 'edits', 'read'], model?: string): Catalogue {
  const plugin = { id: 'any', settings: model === undefined ? {} : { model }, harness: { capabilities: { permissionModes } } };
  return { get: () => plugin as unknown as Plugin, all: () => [] };
}

type Request = MessageInitShape<typeof CreateTaskRequestSchema>;
const whole = { instructions: 'do it', workspace: { path: '/src' } };
const spec = (request: Request = {}, set: Partial<TaskDefaults> = {}, plugins = catalogue()): TaskSpec =>
  specFrom(create(CreateTaskRequestSchema, { ...whole, ...request } as Request), { ...defaults, ...set }, plugins);

describe('what a request asks for', () => {
  test('is filled in with the defaults, and nothing that is not known', () => {
    expect(spec()).toStrictEqual({
      instructions: 'do it',
      acceptanceCriteria: [],
      context: [],
      harness: 'claude_code',
      permissions: 'all',
      workspace: { path: '/src', mode: 'worktree' },
      setup: [],
      gates: [],
      limits: { ...limits, blockedLimitMs: 86_400_000 },
      retry: {},
      labels: {},
      priority: 0,
    });
  });

  test('has the limits that only the configuration sets, too', () => {
    const set = { attemptTimeoutMs: 60_000, maxTurns: 9, maxTokens: 7, maxCostUsdMicros: 2_500_000, maxContextUtilization: 0.5 };
    expect(spec({}, set).limits).toStrictEqual({ ...limits, ...set, blockedLimitMs: 86_400_000 });
    expect(spec({ limits: { minFreeDiskBytes: 0n } }).limits.minFreeBytes).toBe(0);
  });

  test('is taken as it is', () => {
    const request: Request = {
      title: 't',
      acceptanceCriteria: ['a'],
      context: [{ source: { case: 'text', value: '\ufeffx\r\n' } }, { source: { case: 'file', value: 'a.md' } }, {}],
      taskType: TaskType.SECURITY_AUDIT,
      complexity: Complexity.CRITICAL,
      harness: 'codex',
      model: 'gpt-5',
      permissions: PermissionMode.READ,
      workspace: { path: '/src', mode: WorkspaceMode.IN_PLACE },
      setup: ['npm ci'],
      gates: [
        { name: 'unit-tests', command: 'npm test' },
        { name: 'x', command: 'y', kind: GateKind.LINT, required: false, timeout: { seconds: 90n } },
      ],
      limits: {
        timeout: { seconds: 5n, nanos: 500_000_000 },
        maxOutputBytes: 9n,
        maxAttempts: 1,
        attemptTimeout: { seconds: 4n },
        firstOutput: { seconds: 3n },
        stall: { nanos: 250_000_000 },
        maxTurns: 8,
        maxTokens: 2n ** 40n,
        maxCostUsdMicros: 9n,
        maxContextUtilization: 0.25,
        minFreeDiskBytes: 1_024n,
        blockedLimit: { seconds: 2n },
      },
      retry: [
        {
          reason: FailureReason.HARNESS_CRASHED,
          retry: true,
          charged: false,
          session: RetrySession.FRESH,
          backoffInitial: { nanos: 5_000_000 },
          backoffFactor: 3,
          backoffCap: { seconds: 1n },
          jitter: 0,
          maxRetries: 0,
        },
        { reason: FailureReason.STALLED, retry: false },
      ],
      labels: { team: 'a' },
      priority: -3,
    };
    expect(spec(request)).toStrictEqual({
      title: 't',
      instructions: 'do it',
      acceptanceCriteria: ['a'],
      context: [
        { kind: 'text', text: '\ufeffx\r\n' },
        { kind: 'file', path: 'a.md' },
      ],
      taskType: 'security_audit',
      complexity: 'critical',
      harness: 'codex',
      model: 'gpt-5',
      permissions: 'read',
      workspace: { path: '/src', mode: 'in_place' },
      setup: ['npm ci'],
      gates: [
        { name: 'unit-tests', command: 'npm test', kind: 'test', required: true, timeoutMs: 900_000 },
        { name: 'x', command: 'y', kind: 'lint', required: false, timeoutMs: 90_000 },
      ],
      limits: {
        timeoutMs: 5_500,
        maxOutputBytes: 9,
        maxAttempts: 1,
        attemptTimeoutMs: 4_000,
        firstOutputMs: 3_000,
        stallMs: 250,
        maxTurns: 8,
        maxTokens: 2 ** 40,
        maxCostUsdMicros: 9,
        maxContextUtilization: 0.25,
        minFreeBytes: 1_024,
        blockedLimitMs: 2_000,
      },
      retry: {
        harness_crashed: { retry: true, charged: false, session: 'fresh', initialMs: 5, factor: 3, capMs: 1_000, jitter: 0, most: 0 },
        stalled: { retry: false },
      },
      labels: { team: 'a' },
      priority: -3,
    });
  });

  test.each([
    ['the request', { model: 'asked' }, 'configured', 'asked'],
    ['the configuration', {}, 'configured', 'configured'],
    ['nobody', {}, undefined, undefined],
  ])('has the model of %s', (_, request, configured, model) => expect(spec(request, {}, catalogue(['all'], configured)).model).toBe(model));

  test.each([
    [WorkspaceMode.UNSPECIFIED, PermissionMode.UNSPECIFIED, undefined, 'all'],
    [WorkspaceMode.CLONE, PermissionMode.UNSPECIFIED, undefined, 'all'],
    [WorkspaceMode.IN_PLACE, PermissionMode.UNSPECIFIED, undefined, 'edits'],
    [WorkspaceMode.IN_PLACE, PermissionMode.UNSPECIFIED, 'all', 'all'],
    [WorkspaceMode.WORKTREE, PermissionMode.UNSPECIFIED, 'read', 'read'],
    [WorkspaceMode.IN_PLACE, PermissionMode.ALL, 'read', 'all'],
  ] as const)(
    'in workspace mode %i with permissions %i asked for and %s configured may do %s',
    (mode, permissions, configured, expected) => {
      const request = { workspace: { path: '/src', mode }, permissions };
      expect(spec(request, configured === undefined ? {} : { permissions: configured }).permissions).toBe(expected);
    },
  );

  test('is refused where the harness lacks the permission mode', () => {
    expect(() => spec({ permissions: PermissionMode.READ }, {}, catalogue(['all', 'edits']))).toThrow(
      expect.objectContaining({
        reason: 'PERMISSION_MODE_UNSUPPORTED',
        message: 'claude_code has no permission mode "read"',
        hint: 'it has: all, edits',
      }) as Error,
    );
  });
});

describe('a rule for retries', () => {
  test('changes the configured one field by field, and leaves the others', () => {
    const retry = { stalled: { retry: false }, lost: { most: 1, charged: true } };
    const request: Request = { retry: [{ reason: FailureReason.LOST, maxRetries: 7, session: RetrySession.RESUME }] };
    expect(spec(request, { retry }).retry).toStrictEqual({
      stalled: { retry: false },
      lost: { most: 7, charged: true, session: 'resume' },
    });
    expect(spec({}, { retry }).retry).toStrictEqual(retry);
  });

  test.each([
    [FailureReason.TIMEOUT, 'timeout'],
    [FailureReason.KILLED, 'killed'],
    [FailureReason.SETUP_FAILED, 'setup_failed'],
    [77 as FailureReason, '77'],
  ])('is refused for a reason that leaves nothing to try again: %s', (reason, word) => {
    expect(() => spec({ retry: [{ reason, retry: true }] })).toThrow(
      expect.objectContaining({
        reason: 'INVALID_RETRY_RULE',
        message: `a task is never tried again for the reason "${word}"`,
        hint: expect.stringMatching(/^reasons with a rule: unauthenticated, rate_limited, .*, unsupervised$/) as string,
        metadata: { reason: word },
      }) as Error,
    );
  });
});

test.each<[string, Request, number]>([
  ['title', { title: 'a\0' }, 1],
  ['labels[team]', { labels: { area: 'a', team: 'b\0' } }, 1],
  ['instructions', { instructions: 'a\0b' }, 1],
  ['instructions', { instructions: '\0' }, 0],
  ['instructions', { instructions: 'é😀\0\0' }, 6],
  ['acceptance_criteria[1]', { acceptanceCriteria: ['a', 'b\0'] }, 1],
  ['context[0]', { context: [{ source: { case: 'text', value: '\r\n\0' } }] }, 2],
  ['context[1]', { context: [{}, { source: { case: 'file', value: 'a\0' } }] }, 1],
  ['model', { model: 'm\0' }, 1],
  ['workspace.path', { workspace: { path: '/a\0' } }, 2],
  ['setup[0]', { setup: ['npm\0ci'] }, 3],
  [
    'gates[1].command',
    {
      gates: [
        { name: 'a', command: 'b' },
        { name: 'c', command: '\0' },
      ],
    },
    0,
  ],
])('a NUL in %s is refused by its byte: %j', (field, request, offset) => {
  let refused: unknown;
  try {
    spec(request);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(DomainError);
  expect(refused).toMatchObject({
    reason: /^(title|instructions|acceptance|context)/.test(field) ? 'INVALID_PROMPT' : 'INVALID_REQUEST',
    message: `${field} holds a NUL at byte ${offset}`,
    metadata: { field, offset: String(offset) },
  });
});
