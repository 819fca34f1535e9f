import { describe, expect, test } from 'vitest';
import type { CompletionEvent } from './completion.ts';
import {
  aGate,
  after,
  aTree,
  claim,
  completionAfter,
  created,
  decided,
  died,
  exited,
  expectFields,
  failed,
  noon,
  openWorkspace,
  owned,
  passed,
  reconciled,
  running,
  runningAgain,
  silent,
  start,
  stop,
} from './samples.testsuite.ts';
import { block } from './situations.testsuite.ts';
import type { Attempt, AttemptAccount } from './task.ts';

const id = '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c';
const judged = { kind: 'judged' } as const;
const nothingSpent = { activeMs: 0, gateMs: 0, backoffMs: 0, blockedMs: 0, reviewMs: 0 };

/** One second a command: the task is created at noon, and every duration counts the commands. This is what every event has. */
const bare = {
  eventId: id,
  schemaVersion: '1.0',
  taskId: id,
  createdAt: noon,
  attemptCount: 0,
  harness: 'claude_code',
  qualityGatesRun: [],
  qualityGatesFailed: [],
  qualityGatesErrored: [],
  contextRotations: 0,
  outcome: 'failure',
  retryCount: 0,
  retriesByCause: {},
  files: [],
} as const;

const tree = {
  commit: 'c1',
  ref: 'refs/singletree/task/1',
  files: [{ path: 'price.js', change: 'modified', linesAdded: 2, linesRemoved: 1 }],
  filesChanged: 1,
  linesAdded: 2,
  linesRemoved: 1,
} as const;

/** All that can be known of one attempt. */
const account: AttemptAccount = {
  sessionId: 's',
  model: 'claude-opus-5',
  provider: 'anthropic',
  harnessVersion: '2.1.0',
  usage: {
    uncachedInputTokens: 10,
    cacheReadInputTokens: 200,
    cacheWriteInputTokens: 3_000,
    cacheWrite1hInputTokens: 2_000,
    outputTokens: 40,
    reasoningOutputTokens: 5,
    provenance: 'reported',
    lowerBound: false,
  },
  turns: 4,
  costUsdMicros: 1_500,
  costSource: 'harness',
  compactions: 1,
  context: { windowTokens: 10_000, finalTokens: 2_500, peakTokens: 5_000 },
  summary: 'Rounded half up.',
};

describe('the whole event', () => {
  test('of a success, everything known', () => {
    const event = completionAfter(
      { title: 't', taskType: 'debugging', complexity: 'low', model: 'opus', gates: [aGate('test')] },
      { kind: 'claim', owner: 'd', estimate: { inputTokens: 1, outputTokens: 2, costUsdMicros: 3 } },
      openWorkspace,
      { kind: 'set_base', base: { commit: 'b0', tree: 't0', language: 'JavaScript', repoSizeCategory: 'tiny' } },
      start(),
      owned(),
      exited(),
      reconciled({}, account),
      passed,
      judged,
    );
    expect(event).toStrictEqual({
      ...bare,
      ...tree,
      dispatchedAt: noon + 1_000,
      completedAt: noon + 10_000,
      attemptCount: 1,
      taskType: 'debugging',
      complexity: 'low',
      complexitySource: 'given',
      harnessVersion: '2.1.0',
      requestedModel: 'opus',
      model: 'claude-opus-5',
      provider: 'anthropic',
      queueDurationMs: 1_000,
      taskDurationMs: 9_000,
      phases: { ...nothingSpent, activeMs: 6_000, gateMs: 3_000 },
      estimatedInputTokens: 1,
      estimatedOutputTokens: 2,
      estimatedCostUsdMicros: 3,
      usage: account.usage,
      actualInputTokens: 3_210,
      actualOutputTokens: 45,
      tokensPerTask: 3_255,
      actualCostUsdMicros: 1_500,
      costSource: 'harness',
      costLowerBound: false,
      turnsPerTask: 4,
      turnsLowerBound: false,
      qualityGatePassed: true,
      qualityGatesRun: ['test'],
      contextCompactions: 1,
      contextUtilizationFinal: 0.25,
      contextUtilizationPeak: 0.5,
      outcome: 'success',
      language: 'JavaScript',
      repoSizeCategory: 'tiny',
      summary: 'Rounded half up.',
      base: 'b0',
    });
  });

  test('of a success, nothing known that need not be', () => {
    expect(completionAfter({}, ...running, exited(), reconciled(), judged)).toStrictEqual({
      ...bare,
      ...tree,
      dispatchedAt: noon + 1_000,
      completedAt: noon + 8_000,
      attemptCount: 1,
      queueDurationMs: 1_000,
      taskDurationMs: 7_000,
      phases: { ...nothingSpent, activeMs: 6_000, gateMs: 1_000 },
      outcome: 'success',
      base: 'b0',
    });
  });

  test('of a task that was never dispatched', () => {
    expect(completionAfter({ model: 'opus' }, stop('cancel', 'anna', 'not needed'))).toStrictEqual({
      ...bare,
      completedAt: noon + 1_000,
      requestedModel: 'opus',
      failure: { reason: 'cancelled', message: 'cancelled by anna: not needed', by: 'anna', why: 'not needed' },
    });
  });

  test('of a task whose only attempt never started', () => {
    expect(completionAfter({}, claim, { kind: 'fail', reason: 'harness_missing', message: 'claude was not found' })).toStrictEqual({
      ...bare,
      dispatchedAt: noon + 1_000,
      completedAt: noon + 2_000,
      queueDurationMs: 1_000,
      taskDurationMs: 1_000,
      phases: { ...nothingSpent, activeMs: 1_000 },
      failure: { reason: 'harness_missing', message: 'claude was not found' },
    });
  });

  test('of a task that was lost in its first attempt and done in the second, which reports nothing', () => {
    const known = { ...account, usage: { outputTokens: 7, provenance: 'recovered', lowerBound: true } } as const;
    expect(
      completionAfter(
        { gates: [aGate('test')] },
        ...running,
        died(),
        silent(known),
        ...runningAgain(2),
        exited('harness-2'),
        reconciled({ tree: aTree({ commit: 'c2' }) }),
        passed,
        judged,
      ),
    ).toStrictEqual({
      ...bare,
      ...tree,
      commit: 'c2',
      dispatchedAt: noon + 1_000,
      completedAt: noon + 15_000,
      attemptCount: 2,
      queueDurationMs: 1_000,
      taskDurationMs: 14_000,
      phases: { ...nothingSpent, activeMs: 10_000, gateMs: 3_000, backoffMs: 1_000 },
      usage: { outputTokens: 7, provenance: 'recovered', lowerBound: true },
      actualOutputTokens: 7,
      actualCostUsdMicros: 1_500,
      costSource: 'harness',
      costLowerBound: true,
      turnsPerTask: 4,
      turnsLowerBound: true,
      qualityGatePassed: true,
      qualityGatesRun: ['test'],
      contextUtilizationPeak: 0.5,
      outcome: 'success',
      retryCount: 1,
      retriesByCause: { lost: 1 },
      base: 'b0',
    });
  });
});

describe('retried tasks', () => {
  const gates = [aGate('test')];
  const red = [...running, exited(), reconciled({}, account), failed, judged];

  test('count each retry by why it was made, and all that they used', () => {
    const event = completionAfter(
      { gates },
      ...red,
      ...runningAgain(2),
      died('harness-2'),
      silent(account),
      ...runningAgain(3),
      exited('harness-3'),
      reconciled({}, account),
      passed,
      judged,
    );
    expectFields(event, {
      attemptCount: 3,
      retryCount: 2,
      retriesByCause: { gate_failed: 1, lost: 1 },
      actualCostUsdMicros: 4_500,
      turnsPerTask: 12,
      contextCompactions: 3,
      actualInputTokens: 9_630,
      costLowerBound: false,
      outcome: 'success',
    });
  });

  test('have the gates of the last attempt that ran: none if it was not judged', () => {
    expectFields(completionAfter({ gates }, ...red, ...runningAgain(2), stop('cancel'), exited('harness-2'), silent()), {
      qualityGatePassed: undefined,
      qualityGatesRun: [],
      retryCount: 1,
    });
  });

  test.each([
    ['waits', []],
    ['was claimed and not started', [claim]],
  ])('lose nothing while the next attempt %s', (_, more) => {
    expectFields(completionAfter({ gates }, ...red, ...more, stop('cancel')), {
      qualityGatePassed: false,
      qualityGatesFailed: ['test'],
      retryCount: 0,
      retriesByCause: {},
      attemptCount: 1,
      summary: 'Rounded half up.',
    });
  });

  test('keep the last tree that was frozen', () => {
    const lost = silent({}, { tree: { reason: 'workspace_gone', message: 'gone' } });
    expectFields(completionAfter({ gates }, ...red, ...runningAgain(2), exited('harness-2'), lost), {
      commit: 'c1',
      filesChanged: 1,
      outcome: 'failure',
    });
  });

  test('count the wait and the block apart', () => {
    const event = completionAfter({}, block, { kind: 'unblock' }, claim, block, { kind: 'unblock' }, claim, stop('cancel'));
    expectFields(event, {
      queueDurationMs: 3_000,
      taskDurationMs: 4_000,
      phases: { ...nothingSpent, activeMs: 2_000, blockedMs: 1_000, backoffMs: 1_000 },
    });
  });

  test('count a fresh session as a rotation, a resumed one not', () => {
    const again = (attempt: number, resumed: boolean) => [
      claim,
      start(attempt, { session: { id: 's', resumed } }),
      owned(`harness-${attempt}`),
      exited(`harness-${attempt}`),
    ];
    const rotated = completionAfter({ gates }, ...red, ...again(2, true), silent(), ...again(3, false), reconciled(), passed, judged);
    expectFields(rotated, { contextRotations: 1, retryCount: 2 });
  });

  test('count a parked attempt as a retry of its cause', () => {
    expectFields(
      completionAfter({}, ...running, exited(), block, { kind: 'unblock' }, ...runningAgain(2), exited('harness-2'), reconciled(), judged),
      { retryCount: 1, retriesByCause: { quota_exhausted: 1 } },
    );
  });
});

describe('what an account leaves open', () => {
  const accounts = (...each: AttemptAccount[]): CompletionEvent => {
    const attempts = each.map((told, index): Attempt => ({
      number: index + 1,
      state: 'ended',
      harness: 'claude_code',
      preparedAt: noon,
      startedAt: noon,
      recorded: { stdout: 0, stderr: 0 },
      account: told,
    }));
    const before = after(created(), ...running, exited(), reconciled());
    return decided({ ...before, attempts }, judged).completion!;
  };
  const tokens = (set: object): AttemptAccount => ({ usage: { provenance: 'reported', lowerBound: false, ...set } });

  test.each<[string, AttemptAccount[], Partial<Record<keyof CompletionEvent, unknown>>]>([
    ['no usage', [{}], { usage: undefined, actualInputTokens: undefined, actualOutputTokens: undefined, tokensPerTask: undefined }],
    ['only output', [tokens({ outputTokens: 5 })], { actualInputTokens: undefined, actualOutputTokens: 5, tokensPerTask: undefined }],
    [
      'usage of one of two',
      [tokens({ uncachedInputTokens: 1, outputTokens: 5 }), {}],
      { tokensPerTask: 6, usage: { uncachedInputTokens: 1, outputTokens: 5, provenance: 'reported', lowerBound: true } },
    ],
    [
      'a count of 0 is a count',
      [tokens({ uncachedInputTokens: 0, outputTokens: 0 })],
      { actualInputTokens: 0, actualOutputTokens: 0, tokensPerTask: 0 },
    ],
    ['no cost', [{}], { actualCostUsdMicros: undefined, costSource: undefined, costLowerBound: undefined, priceVersion: undefined }],
    [
      'cost of one of two',
      [{ costUsdMicros: 7, costSource: 'harness' }, {}],
      { actualCostUsdMicros: 7, costSource: 'harness', costLowerBound: true },
    ],
    [
      'cost from two sources',
      [
        { costUsdMicros: 7, costSource: 'harness' },
        { costUsdMicros: 8, costSource: 'priced', priceVersion: '2026-06' },
      ],
      { actualCostUsdMicros: 15, costSource: 'mixed', costLowerBound: false, priceVersion: '2026-06' },
    ],
    [
      'cost of a part of one',
      [{ costUsdMicros: 7, costSource: 'priced', costLowerBound: true }],
      { actualCostUsdMicros: 7, costSource: 'priced', costLowerBound: true },
    ],
    [
      'a cost of 0 is a cost',
      [{ costUsdMicros: 0, costSource: 'harness' }],
      { actualCostUsdMicros: 0, costSource: 'harness', costLowerBound: false },
    ],
    ['no turns', [{}], { turnsPerTask: undefined, turnsLowerBound: undefined }],
    ['turns of one of two', [{ turns: 3 }, {}], { turnsPerTask: 3, turnsLowerBound: true }],
    ['compactions of one of two', [{ compactions: 0 }, {}], { contextCompactions: undefined }],
    ['no compaction', [{ compactions: 0 }], { contextCompactions: 0 }],
    [
      'no context window',
      [{ context: { finalTokens: 5, peakTokens: 6 } }],
      { contextUtilizationFinal: undefined, contextUtilizationPeak: undefined },
    ],
    [
      'a window of 0',
      [{ context: { windowTokens: 0, finalTokens: 5 } }],
      { contextUtilizationFinal: undefined, contextUtilizationPeak: undefined },
    ],
    [
      'only a peak',
      [{ context: { windowTokens: 10, peakTokens: 6 } }],
      { contextUtilizationFinal: undefined, contextUtilizationPeak: 0.6 },
    ],
    [
      'a call that overflowed',
      [{ context: { windowTokens: 10, finalTokens: 12, peakTokens: 12 } }],
      { contextUtilizationFinal: 1, contextUtilizationPeak: 1 },
    ],
    [
      'the peak of an earlier attempt',
      [{ context: { windowTokens: 10, peakTokens: 9 } }, { context: { windowTokens: 10, finalTokens: 1, peakTokens: 2 } }],
      { contextUtilizationFinal: 0.1, contextUtilizationPeak: 0.9 },
    ],
    [
      'a last attempt that told no model',
      [{ model: 'm', harnessVersion: '1' }, {}],
      { model: undefined, harnessVersion: undefined, provider: undefined, summary: undefined },
    ],
  ])('%s', (_, told, fields) => expectFields(accounts(...told), fields));
});

test('a clock that was set back adds nothing, and takes nothing away', () => {
  const before = after(created(), ...running, exited(), reconciled());
  const { completion } = decided({ ...before, since: before.since + 60_000, createdAt: before.createdAt + 60_000 }, judged);
  expect(completion).toMatchObject({ queueDurationMs: 0, phases: { activeMs: 6_000, gateMs: 0 }, taskDurationMs: 6_000 });
});
